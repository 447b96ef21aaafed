#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "judge_stage.h"

static void every_scope_that_holds_must_match(void **state)
{
        (void)state;
        struct port port;
        static const uint32_t second[] = {1};
        struct pin both[] = {leaf_pin(&robot, "robot"), leaf_pin(&stranger, "stranger")};
        struct pin one[] = {leaf_pin(&robot, "robot-here")};
        port_open(&port, NULL);
        port_scope(&port, SCOPE_GATEWAY, "gateway policy", both, 2);
        struct pin_scope *narrow = port_scope(&port, SCOPE_LISTENER, "listener policy", one, 1);
        narrow->listeners = second;
        narrow->listener_count = 1;

        struct verdict verdict = ask(&port, (struct asked){.who = &stranger});
        expect(&verdict, REASON_ACCEPTED);
        assert_string_equal(verdict.pin_name, "stranger");
        verdict = ask(&port, (struct asked){.who = &stranger, .listener = 1});
        expect(&verdict, REASON_NOT_PINNED);
        assert_string_equal(verdict.pin_source, "listener policy");
        verdict = ask(&port, (struct asked){.who = &robot, .listener = 1});
        expect(&verdict, REASON_ACCEPTED);
        assert_string_equal(verdict.pin_name, "robot-here"); /* the most specific scope names */
        verdict = ask(&port, (struct asked){.who = &stranger, .listener = LISTENER_UNKNOWN});
        expect(&verdict, REASON_NOT_PINNED);
        port_close(&port);
}

static void deny_refuses_whatever_else_allows(void **state)
{
        (void)state;
        struct port port;
        struct pin pins[] = {leaf_pin(&robot, "robot"), leaf_pin(&self_made, "self")};
        struct pin denied[] = {leaf_pin(&robot, ""), leaf_pin(&other_root, ""),
                               leaf_pin(&self_made, "")};
        port_open(&port, NULL);
        struct pin_scope *scope = port_scope(&port, SCOPE_GATEWAY, "partners", pins, 2);
        scope->deny = set_of(denied, 3);

        struct verdict verdict = ask(&port, (struct asked){.who = &robot});
        expect(&verdict, REASON_DENIED);
        assert_int_equal(verdict.removal.action, REMOVAL_CLOSE);
        /* Who is let in without identity when nothing verifies is still not let in when denied. */
        port.policy.mode = ALLOW_INSECURE_FALLBACK;
        verdict = ask(&port, (struct asked){.who = &robot});
        expect(&verdict, REASON_DENIED);
        assert_false(verdict.admitted);
        verdict = ask(&port, (struct asked){.who = &self_made}); /* denied and untrusted */
        expect(&verdict, REASON_DENIED);
        assert_false(verdict.admitted);
        /* PinnedOnly does not help, either. */
        scope->pinned_only = true;
        verdict = ask(&port, (struct asked){.who = &self_made});
        expect(&verdict, REASON_DENIED);
        port_close(&port);
}

static void deny_of_an_issuer_looks_at_the_verified_path(void **state)
{
        (void)state;
        struct port port;
        struct pki_cert below = pki_make(&issuing, &(struct pki_spec){.subject = "below"});
        struct pin pins[] = {leaf_pin(&robot, ""), leaf_pin(&below, "")};
        struct pin denied[] = {issuer_pin(&issuing, "")};
        port_open(&port, NULL);
        port_scope(&port, SCOPE_GATEWAY, "partners", pins, 2)->deny = set_of(denied, 1);
        struct verdict verdict =
                ask(&port, (struct asked){.who = &below, .others = pki_stack(1, issuing.x509)});
        expect(&verdict, REASON_DENIED);
        /* Not pinned in one scope, denied in another: it does not come in without identity. */
        port_scope(&port, SCOPE_INLINE, "inline", pins, 1);
        port.policy.mode = ALLOW_INSECURE_FALLBACK;
        struct pin_scope swap = port.scopes[0];
        port.scopes[0] = port.scopes[1];
        port.scopes[1] = swap;
        verdict = ask(&port, (struct asked){.who = &below, .others = pki_stack(1, issuing.x509)});
        expect(&verdict, REASON_DENIED);
        assert_false(verdict.admitted);
        /* Sent along, but no part of the path. */
        verdict = ask(&port, (struct asked){.who = &robot, .others = pki_stack(1, issuing.x509)});
        expect(&verdict, REASON_ACCEPTED);
        port_close(&port);
}

