/* The judge asked about a backend: a server's use, its name, its pins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/x509v3.h>

#include "test_pki.h"
#include "trust/certificate.h"
#include "trust/judge.h"

static struct pki_cert root, other_root;
static struct trust_store *store;
static struct ca_set *cas;

static struct peer_name dns_name(const char *text)
{
        return (struct peer_name){PEER_NAME_DNS, slice_of(text)};
}

static struct peer_name uri_name(const char *text)
{
        return (struct peer_name){PEER_NAME_URI, slice_of(text)};
}

static struct client_policy policy_of(const struct peer_name *names, size_t count)
{
        struct client_policy policy = {
                .cas = cas, .rules = path_rules_default(), .names = names, .name_count = count};
        policy.rules.use = USE_SERVER_AUTH;
        client_policy_seal(&policy);
        return policy;
}

static struct verdict ask(const struct client_policy *policy, X509 *leaf)
{
        struct verdict verdict;
        struct chain *chain = chain_new(leaf, NULL, SLICE_NONE, 0);
        judge(&(struct judge_request){.policy = policy,
                                      .chain = chain,
                                      .listener = LISTENER_UNKNOWN,
                                      .now = PKI_NOW,
                                      .store = store},
              &verdict);
        chain_free(chain);
        return verdict;
}

static X509 *server(const char *san)
{
        return pki_make(&root, &(struct pki_spec){.subject = "app.test.internal",
                                                  .eku = "serverAuth",
                                                  .san = san})
                .x509;
}

static void a_server_must_bear_one_of_the_names(void **state)
{
        (void)state;
        const struct {
                struct peer_name name;
                const char *san;
                bool bears;
        } rows[] = {
                {dns_name("app.test.internal"), "DNS:app.test.internal", true},
                {dns_name("app.test.internal"), "DNS:APP.Test.internal", true},
                {dns_name("app.test.internal"), "DNS:x.example,DNS:app.test.internal", true},
                {dns_name("app.test.internal"), "DNS:*.test.internal", true},
                {dns_name("app.test.internal"), NULL, false}, /* the CN is no name */
                {dns_name("app.test.internal"), "DNS:other.test.internal", false},
                {dns_name("app.test.internal"), "DNS:*.internal", false},
                {dns_name("app.test.internal"), "DNS:app.*.internal", false},
                {dns_name("app.test.internal"), "DNS:a*.test.internal", false},
                {dns_name("app.test.internal"), "DNS:*p.test.internal", false},
                {dns_name("app.test.internal"), "DNS:*", false},
                {dns_name("app.test.internal"), "DNS:.test.internal", false},
                {dns_name("app.test.internal"), "DNS:app.test.internal.", false},
                {dns_name("app.test.internal"), "DNS:app.test.internal.example", false},
                {dns_name("app.test.internal"), "URI:app.test.internal", false},
                {dns_name("app.test.internal"), "email:app@app.test.internal", false},
                {dns_name("b.app.test.internal"), "DNS:*.test.internal", false},
                {dns_name("test.internal"), "DNS:*.test.internal", false},
                {dns_name(".test.internal"), "DNS:app.test.internal", false},
                {dns_name(""), "DNS:app.test.internal", false},
                {dns_name("192.0.2.1"), "IP:192.0.2.1", false},
                {dns_name("*.test.internal"), "DNS:*.test.internal", true},
                {dns_name("*.test.internal"), "DNS:app.test.internal", false},
                {uri_name("spiffe://a/b"), "URI:spiffe://a/b", true},
                {uri_name("spiffe://a/b"), "DNS:x.example,URI:spiffe://a/b", true},
                {uri_name("spiffe://a/b"), "URI:spiffe://a/B", false},
                {uri_name("spiffe://a/b"), "URI:spiffe://a/b/c", false},
                {uri_name("spiffe://a/b"), "URI:spiffe://a", false},
                {uri_name("spiffe://a/b"), "URI:SPIFFE://a/b", false},
                {uri_name("app.test.internal"), "DNS:app.test.internal", false},
                {uri_name(""), "URI:spiffe://a/b", false},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct client_policy policy = policy_of(&rows[i].name, 1);
                struct verdict verdict = ask(&policy, server(rows[i].san));
                enum reason wants = rows[i].bears ? REASON_ACCEPTED : REASON_HOSTNAME_MISMATCH;
                if (verdict.reason != wants)
                        fail_msg("row %zu: %s (%s)", i, reason_token(verdict.reason),
                                 verdict.detail);
                assert_int_equal(verdict.admitted, rows[i].bears);
        }
}

static void of_several_names_one_is_enough(void **state)
{
        (void)state;
        const struct peer_name names[] = {dns_name("x.test.internal"), uri_name("spiffe://a/b")};
        struct client_policy policy = policy_of(names, 2);
        assert_true(ask(&policy, server("URI:spiffe://a/b")).verified);
        struct verdict verdict = ask(&policy, server("DNS:y.test.internal,URI:spiffe://a/c"));
        assert_int_equal(verdict.reason, REASON_HOSTNAME_MISMATCH);
        assert_string_equal(verdict.detail, "the certificate bears y.test.internal, spiffe://a/c, "
                                            "wants x.test.internal or another name of the policy");
}

