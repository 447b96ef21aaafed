/* What becomes of open connections, and when they are asked again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "judge_stage.h"

/* All pins went, and a client was denied in the same edit: it is not kept. */
static void keep_keeps_nobody_who_is_denied(void **state)
{
        (void)state;
        struct port port;
        struct pin now[] = {leaf_pin(&robot, "")}, later[] = {leaf_pin(&robot, "")};
        later[0].not_before = PKI_NOW + HOUR;
        port_open(&port, NULL);
        struct pin_scope *scope = port_scope(&port, SCOPE_GATEWAY, "emptied", NULL, 0);
        scope->removal = (struct removal){.action = REMOVAL_KEEP};
        struct verdict verdict = ask(&port, (struct asked){.who = &robot});
        expect(&verdict, REASON_NO_USABLE_PIN);
        assert_int_equal(verdict.removal.action, REMOVAL_KEEP);
        scope->deny = set_of(later, 1);
        verdict = ask(&port, (struct asked){.who = &robot});
        assert_int_equal(verdict.removal.action, REMOVAL_KEEP);
        assert_true(verdict.valid_until == PKI_NOW + HOUR);
        verdict = ask(&port, (struct asked){.who = &robot, .now = PKI_NOW + HOUR});
        expect(&verdict, REASON_NO_USABLE_PIN);
        assert_int_equal(verdict.removal.action, REMOVAL_CLOSE);
        pin_set_unref(scope->deny);
        scope->deny = set_of(now, 1);
        verdict = ask(&port, (struct asked){.who = &robot});
        assert_int_equal(verdict.removal.action, REMOVAL_CLOSE);
        verdict = ask(&port, (struct asked){.who = &stranger});
        assert_int_equal(verdict.removal.action, REMOVAL_KEEP);
        port_close(&port);
}

static void strictest_removal_of_the_scopes_that_refuse_wins(void **state)
{
        (void)state;
        struct port port;
        struct pin theirs[] = {leaf_pin(&robot, "")};
        port_open(&port, NULL);
        port_scope(&port, SCOPE_GATEWAY, "keeps", theirs, 1)->removal =
                (struct removal){.action = REMOVAL_KEEP};
        struct verdict verdict = ask(&port, (struct asked){.who = &stranger});
        assert_int_equal(verdict.removal.action, REMOVAL_KEEP);
        port_scope(&port, SCOPE_LISTENER, "drains", theirs, 1)->removal =
                (struct removal){REMOVAL_DRAIN, 3000};
        port_scope(&port, SCOPE_INLINE, "inline", theirs, 1);
        verdict = ask(&port, (struct asked){.who = &stranger});
        assert_int_equal(verdict.removal.action, REMOVAL_DRAIN);
        assert_int_equal(verdict.removal.grace_ms, 3000);
        struct pin ours[] = {leaf_pin(&stranger, "")};
        port_scope(&port, SCOPE_LISTENER, "closes, but passes", ours, 1)->removal =
                (struct removal){.action = REMOVAL_CLOSE};
        verdict = ask(&port, (struct asked){.who = &stranger});
        assert_int_equal(verdict.removal.action, REMOVAL_DRAIN);
        /* What is no scope's affair drains within the default. */
        verdict = ask(&port, (struct asked){.who = &self_made});
        expect(&verdict, REASON_UNTRUSTED);
        assert_int_equal(verdict.removal.grace_ms, REMOVAL_GRACE_MS_DEFAULT);
        port_close(&port);
}

/* A scope without pins refuses by itself; what else no longer holds must not hide behind it, or who
 * is kept would outlive its CA. */