static void issuer_pins_match_the_verified_path_alone(void **state)
{
        (void)state;
        struct port port;
        struct pki_cert below = pki_make(&issuing, &(struct pki_spec){.subject = "below"});
        struct pin pins[] = {issuer_pin(&issuing, "made-by-issuing")};
        port_open(&port, NULL);
        port_scope(&port, SCOPE_GATEWAY, "partners", pins, 1);
        struct verdict verdict =
                ask(&port, (struct asked){.who = &below, .others = pki_stack(1, issuing.x509)});
        expect(&verdict, REASON_ACCEPTED);
        assert_string_equal(verdict.pin_name, "made-by-issuing");
        verdict = ask(&port, (struct asked){.who = &robot, .others = pki_stack(1, issuing.x509)});
        expect(&verdict, REASON_NOT_PINNED);
        port_close(&port);

        struct pin anchor[] = {issuer_pin(&root, "by-root"), leaf_pin(&robot, "robot")};
        port_open(&port, NULL);
        port_scope(&port, SCOPE_GATEWAY, "partners", anchor, 2);
        verdict = ask(&port, (struct asked){.who = &stranger});
        expect(&verdict, REASON_ACCEPTED);
        assert_string_equal(verdict.pin_name, "by-root");
        verdict = ask(&port, (struct asked){.who = &robot});
        assert_string_equal(verdict.pin_name, "robot"); /* its own pin says more */
        port_close(&port);

        struct pin wrong[] = {leaf_pin(&root, "")}; /* a CA's key among the leaves' */
        port_open(&port, NULL);
        port_scope(&port, SCOPE_GATEWAY, "partners", wrong, 1);
        verdict = ask(&port, (struct asked){.who = &robot});
        expect(&verdict, REASON_PIN_IN_WRONG_LIST);
        port_close(&port);
}

static void report_only_records_and_lets_through(void **state)
{
        (void)state;
        struct port port;
        struct pin pins[] = {leaf_pin(&robot, "robot")};
        port_open(&port, NULL);
        struct pin_scope *scope = port_scope(&port, SCOPE_GATEWAY, "trial", pins, 1);
        scope->report_only = true;
        struct verdict verdict = ask(&port, (struct asked){.who = &stranger});
        expect(&verdict, REASON_ACCEPTED);
        assert_int_equal(verdict.report_only, REASON_NOT_PINNED);
        assert_string_equal(verdict.report_source, "trial");
        assert_false(verdict.pinned);
        verdict = ask(&port, (struct asked){.who = &robot});
        expect(&verdict, REASON_ACCEPTED);
        assert_int_equal(verdict.report_only, REASON_ACCEPTED);
        assert_string_equal(verdict.pin_name, ""); /* it is not in force: it gives no name */
        scope->deny = set_of(pins, 1);
        verdict = ask(&port, (struct asked){.who = &robot});
        expect(&verdict, REASON_ACCEPTED);
        assert_int_equal(verdict.report_only, REASON_DENIED);
        /* It can neither waive the CA nor stand for the pins that are required. */
        scope->pinned_only = true;
        verdict = ask(&port, (struct asked){.who = &self_made});
        expect(&verdict, REASON_UNTRUSTED);
        port.policy.pins_required = true;
        verdict = ask(&port, (struct asked){.who = &robot});
        expect(&verdict, REASON_NO_USABLE_PIN);
        port_close(&port);
}

static void required_pins_are_required_on_each_listener(void **state)
{
        (void)state;
        struct port port;
        static const uint32_t first[] = {0};
        struct pin pins[] = {leaf_pin(&robot, "robot")};
        port_open(&port, NULL);
        port.policy.pins_required = true;
        struct pin_scope *scope = port_scope(&port, SCOPE_LISTENER, "listener policy", pins, 1);
        scope->listeners = first;
        scope->listener_count = 1;
        struct verdict verdict = ask(&port, (struct asked){.who = &robot});
        expect(&verdict, REASON_ACCEPTED);
        verdict = ask(&port, (struct asked){.who = &robot, .listener = 1});
        expect(&verdict, REASON_NO_USABLE_PIN);
        port.policy.mode = ALLOW_INSECURE_FALLBACK;
        verdict = ask(&port, (struct asked){.who = &robot, .listener = 1});
        assert_false(verdict.admitted);
        port_close(&port);
}