static void a_name_that_holds_a_nul_is_another(void **state)
{
        (void)state;
        static const char text[] = "app.test.internal\0.evil.example";
        const struct peer_name name = dns_name("app.test.internal");
        X509 *leaf = server("DNS:evil.example");
        GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
        ASN1_STRING_set(sk_GENERAL_NAME_value(names, 0)->d.dNSName, text, sizeof(text) - 1);
        X509_add1_ext_i2d(leaf, NID_subject_alt_name, names, 0, X509V3_ADD_REPLACE);
        GENERAL_NAMES_free(names);
        assert_false(certificate_bears_name(leaf, &name, 1));
        char shown[64];
        assert_string_equal(certificate_names_text(leaf, shown, sizeof(shown)),
                            "app.test.internal?.evil.example");
}

static void no_names_are_borne_by_nobody(void **state)
{
        (void)state;
        assert_false(certificate_bears_name(server("DNS:app.test.internal"), NULL, 0));
}

static void what_is_wrong_besides_the_name_is_told_first(void **state)
{
        (void)state;
        const struct peer_name name = dns_name("app.test.internal");
        struct client_policy policy = policy_of(&name, 1);
        const struct pki_spec client = {.san = "DNS:app.test.internal"};
        assert_int_equal(ask(&policy, pki_make(&root, &client).x509).reason, REASON_WRONG_USE);
        const struct pki_spec useless = {.san = "DNS:app.test.internal", .no_eku = true};
        assert_int_equal(ask(&policy, pki_make(&root, &useless).x509).reason, REASON_WRONG_USE);
        const struct pki_spec stranger = {.eku = "serverAuth", .san = "DNS:other.internal"};
        assert_int_equal(ask(&policy, pki_make(&other_root, &stranger).x509).reason,
                         REASON_UNTRUSTED);
        const struct pki_spec late = {.eku = "serverAuth",
                                      .san = "DNS:other.internal",
                                      .not_before = PKI_NOW - 1000,
                                      .not_after = PKI_NOW - 10};
        assert_int_equal(ask(&policy, pki_make(&root, &late).x509).reason, REASON_EXPIRED);
}

static void pins_are_asked_for_beside_ca_and_name(void **state)
{
        (void)state;
        const struct peer_name name = dns_name("app.test.internal");
        struct client_policy policy = policy_of(&name, 1);
        X509 *good = server("DNS:app.test.internal");
        struct pin_set_builder *builder = pin_set_builder_new();
        struct pin pin = {.kind = PIN_SPKI,
                          .digest = certificate_spki_digest(good),
                          .not_before = PIN_ALWAYS_FROM,
                          .not_after = PIN_ALWAYS_UNTIL};
        pin_set_builder_add(builder, &pin, 1);
        struct pin_set *set = pin_set_build(builder);
        struct pin_scope scope = {.source = SLICE("BackendTLSPolicy a/b"),
                                  .sets = &set,
                                  .set_count = 1,
                                  .removal = removal_default()};
        policy.scopes = &scope;
        policy.scope_count = 1;
        assert_true(ask(&policy, good).verified);
        assert_int_equal(ask(&policy, server("DNS:app.test.internal")).reason, REASON_NOT_PINNED);
        const struct peer_name other = dns_name("other.internal");
        policy.names = &other;
        assert_int_equal(ask(&policy, good).reason, REASON_HOSTNAME_MISMATCH);
        pin_set_unref(set);
}

static void names_are_part_of_the_digest(void **state)
{
        (void)state;
        const struct peer_name names[] = {dns_name("a.internal"), uri_name("a.internal"),
                                          dns_name("b.internal")};
        struct client_policy policies[] = {policy_of(NULL, 0), policy_of(&names[0], 1),
                                           policy_of(&names[1], 1), policy_of(&names[2], 1),
                                           policy_of(names, 2)};
        for (size_t i = 0; i < 5; i++)
                for (size_t j = 0; j < i; j++)
                        assert_false(digest_equal(&policies[i].digest, &policies[j].digest));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_server_must_bear_one_of_the_names),
                cmocka_unit_test(of_several_names_one_is_enough),
                cmocka_unit_test(a_name_that_holds_a_nul_is_another),
                cmocka_unit_test(no_names_are_borne_by_nobody),
                cmocka_unit_test(what_is_wrong_besides_the_name_is_told_first),
                cmocka_unit_test(pins_are_asked_for_beside_ca_and_name),
                cmocka_unit_test(names_are_part_of_the_digest),
        };
        root = pki_make(NULL, &(struct pki_spec){.subject = "root", .ca = true});
        other_root = pki_make(NULL, &(struct pki_spec){.subject = "other root", .ca = true});
        struct ca_set_builder *builder = ca_set_builder_new(CA_FLOOR_FULL);
        struct error err;
        if (!ca_set_builder_add(builder, pki_pem(root.x509), NULL, &err))
                return EXIT_FAILURE;
        cas = ca_set_build(builder);
        store = trust_store_new(cas);
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        trust_store_unref(store);
        ca_set_unref(cas);
        pki_done();
        return failed;
}
