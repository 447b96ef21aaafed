#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/memory.h"
#include "observe/renewals.h"

static struct digest digest_of(uint64_t number)
{
        struct digest digest = {{1}};
        memcpy(&digest.bytes[8], &number, sizeof(number));
        return digest;
}

static struct handshake_facts client(uint64_t identity, uint64_t key, int64_t not_after_s)
{
        struct handshake_facts facts = {.identity = identity ? digest_of(identity)
                                                             : (struct digest){{0}},
                                        .leaf = {.not_after_s = not_after_s}};
        facts.leaf.spki = digest_of(key);
        return facts;
}

static void admit(struct renewals *renewals, struct handshake_facts facts, const char *name)
{
        facts.admitted = facts.verified = true;
        facts.pin_name = slice_of(name);
        renewals_note(renewals, &facts);
}

static struct slice refuse(struct renewals *renewals, struct handshake_facts facts)
{
        facts.reason = REASON_NOT_PINNED;
        renewals_note(renewals, &facts);
        return renewals_find(renewals, &facts);
}

static int setup(void **state)
{
        *state = renewals_new();
        return 0;
}

static int teardown(void **state)
{
        renewals_free(*state);
        return 0;
}

static void the_same_names_with_a_new_key_are_a_renewal(void **state)
{
        assert_int_equal(refuse(*state, client(7, 2, 200)).len, 0);
        admit(*state, client(7, 1, 100), "acme-robot");
        assert_true(slice_is(refuse(*state, client(7, 2, 200)), "acme-robot"));
        struct handshake_facts would = client(7, 2, 200);
        would.admitted = would.verified = true;
        would.report_only = REASON_NOT_PINNED;
        assert_true(slice_is(renewals_find(*state, &would), "acme-robot"));
}

static void what_is_no_renewal_is_not_told_as_one(void **state)
{
        const struct {
                const char *why;
                struct handshake_facts facts;
                enum reason reason;
        } cases[] = {
                {"other names", client(8, 2, 200), REASON_NOT_PINNED},
                {"a path that did not verify gives no identity", client(0, 2, 200),
                 REASON_NOT_PINNED},
                {"refused for something else", client(7, 2, 200), REASON_EXPIRED},
                {"denied", client(7, 2, 200), REASON_DENIED},
                {"the key that was let in", client(7, 1, 200), REASON_NOT_PINNED},
                {"a certificate that ends before the one that was let in", client(7, 2, 99),
                 REASON_NOT_PINNED},
        };
        admit(*state, client(7, 1, 100), "acme-robot");
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                struct handshake_facts facts = cases[i].facts;
                facts.reason = cases[i].reason;
                if (renewals_find(*state, &facts).len > 0)
                        fail_msg("%s", cases[i].why);
        }
}

static void only_an_admission_by_a_named_pin_is_remembered(void **state)
{
        admit(*state, client(7, 1, 100), "");
        struct handshake_facts unverified = client(7, 1, 100);
        unverified.admitted = true;
        unverified.pin_name = SLICE("acme-robot");
        renewals_note(*state, &unverified);
        assert_int_equal(refuse(*state, client(7, 2, 200)).len, 0);
}

static void an_old_key_is_no_renewal_once_its_pin_is_gone(void **state)
{
        admit(*state, client(7, 1, 100), "acme-robot");
        admit(*state, client(7, 2, 100), "acme-robot");
        assert_int_equal(refuse(*state, client(7, 1, 100)).len, 0);
        assert_true(slice_is(refuse(*state, client(7, 3, 100)), "acme-robot"));
}

static void who_came_in_under_two_names_is_nobodys_renewal(void **state)
{
        admit(*state, client(7, 1, 100), "acme-robot");
        admit(*state, client(7, 2, 100), "other-robot");
        assert_int_equal(refuse(*state, client(7, 3, 200)).len, 0);
}

static void the_least_recently_seen_is_forgotten_first(void **state)
{
        for (uint64_t i = 1; i <= RENEWALS_MAX; i++)
                admit(*state, client(i, 1, 100), "robot");
        admit(*state, client(1, 1, 100), "robot");
        admit(*state, client(RENEWALS_MAX + 1, 1, 100), "robot");
        assert_int_equal(refuse(*state, client(1, 2, 200)).len, 5);
        assert_int_equal(refuse(*state, client(2, 2, 200)).len, 0);
        assert_int_equal(refuse(*state, client(3, 2, 200)).len, 5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(the_same_names_with_a_new_key_are_a_renewal),
                TEST(what_is_no_renewal_is_not_told_as_one),
                TEST(only_an_admission_by_a_named_pin_is_remembered),
                TEST(an_old_key_is_no_renewal_once_its_pin_is_gone),
                TEST(who_came_in_under_two_names_is_nobodys_renewal),
                TEST(the_least_recently_seen_is_forgotten_first),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