static void unusable_scope_admits_nobody(void **state)
{
        (void)state;
        struct port port;
        struct pin pins[] = {leaf_pin(&robot, "robot")};
        port_open(&port, NULL);
        struct pin_scope *scope = port_scope(&port, SCOPE_GATEWAY, "bad deny line", pins, 1);
        scope->unusable = true;
        scope->pinned_only = true;
        struct verdict verdict = ask(&port, (struct asked){.who = &robot});
        expect(&verdict, REASON_NO_USABLE_PIN);
        assert_string_equal(verdict.pin_source, "bad deny line");
        port_close(&port);
}

static void pinned_only_waives_the_ca_for_its_own_leaf_pins(void **state)
{
        (void)state;
        struct port port;
        struct pki_cert unpinned = pki_make(NULL, &(struct pki_spec){.subject = "unpinned"});
        struct pki_cert late = pki_make(
                NULL, &(struct pki_spec){.not_before = PKI_NOW - 9, .not_after = PKI_NOW - 1});
        struct pki_cert server = pki_make(NULL, &(struct pki_spec){.eku = "serverAuth"});
        struct pki_cert weak = pki_make(NULL, &(struct pki_spec){.key = "RSA:1024"});
        struct pin pins[] = {leaf_pin(&self_made, "self"), leaf_pin(&late, ""),
                             leaf_pin(&server, ""),        leaf_pin(&weak, ""),
                             leaf_pin(&robot, "robot"),    issuer_pin(&other_root, "")};
        port_open(&port, NULL);
        struct pin_scope *scope = port_scope(&port, SCOPE_GATEWAY, "raw keys", pins, 6);
        struct verdict verdict = ask(&port, (struct asked){.who = &self_made});
        expect(&verdict, REASON_UNTRUSTED);
        scope->pinned_only = true;
        verdict = ask(&port, (struct asked){.who = &self_made});
        expect(&verdict, REASON_ACCEPTED);
        assert_true(verdict.path_waived && verdict.pinned);
        assert_int_equal(verdict.path.count, 0);
        assert_string_equal(verdict.pin_name, "self");
        assert_true(verdict.valid_until == verdict.leaf_not_after);
        verdict = ask(&port, (struct asked){.who = &unpinned});
        expect(&verdict, REASON_UNTRUSTED);
        verdict = ask(&port, (struct asked){.who = &late});
        expect(&verdict, REASON_EXPIRED);
        verdict = ask(&port, (struct asked){.who = &server});
        expect(&verdict, REASON_WRONG_USE);
        verdict = ask(&port, (struct asked){.who = &weak});
        expect(&verdict, REASON_WEAK_KEY);
        /* An issuer pin is none of a leaf, and there is no path for it to be of. */
        struct pki_cert foreign = pki_make(&other_root, &(struct pki_spec){.subject = "foreign"});
        verdict = ask(&port,
                      (struct asked){.who = &foreign, .others = pki_stack(1, other_root.x509)});
        expect(&verdict, REASON_UNTRUSTED);
        verdict = ask(&port, (struct asked){.who = &robot}); /* a path is still taken */
        expect(&verdict, REASON_ACCEPTED);
        assert_false(verdict.path_waived);
        port_close(&port);
}

static void pinned_only_waives_nothing_for_other_scopes(void **state)
{
        (void)state;
        struct port port;
        struct pin pins[] = {leaf_pin(&self_made, "self"), leaf_pin(&robot, "robot")};
        struct pin other[] = {leaf_pin(&robot, "robot")};
        port_open(&port, NULL);
        port_scope(&port, SCOPE_GATEWAY, "raw keys", pins, 2)->pinned_only = true;
        port_scope(&port, SCOPE_INLINE, "inline", other, 1);
        struct verdict verdict = ask(&port, (struct asked){.who = &self_made});
        expect(&verdict, REASON_NOT_PINNED);
        assert_string_equal(verdict.pin_source, "inline");
        /* A leaf pin of another policy than the one that waives. */
        port.scopes[0].pinned_only = false;
        port.scopes[1].pinned_only = true;
        verdict = ask(&port, (struct asked){.who = &self_made});
        expect(&verdict, REASON_UNTRUSTED);
        port_close(&port);
}

