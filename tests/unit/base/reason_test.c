#include "harness.h"

#include "base/memory.h"
#include "base/reason.h"

static void every_reason_has_a_token_of_its_own(void **state)
{
        (void)state;
        for (enum reason a = 0; a < REASON_COUNT; a++) {
                const char *token = reason_token(a);
                assert_true(strlen(token) > 0);
                assert_int_equal(strspn(token, "abcdefghijklmnopqrstuvwxyz_0123456789"),
                                 strlen(token));
                for (enum reason b = 0; b < a; b++)
                        assert_string_not_equal(token, reason_token(b));
        }
}

static void every_reason_says_something_in_one_line(void **state)
{
        (void)state;
        for (enum reason reason = 0; reason < REASON_COUNT; reason++) {
                assert_true(strlen(reason_says(reason)) > 10);
                assert_null(strchr(reason_says(reason), '\n'));
        }
}

static void accepted_is_zero_and_sends_no_alert(void **state)
{
        (void)state;
        assert_int_equal(REASON_ACCEPTED, 0);
        assert_int_equal(reason_alert(REASON_ACCEPTED), 0);
}

/* 116 no certificate, 48 untrusted, 45 expired, 44 revoked, 46 not pinned and denied, 43 weak or
 * wrong use, 49 no usable policy: what the manual promises to clients. */
static void refusals_send_the_alerts_that_the_manual_promises(void **state)
{
        (void)state;
        static const struct {
                enum reason reason;
                int alert;
        } rows[] = {
                {REASON_NO_CERTIFICATE, 116},   {REASON_UNTRUSTED, 48},
                {REASON_PATH_INVALID, 48},      {REASON_NAME_CONSTRAINED, 48},
                {REASON_EXPIRED, 45},           {REASON_NOT_YET_VALID, 45},
                {REASON_REVOKED, 44},           {REASON_CRL_MISSING, 44},
                {REASON_CRL_EXPIRED, 44},       {REASON_CRL_INVALID, 44},
                {REASON_NOT_PINNED, 46},        {REASON_DENIED, 46},
                {REASON_PIN_IN_WRONG_LIST, 46}, {REASON_PIN_OUT_OF_WINDOW, 46},
                {REASON_NO_USABLE_PIN, 49},     {REASON_WEAK_KEY, 43},
                {REASON_WEAK_SIGNATURE, 43},    {REASON_WRONG_USE, 43},
                {REASON_PORT_NOT_USABLE, 49},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++)
                assert_int_equal(reason_alert(rows[i].reason), rows[i].alert);
}

static void a_denied_client_cannot_tell_it_from_an_unpinned_one(void **state)
{
        (void)state;
        assert_int_equal(reason_alert(REASON_DENIED), reason_alert(REASON_NOT_PINNED));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_reason_has_a_token_of_its_own),
                cmocka_unit_test(every_reason_says_something_in_one_line),
                cmocka_unit_test(accepted_is_zero_and_sends_no_alert),
                cmocka_unit_test(refusals_send_the_alerts_that_the_manual_promises),
                cmocka_unit_test(a_denied_client_cannot_tell_it_from_an_unpinned_one),
        };
        return RUN(tests);
}
