/* Who may take the leader's Lease, and when: by the holder's name and our own clock alone. */
#include <stdlib.h>

#include "../base/harness.h"

#include "base/memory.h"
#include "control/report/lease_record.h"
#include "text/json.h"

#define US        (INT64_C(1795714160) * 1000000 + 129)
#define SECOND_MS 1000

struct fixture {
        struct arena arena;
        struct lease_sight sight;
        struct buffer body;
};

static int set_up(void **state)
{
        struct fixture *fixture = NEW(struct fixture);
        arena_init(&fixture->arena, 4096);
        lease_sight_init(&fixture->sight);
        buffer_init(&fixture->body, 4096);
        *state = fixture;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *fixture = *state;
        arena_done(&fixture->arena);
        lease_sight_done(&fixture->sight);
        buffer_done(&fixture->body);
        free(fixture);
        return 0;
}

static struct lease_record record_of(const char *holder, const char *renewed, const char *version)
{
        return (struct lease_record){
                .name = SLICE("pingate-leader"),
                .version = slice_of(version),
                .holder = slice_of(holder),
                .acquired = SLICE("2026-11-01T00:00:00.000000Z"),
                .renewed = slice_of(renewed),
                .duration_s = 15,
                .transitions = 3,
        };
}

static bool see(struct fixture *fixture, const char *holder, const char *renewed, uint64_t now_ms)
{
        struct lease_record record = record_of(holder, renewed, "7");
        return lease_sight_update(&fixture->sight, &record, now_ms);
}

static enum lease_move judge(const struct fixture *fixture, uint64_t now_ms)
{
        return lease_judge(&fixture->sight, SLICE("me_1"), now_ms);
}

/* --- who may take it --- */

static void a_lease_that_is_not_there_is_created(void **state)
{
        struct fixture *fixture = *state;
        assert_false(lease_sight_update(&fixture->sight, NULL, 5));
        assert_int_equal(judge(fixture, 5), LEASE_CREATE);
}

static void another_holder_is_waited_for_from_our_first_sight_of_it(void **state)
{
        struct fixture *fixture = *state;
        /* Its renewTime is a year ago by whatever clock wrote it: that says nothing. */
        assert_true(see(fixture, "other", "2025-11-01T00:00:00.000000Z", 100 * SECOND_MS));
        assert_int_equal(judge(fixture, 100 * SECOND_MS), LEASE_WAIT);
        assert_int_equal(judge(fixture, 115 * SECOND_MS - 1), LEASE_WAIT);
        assert_int_equal(judge(fixture, 115 * SECOND_MS), LEASE_TAKE);
}

static void each_renewal_starts_the_wait_anew(void **state)
{
        struct fixture *fixture = *state;
        see(fixture, "other", "a", 0);
        assert_true(see(fixture, "other", "b", 14 * SECOND_MS));
        assert_false(see(fixture, "other", "b", 20 * SECOND_MS));
        assert_int_equal(judge(fixture, 28 * SECOND_MS), LEASE_WAIT);
        assert_int_equal(judge(fixture, 29 * SECOND_MS), LEASE_TAKE);
}

static void an_edit_of_something_else_is_no_sign_of_the_holder(void **state)
{
        struct fixture *fixture = *state;
        struct lease_record edited = record_of("other", "a", "8");
        see(fixture, "other", "a", 0);
        assert_false(lease_sight_update(&fixture->sight, &edited, 10 * SECOND_MS));
        assert_int_equal(judge(fixture, 15 * SECOND_MS), LEASE_TAKE);
        assert_true(slice_is(fixture->sight.record.version, "8"));
}

static void a_released_lease_is_taken_at_once(void **state)
{
        struct fixture *fixture = *state;
        see(fixture, "other", "a", 0);
        see(fixture, "", "b", 1);
        assert_int_equal(judge(fixture, 1), LEASE_TAKE);
}

static void our_own_lease_is_renewed(void **state)
{
        struct fixture *fixture = *state;
        see(fixture, "me_1", "a", 0);
        assert_int_equal(judge(fixture, 0), LEASE_RENEW);
        assert_int_equal(judge(fixture, 60 * SECOND_MS), LEASE_RENEW);
}

static void a_former_process_of_our_identity_is_another(void **state)
{
        struct fixture *fixture = *state;
        see(fixture, "me_2", "a", 0);
        assert_int_equal(judge(fixture, 0), LEASE_WAIT);
}

static void a_longer_duration_is_honoured_and_a_huge_one_is_not(void **state)
{
        struct fixture *fixture = *state;
        struct lease_record record = record_of("other", "a", "1");
        record.duration_s = 60;
        lease_sight_update(&fixture->sight, &record, 0);
        assert_int_equal(judge(fixture, 59 * SECOND_MS), LEASE_WAIT);
        assert_int_equal(judge(fixture, 60 * SECOND_MS), LEASE_TAKE);
        record.duration_s = INT64_MAX;
        lease_sight_update(&fixture->sight, &record, 0);
        assert_int_equal(judge(fixture, 300 * SECOND_MS), LEASE_TAKE);
}

static void a_duration_below_ours_is_ours(void **state)
{
        struct fixture *fixture = *state;
        struct lease_record record = record_of("other", "a", "1");
        record.duration_s = 1;
        lease_sight_update(&fixture->sight, &record, 0);
        assert_int_equal(judge(fixture, 12 * SECOND_MS), LEASE_WAIT);
}