/* The manual says so: who shows no CA has none that could be denied, and its pin names it alone. */
static void pinned_only_knows_no_issuer_that_is_not_shown(void **state)
{
        (void)state;
        struct port port;
        struct pki_cert below = pki_make(&issuing, &(struct pki_spec){.subject = "below"});
        struct pin pins[] = {leaf_pin(&below, "below")}, denied[] = {issuer_pin(&issuing, "")};
        port_open(&port, NULL);
        struct pin_scope *scope = port_scope(&port, SCOPE_GATEWAY, "raw keys", pins, 1);
        scope->pinned_only = true;
        scope->deny = set_of(denied, 1);
        struct verdict verdict =
                ask(&port, (struct asked){.who = &below, .others = pki_stack(1, issuing.x509)});
        expect(&verdict, REASON_DENIED);
        verdict = ask(&port, (struct asked){.who = &below});
        expect(&verdict, REASON_ACCEPTED);
        assert_true(verdict.path_waived);
        port_close(&port);
}

static void revocation_counts_under_pinned_only(void **state)
{
        (void)state;
        struct port port;
        long serial = 777;
        struct pki_cert revoked = pki_make(&root, &(struct pki_spec){.serial = serial});
        struct slice crl = pki_crl_pem(pki_crl(&root, &serial, 1, 0, 0));
        struct pin pins[] = {leaf_pin(&revoked, "")};
        port_open(&port, &crl);
        port_scope(&port, SCOPE_GATEWAY, "raw keys", pins, 1)->pinned_only = true;
        struct verdict verdict = ask(&port, (struct asked){.who = &revoked});
        expect(&verdict, REASON_REVOKED);
        port_close(&port);
}

static void use_is_relaxed_for_pinned_leaves_alone(void **state)
{
        (void)state;
        struct port port;
        struct pki_cert server = pki_make(&root, &(struct pki_spec){.eku = "serverAuth"});
        struct pki_cert other = pki_make(&root, &(struct pki_spec){.eku = "serverAuth"});
        struct pki_cert signer = pki_make(&root, &(struct pki_spec){.eku = "codeSigning"});
        struct pin pins[] = {leaf_pin(&server, ""), leaf_pin(&signer, ""),
                             issuer_pin(&root, "anybody")};
        port_open(&port, NULL);
        struct pin_scope *scope = port_scope(&port, SCOPE_GATEWAY, "public CA", pins, 3);
        struct verdict verdict = ask(&port, (struct asked){.who = &server});
        expect(&verdict, REASON_WRONG_USE);
        scope->use = USE_CLIENT_OR_SERVER_AUTH;
        verdict = ask(&port, (struct asked){.who = &server});
        expect(&verdict, REASON_ACCEPTED);
        verdict = ask(&port, (struct asked){.who = &other}); /* pinned by its issuer only */
        expect(&verdict, REASON_WRONG_USE);
        verdict = ask(&port, (struct asked){.who = &signer});
        expect(&verdict, REASON_WRONG_USE);
        scope->use = USE_ANY;
        verdict = ask(&port, (struct asked){.who = &signer});
        expect(&verdict, REASON_ACCEPTED);
        /* The strictest of the policies holds; inline pins have no say. */
        port_scope(&port, SCOPE_INLINE, "inline", pins, 2);
        verdict = ask(&port, (struct asked){.who = &signer});
        expect(&verdict, REASON_ACCEPTED);
        port_scope(&port, SCOPE_LISTENER, "strict", pins, 2);
        verdict = ask(&port, (struct asked){.who = &signer});
        expect(&verdict, REASON_WRONG_USE);
        port_close(&port);
}