static void removal_of_the_last_pin_hides_nothing_else(void **state)
{
        (void)state;
        struct port port;
        struct pin theirs[] = {leaf_pin(&robot, "")};
        port_open(&port, NULL);
        struct pin_scope *empty = port_scope(&port, SCOPE_LISTENER, "empty", NULL, 0);
        empty->removal = (struct removal){.action = REMOVAL_KEEP};
        struct verdict verdict = ask(&port, (struct asked){.who = &robot});
        expect(&verdict, REASON_NO_USABLE_PIN);
        assert_int_equal(verdict.removal.action, REMOVAL_KEEP);
        assert_string_equal(verdict.pin_source, "empty");
        verdict = ask(&port, (struct asked){.who = &self_made});
        expect(&verdict, REASON_NO_USABLE_PIN);
        assert_int_equal(verdict.removal.action, REMOVAL_DRAIN);
        struct pin_scope *denies = port_scope(&port, SCOPE_LISTENER, "denies", theirs, 1);
        denies->removal = (struct removal){.action = REMOVAL_KEEP};
        theirs[0].not_before = PKI_NOW + HOUR;
        denies->deny = set_of(theirs, 1);
        verdict = ask(&port, (struct asked){.who = &robot});
        assert_int_equal(verdict.removal.action, REMOVAL_KEEP);
        assert_true(verdict.valid_until == PKI_NOW + HOUR);
        verdict = ask(&port, (struct asked){.who = &robot, .now = PKI_NOW + HOUR});
        expect(&verdict, REASON_NO_USABLE_PIN);
        assert_int_equal(verdict.removal.action, REMOVAL_CLOSE);
        denies->removal = (struct removal){REMOVAL_DRAIN, 3000};
        verdict = ask(&port, (struct asked){.who = &stranger});
        assert_int_equal(verdict.removal.action, REMOVAL_DRAIN);
        assert_int_equal(verdict.removal.grace_ms, 3000);
        /* In fallback mode nothing softens it. */
        port.policy.mode = ALLOW_INSECURE_FALLBACK;
        verdict = ask(&port, (struct asked){.who = &self_made});
        assert_false(verdict.admitted);
        port_close(&port);
}

/* A whole Gateway's policy without a usable pin closes the port: at once where it says so. */
static void a_closed_port_removes_no_later_than_its_scopes_say(void **state)
{
        (void)state;
        struct port port;
        port_open(&port, NULL);
        struct pin_scope *empty = port_scope(&port, SCOPE_GATEWAY, "empty", NULL, 0);
        port.policy.refuses_all = true;
        empty->removal = (struct removal){.action = REMOVAL_CLOSE};
        struct verdict verdict = ask(&port, (struct asked){.who = &robot});
        expect(&verdict, REASON_PORT_NOT_USABLE);
        assert_int_equal(verdict.removal.action, REMOVAL_CLOSE);
        empty->removal = (struct removal){.action = REMOVAL_KEEP};
        verdict = ask(&port, (struct asked){.who = &robot});
        assert_int_equal(verdict.removal.action, REMOVAL_DRAIN);
        empty->removal = (struct removal){.action = REMOVAL_CLOSE};
        empty->report_only = true;
        verdict = ask(&port, (struct asked){.who = &robot});
        assert_int_equal(verdict.removal.action, REMOVAL_DRAIN);
        port_close(&port);
}

/* Who comes in without identity, or is kept, is looked at again when a denial opens. */
static void a_denial_that_opens_bounds_who_is_not_pinned(void **state)
{
        (void)state;
        struct port port;
        struct pki_cert below = pki_make(&issuing, &(struct pki_spec){.subject = "below"});
        struct pin pins[] = {leaf_pin(&robot, "")};
        struct pin denied[] = {issuer_pin(&issuing, "")};
        denied[0].not_before = PKI_NOW + HOUR;
        port_open(&port, NULL);
        port.policy.mode = ALLOW_INSECURE_FALLBACK;
        port_scope(&port, SCOPE_GATEWAY, "partners", pins, 1)->deny = set_of(denied, 1);
        struct asked asked = {.who = &below, .others = pki_stack(1, issuing.x509)};
        struct verdict verdict = ask(&port, asked);
        expect(&verdict, REASON_NOT_PINNED);
        assert_true(verdict.admitted);
        assert_true(verdict.valid_until == PKI_NOW + HOUR);
        asked.now = PKI_NOW + HOUR;
        asked.others = pki_stack(1, issuing.x509);
        verdict = ask(&port, asked);
        expect(&verdict, REASON_DENIED);
        assert_false(verdict.admitted);
        port_close(&port);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(keep_keeps_nobody_who_is_denied),
                cmocka_unit_test(strictest_removal_of_the_scopes_that_refuse_wins),
                cmocka_unit_test(removal_of_the_last_pin_hides_nothing_else),
                cmocka_unit_test(a_closed_port_removes_no_later_than_its_scopes_say),
                cmocka_unit_test(a_denial_that_opens_bounds_who_is_not_pinned),
        };
        return cmocka_run_group_tests_name("judge_removal", tests, stage_setup, stage_teardown);
}