/* --- what is read and written --- */

static bool read_text(struct fixture *fixture, const char *json, struct lease_record *record)
{
        struct node *root;
        struct error err;
        assert_true(json_parse(&fixture->arena, slice_of(json), "t", &root, &err));
        return lease_record_read(root, record, &err);
}

static struct lease_record written(struct fixture *fixture)
{
        struct node *root;
        struct lease_record record;
        struct error err;
        assert_true(json_parse(&fixture->arena, buffer_slice(&fixture->body), "t", &root, &err));
        const struct node *metadata = node_find(root, "metadata");
        /* What is created has no version yet. */
        if (!node_find(metadata, "resourceVersion"))
                node_add(&fixture->arena, (struct node *)(uintptr_t)metadata,
                         SLICE("resourceVersion"), node_new_string(&fixture->arena, SLICE("none")));
        assert_true(lease_record_read(root, &record, &err));
        return record;
}

static void a_replicas_digest_is_read_and_a_broken_one_agrees_with_nobody(void **state)
{
        struct fixture *fixture = *state;
        struct lease_record record;
        assert_true(read_text(
                fixture,
                "{\"metadata\":{\"name\":\"pingate-a\",\"resourceVersion\":\"1\",\"annotations\":{"
                "\"pingate.dev/served-digest\":"
                "\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"}}}",
                &record));
        assert_int_equal(record.digest.bytes[1], 0x11);
        assert_int_equal(record.digest.bytes[31], 0xff);
        assert_true(read_text(
                fixture,
                "{\"metadata\":{\"name\":\"pingate-a\",\"resourceVersion\":\"1\",\"annotations\":{"
                "\"pingate.dev/served-digest\":"
                "\"zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"}}}",
                &record));
        assert_true(digest_is_none(&record.digest));
}

static void what_is_no_lease_is_refused(void **state)
{
        struct lease_record record;
        assert_false(read_text(*state, "{}", &record));
        assert_false(read_text(*state, "[]", &record));
        assert_false(read_text(*state, "{\"metadata\":{\"name\":\"x\"}}", &record));
}

static void taking_counts_a_transition_and_is_bound_to_the_version_seen(void **state)
{
        struct fixture *fixture = *state;
        see(fixture, "other", "a", 0);
        assert_true(
                lease_leader_print(&fixture->sight, LEASE_TAKE, SLICE("me_1"), US, &fixture->body));
        struct lease_record record = written(fixture);
        assert_true(slice_is(record.version, "7"));
        assert_true(slice_is(record.holder, "me_1"));
        assert_true(slice_is(record.acquired, "2026-11-26T17:29:20.000129Z"));
        assert_true(slice_is(record.renewed, "2026-11-26T17:29:20.000129Z"));
        assert_int_equal(record.transitions, 4);
        assert_int_equal(record.duration_s, LEASE_DURATION_MS / 1000);
}

static void renewing_keeps_when_it_was_acquired(void **state)
{
        struct fixture *fixture = *state;
        see(fixture, "me_1", "a", 0);
        assert_true(lease_leader_print(&fixture->sight, LEASE_RENEW, SLICE("me_1"), US,
                                       &fixture->body));
        struct lease_record record = written(fixture);
        assert_true(slice_is(record.acquired, "2026-11-01T00:00:00.000000Z"));
        assert_true(slice_is(record.renewed, "2026-11-26T17:29:20.000129Z"));
        assert_int_equal(record.transitions, 3);
}

static void creating_names_no_version(void **state)
{
        struct fixture *fixture = *state;
        assert_true(lease_leader_print(&fixture->sight, LEASE_CREATE, SLICE("me_1"), US,
                                       &fixture->body));
        assert_null(memmem(fixture->body.data, fixture->body.len, "resourceVersion", 15));
        assert_true(slice_is(written(fixture).name, "pingate-leader"));
}

static void what_is_released_is_anybodys(void **state)
{
        struct fixture *fixture = *state;
        see(fixture, "me_1", "a", 0);
        assert_true(lease_release_print(&fixture->sight, US, &fixture->body));
        struct lease_record record = written(fixture);
        assert_true(slice_is(record.version, "7"));
        lease_sight_update(&fixture->sight, &record, 1);
        assert_int_equal(lease_judge(&fixture->sight, SLICE("next"), 1), LEASE_TAKE);
        assert_int_equal(judge(fixture, 1), LEASE_TAKE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_lease_that_is_not_there_is_created),
                TEST(another_holder_is_waited_for_from_our_first_sight_of_it),
                TEST(each_renewal_starts_the_wait_anew),
                TEST(an_edit_of_something_else_is_no_sign_of_the_holder),
                TEST(a_released_lease_is_taken_at_once),
                TEST(our_own_lease_is_renewed),
                TEST(a_former_process_of_our_identity_is_another),
                TEST(a_longer_duration_is_honoured_and_a_huge_one_is_not),
                TEST(a_duration_below_ours_is_ours),
                TEST(a_replicas_digest_is_read_and_a_broken_one_agrees_with_nobody),
                TEST(what_is_no_lease_is_refused),
                TEST(taking_counts_a_transition_and_is_bound_to_the_version_seen),
                TEST(renewing_keeps_when_it_was_acquired),
                TEST(creating_names_no_version),
                TEST(what_is_released_is_anybodys),
        };
        return RUN(tests);
}
