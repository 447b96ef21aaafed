#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "observe/refusals.h"
#include "text/json.h"

static void refuse(struct refusals *refusals, uint64_t connection, enum reason reason)
{
        struct event event = {.kind = EVENT_HANDSHAKE, .time_ms = 1};
        event.handshake = (struct handshake_facts){.reason = reason, .connection = connection};
        memset(event.handshake.leaf.spki.bytes, 0x11, DIGEST_BYTES);
        refusals_add(refusals, &event);
}

static struct node *printed(struct refusals *refusals, uint64_t from, struct arena *arena)
{
        struct buffer out;
        buffer_init(&out, 8 << 20);
        assert_true(refusals_print(refusals, from, &out));
        struct node *root;
        struct error err = {0};
        if (!json_parse(arena, arena_slice(arena, buffer_slice(&out)), "refusals", &root, &err))
                fail_msg("%s", err.text);
        buffer_done(&out);
        return root;
}

static void the_last_256_are_kept_oldest_first(void **state)
{
        (void)state;
        struct arena arena;
        arena_init(&arena, 65536);
        struct refusals *refusals = refusals_new();
        for (uint64_t i = 1; i <= 300; i++)
                refuse(refusals, i, REASON_NOT_PINNED);
        struct node *root = printed(refusals, 0, &arena);
        const struct node *list = node_find(root, "refusals");
        assert_true(slice_is(node_text(root, "next"), "301"));
        assert_int_equal(list->child_count, REFUSALS_MAX);
        assert_true(slice_is(node_text(list->children[0], "connection"), "45"));
        assert_true(slice_is(node_text(list->children[255], "connection"), "300"));
        refusals_free(refusals);
        arena_done(&arena);
}

static void asking_from_next_shows_only_what_is_new(void **state)
{
        (void)state;
        struct arena arena;
        arena_init(&arena, 65536);
        struct refusals *refusals = refusals_new();
        assert_true(slice_is(node_text(printed(refusals, 0, &arena), "next"), "1"));
        refuse(refusals, 1, REASON_EXPIRED);
        refuse(refusals, 2, REASON_NOT_PINNED);
        assert_int_equal(node_find(printed(refusals, 1, &arena), "refusals")->child_count, 2);
        const struct node *list = node_find(printed(refusals, 2, &arena), "refusals");
        assert_int_equal(list->child_count, 1);
        assert_true(slice_starts_with(node_text(list->children[0], "pin"), SLICE("spki:")));
        assert_null(
                node_find(node_find(printed(refusals, 0, &arena), "refusals")->children[0], "pin"));
        assert_int_equal(node_find(printed(refusals, 3, &arena), "refusals")->child_count, 0);
        assert_int_equal(node_find(printed(refusals, UINT64_MAX, &arena), "refusals")->child_count,
                         0);
        refusals_free(refusals);
        arena_done(&arena);
}

static struct node *only_refusal(struct refusals *refusals, struct arena *arena)
{
        const struct node *list = node_find(printed(refusals, 0, arena), "refusals");
        assert_int_equal(list->child_count, 1);
        return list->children[0];
}

static void who_would_be_refused_is_marked_and_told_once_with_the_pin(void **state)
{
        (void)state;
        struct arena arena;
        arena_init(&arena, 65536);
        struct refusals *refusals = refusals_new();
        struct event event = {.kind = EVENT_HANDSHAKE, .time_ms = 1};
        event.handshake =
                (struct handshake_facts){.admitted = true,
                                         .verified = true,
                                         .report_only = REASON_NOT_PINNED,
                                         .report_scope = SLICE("ClientCertificatePolicy a/b")};
        memset(event.handshake.leaf.spki.bytes, 0xff, DIGEST_BYTES);
        for (int i = 0; i < 3; i++)
                refusals_add(refusals, &event);
        const struct node *one = only_refusal(refusals, &arena);
        assert_true(node_find(one, "would_refuse")->boolean);
        assert_true(node_find(one, "admitted")->boolean);
        assert_true(slice_is(node_text(one, "report_only"), "not_pinned"));
        assert_true(slice_is(node_text(one, "report_scope"), "ClientCertificatePolicy a/b"));
        assert_true(slice_starts_with(node_text(one, "pin"), SLICE("spki://")));
        event.handshake.report_scope = SLICE("ClientCertificatePolicy a/c");
        refusals_add(refusals, &event);
        assert_int_equal(node_find(printed(refusals, 0, &arena), "refusals")->child_count, 2);
        refusals_free(refusals);
        arena_done(&arena);
}

static void a_refused_request_is_listed_with_its_id_and_both_digests(void **state)
{
        (void)state;
        struct arena arena;
        arena_init(&arena, 65536);
        struct refusals *refusals = refusals_new();
        struct event event = {.kind = EVENT_REQUEST, .time_ms = 1};
        event.request = (struct request_facts){.reason = REASON_NOT_PINNED,
                                               .request_id = SLICE("1f"),
                                               .route = SLICE("edge/web"),
                                               .scope = SLICE("ClientCertificatePolicy a/b"),
                                               .subject = SLICE("CN=x")};
        memset(event.request.spki.bytes, 0xff, DIGEST_BYTES);
        memset(event.request.certificate.bytes, 0x11, DIGEST_BYTES);
        refusals_add(refusals, &event);
        refusals_add(refusals, &event);
        const struct node *one = only_refusal(refusals, &arena);
        assert_true(slice_is(node_text(one, "event"), "request_refused"));
        assert_false(node_find(one, "admitted")->boolean);
        assert_null(node_find(one, "would_refuse"));
        assert_true(slice_is(node_text(one, "request_id"), "1f"));
        assert_true(slice_is(node_text(one, "scope"), "ClientCertificatePolicy a/b"));
        assert_true(slice_is(node_text(one, "subject"), "CN=x"));
        assert_int_equal(node_text(one, "certificate_sha256").len, 64);
        assert_int_equal(node_text(one, "spki_sha256").len, 44);
        assert_true(slice_starts_with(node_text(one, "pin"), SLICE("spki://")));
        refusals_free(refusals);
        arena_done(&arena);
}

/* One client asks and asks; the handshakes of others are still there. */
static void requests_push_no_handshake_out(void **state)
{
        (void)state;
        struct arena arena;
        arena_init(&arena, 65536);
        struct refusals *refusals = refusals_new();
        refuse(refusals, 1, REASON_EXPIRED);
        struct event event = {.kind = EVENT_REQUEST, .time_ms = 1};
        event.request = (struct request_facts){.reason = REASON_NOT_PINNED};
        for (unsigned i = 1; i <= 300; i++) {
                memcpy(event.request.certificate.bytes, &i, sizeof(i));
                refusals_add(refusals, &event);
        }
        refuse(refusals, 2, REASON_EXPIRED);
        const struct node *list = node_find(printed(refusals, 0, &arena), "refusals");
        assert_int_equal(list->child_count, 2 + REFUSALS_MAX);
        assert_true(slice_is(node_text(list->children[0], "connection"), "1"));
        assert_true(slice_is(node_text(list->children[257], "connection"), "2"));
        list = node_find(printed(refusals, 302, &arena), "refusals");
        assert_int_equal(list->child_count, 1);
        refusals_free(refusals);
        arena_done(&arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_last_256_are_kept_oldest_first),
                cmocka_unit_test(asking_from_next_shows_only_what_is_new),
                cmocka_unit_test(who_would_be_refused_is_marked_and_told_once_with_the_pin),
                cmocka_unit_test(a_refused_request_is_listed_with_its_id_and_both_digests),
                cmocka_unit_test(requests_push_no_handshake_out),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