static void windows_bound_the_verdict(void **state)
{
        (void)state;
        struct port port;
        struct pin pins[] = {leaf_pin(&robot, "old"), leaf_pin(&robot, "new")};
        pins[0].not_after = PKI_NOW + HOUR;
        pins[1].not_before = PKI_NOW + 2 * HOUR;
        struct pin denied[] = {leaf_pin(&robot, ""), leaf_pin(&robot, "")};
        denied[0].not_before = PKI_NOW + HOUR / 2;
        denied[0].not_after = PKI_NOW + HOUR / 2 + 60;
        denied[1].not_before = PKI_NOW + 5 * HOUR;
        port_open(&port, NULL);
        port_scope(&port, SCOPE_GATEWAY, "partners", pins, 2);
        struct verdict verdict = ask(&port, (struct asked){.who = &robot});
        expect(&verdict, REASON_ACCEPTED);
        assert_true(verdict.valid_until == PKI_NOW + HOUR);
        verdict = ask(&port, (struct asked){.who = &robot, .now = PKI_NOW + HOUR});
        expect(&verdict, REASON_PIN_OUT_OF_WINDOW);
        verdict = ask(&port, (struct asked){.who = &robot, .now = PKI_NOW + 2 * HOUR});
        expect(&verdict, REASON_ACCEPTED);
        assert_string_equal(verdict.pin_name, "new");
        /* A deny entry that opens later ends what came in before. */
        port.scopes[0].deny = set_of(denied, 2);
        verdict = ask(&port, (struct asked){.who = &robot});
        expect(&verdict, REASON_ACCEPTED);
        assert_true(verdict.valid_until == PKI_NOW + HOUR / 2);
        verdict = ask(&port, (struct asked){.who = &robot, .now = PKI_NOW + HOUR / 2});
        expect(&verdict, REASON_DENIED);
        verdict = ask(&port, (struct asked){.who = &robot, .now = PKI_NOW + 3 * HOUR});
        assert_true(verdict.valid_until == PKI_NOW + 5 * HOUR);
        port_close(&port);
}

static void requests_are_judged_by_the_same_pins(void **state)
{
        (void)state;
        struct port port;
        struct pin pins[] = {leaf_pin(&robot, "robot-on-route")}, trial[] = {leaf_pin(&root, "")};
        port_open(&port, NULL);
        struct verdict verdict = ask(&port, (struct asked){.who = &robot});
        port_scope(&port, SCOPE_ROUTE, "route policy", pins, 1);
        struct pin_scope *rule = port_scope(&port, SCOPE_RULE, "rule policy", trial, 1);
        rule->report_only = true;
        struct request_policy policy = {port.scopes, 2};
        struct pin_evidence evidence = verdict_evidence(&verdict);
        struct pin_decision decision;
        judge_request_pins(&policy, &evidence, PKI_NOW, &decision);
        assert_int_equal(decision.reason, REASON_ACCEPTED);
        assert_true(slice_is(decision.match.name, "robot-on-route"));
        assert_int_equal(decision.report_only, REASON_PIN_IN_WRONG_LIST);
        rule->report_only = false;
        judge_request_pins(&policy, &evidence, PKI_NOW, &decision);
        assert_int_equal(decision.reason, REASON_PIN_IN_WRONG_LIST);
        assert_true(decision.scope == rule);
        refuse_unverified_request(&policy, REASON_NO_CERTIFICATE, &decision);
        assert_int_equal(decision.reason, REASON_NO_CERTIFICATE);
        assert_true(decision.scope == &port.scopes[0]);
        port.scopes[0].report_only = rule->report_only = true;
        refuse_unverified_request(&policy, REASON_NO_CERTIFICATE, &decision);
        assert_int_equal(decision.reason, REASON_ACCEPTED);
        assert_int_equal(decision.report_only, REASON_NO_CERTIFICATE);
        port_close(&port);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_scope_that_holds_must_match),
                cmocka_unit_test(deny_refuses_whatever_else_allows),
                cmocka_unit_test(deny_of_an_issuer_looks_at_the_verified_path),
                cmocka_unit_test(issuer_pins_match_the_verified_path_alone),
                cmocka_unit_test(report_only_records_and_lets_through),
                cmocka_unit_test(required_pins_are_required_on_each_listener),
                cmocka_unit_test(unusable_scope_admits_nobody),
                cmocka_unit_test(pinned_only_waives_the_ca_for_its_own_leaf_pins),
                cmocka_unit_test(pinned_only_waives_nothing_for_other_scopes),
                cmocka_unit_test(pinned_only_knows_no_issuer_that_is_not_shown),
                cmocka_unit_test(revocation_counts_under_pinned_only),
                cmocka_unit_test(use_is_relaxed_for_pinned_leaves_alone),
                cmocka_unit_test(windows_bound_the_verdict),
                cmocka_unit_test(requests_are_judged_by_the_same_pins),
        };
        return cmocka_run_group_tests_name("judge_scopes", tests, stage_setup, stage_teardown);
}
