#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "test_pki.h"
#include "trust/judge.h"

/* A port: CAs, at most one scope, and this thread's store of them. */
struct port {
        struct client_policy policy;
        struct pin_scope scope;
        struct pin_set *set;
        struct trust_store *store;
};

static struct pki_cert root, other_root, leaf;
static struct path_cache *cache;

static struct ca_set *cas_of(struct slice ca_pem, const struct slice *crl_pem)
{
        struct ca_set_builder *builder = ca_set_builder_new(CA_FLOOR_FULL);
        struct error err;
        if (!ca_set_builder_add(builder, ca_pem, crl_pem, &err))
                fail_msg("%s", err.text);
        return ca_set_build(builder);
}

static void port_open(struct port *port, struct slice ca_pem, const struct slice *crl_pem)
{
        memset(port, 0, sizeof(*port));
        port->policy.rules = path_rules_default();
        port->policy.cas = cas_of(ca_pem, crl_pem);
        port->store = trust_store_new(port->policy.cas);
}

static void port_pin(struct port *port, const char *pins_txt)
{
        struct pin_set_builder *builder = pin_set_builder_new();
        pin_set_builder_add_text(builder, slice_of(pins_txt));
        port->set = pin_set_build(builder);
        port->scope = (struct pin_scope){.kind = SCOPE_INLINE,
                                         .source = SLICE("Gateway edge/edge"),
                                         .sets = &port->set,
                                         .set_count = 1};
        port->policy.scopes = &port->scope;
        port->policy.scope_count = 1;
}

static void port_close(struct port *port)
{
        trust_store_unref(port->store);
        client_policy_unref(&port->policy);
}

static struct verdict ask_at(const struct port *port, X509 *x509, STACK_OF(X509) * others,
                             int64_t now)
{
        struct chain *chain = x509 ? chain_new(x509, others, SLICE_NONE, 0) : NULL;
        struct judge_request request = {.policy = &port->policy,
                                        .chain = chain,
                                        .listener = LISTENER_UNKNOWN,
                                        .now = now,
                                        .store = port->store,
                                        .cache = cache};
        struct verdict verdict;
        judge(&request, &verdict);
        chain_free(chain);
        return verdict;
}

static struct verdict ask(const struct port *port, X509 *x509, STACK_OF(X509) * others)
{
        return ask_at(port, x509, others, PKI_NOW);
}

static void expect(const struct verdict *verdict, enum reason reason)
{
        if (verdict->reason != reason)
                fail_msg("%s (%s), wants %s", reason_token(verdict->reason), verdict->detail,
                         reason_token(reason));
        assert_int_equal(verdict->verified, reason == REASON_ACCEPTED);
}

/* The one-line form: a leaf by the root, judged on a port with that root. */
static enum reason reason_for(const struct pki_spec *spec)
{
        struct port port;
        struct pki_cert made = pki_make(&root, spec);
        port_open(&port, pki_pem(root.x509), NULL);
        struct verdict verdict = ask(&port, made.x509, NULL);
        assert_int_equal(verdict.admitted, verdict.verified);
        port_close(&port);
        return verdict.reason;
}

static void trusted_leaf_is_let_in_with_evidence(void **state)
{
        (void)state;
        struct port port;
        port_open(&port, pki_pem(root.x509), NULL);
        struct verdict verdict = ask(&port, leaf.x509, NULL);
        expect(&verdict, REASON_ACCEPTED);
        assert_true(verdict.admitted);
        assert_int_equal(verdict.path.count, 2);
        assert_string_equal(verdict.subject, "CN=robot");
        assert_string_equal(verdict.issuer, "CN=root");
        assert_true(verdict.valid_until == PKI_NOW + 86400 * 180);
        assert_true(digest_equal(&verdict.path.certificates[0], &verdict.leaf));
        port_close(&port);
}

static void no_certificate_and_foreign_certificate_are_refused(void **state)
{
        (void)state;
        struct port port;
        port_open(&port, pki_pem(root.x509), NULL);
        struct verdict verdict = ask(&port, NULL, NULL);
        expect(&verdict, REASON_NO_CERTIFICATE);
        struct pki_cert foreign = pki_make(&other_root, &(struct pki_spec){0});
        verdict = ask(&port, foreign.x509, pki_stack(1, other_root.x509));
        expect(&verdict, REASON_UNTRUSTED);
        assert_false(verdict.admitted);
        port_close(&port);
}

static void each_broken_rule_has_its_reason(void **state)
{
        (void)state;
        static const struct {
                const char *what;
                struct pki_spec spec;
                enum reason reason;
        } rows[] = {
                {"as it should be", {.subject = "a"}, REASON_ACCEPTED},
                {"Ed25519", {.key = "ED25519"}, REASON_ACCEPTED},
                {"P-384", {.key = "P-384"}, REASON_ACCEPTED},
                {"RSA 2048", {.key = "RSA:2048"}, REASON_ACCEPTED},
                {"RSA 1024", {.key = "RSA:1024"}, REASON_WEAK_KEY},
                {"secp256k1", {.key = "secp256k1"}, REASON_WEAK_KEY},
                {"P-224", {.key = "P-224"}, REASON_WEAK_KEY},
                {"DSA", {.key = "DSA"}, REASON_WEAK_KEY},
                {"SHA-1", {.md = "SHA1"}, REASON_WEAK_SIGNATURE},
                {"version 1", {.v1 = true}, REASON_MALFORMED},
                {"a CA", {.ca = true, .eku = "clientAuth"}, REASON_WRONG_USE},
                {"no EKU", {.no_eku = true}, REASON_WRONG_USE},
                {"any EKU alone", {.eku = "anyExtendedKeyUsage"}, REASON_WRONG_USE},
                {"server EKU", {.eku = "serverAuth"}, REASON_WRONG_USE},
                {"both EKUs", {.eku = "serverAuth,clientAuth"}, REASON_ACCEPTED},
                {"no digitalSignature",
                 {.key_usage = "critical,keyEncipherment"},
                 REASON_WRONG_USE},
                {"expired", {.not_after = PKI_NOW - 1}, REASON_EXPIRED},
                {"ends now", {.not_after = PKI_NOW}, REASON_EXPIRED},
                {"tomorrow", {.not_before = PKI_NOW + 86400}, REASON_NOT_YET_VALID},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                enum reason reason = reason_for(&rows[i].spec);
                if (reason != rows[i].reason)
                        fail_msg("%s: %s", rows[i].what, reason_token(reason));
        }
}

static const char *pin_line(enum pin_kind as, const struct digest *digest)
{
        static char line[128];
        char text[PIN_TEXT_SIZE];
        snprintf(line, sizeof(line), "%s%s name=acme-robot",
                 as == PIN_SPKI ? "spki:" : "cert:", pin_text_print(as, digest, text));
        return line;
}

static enum reason pinned_as(X509 *x509, enum pin_kind as, bool leaf_digest, X509 *presented)
{
        struct port port;
        struct chain *chain = chain_new(x509, NULL, SLICE_NONE, 0);
        port_open(&port, pki_pem(root.x509), NULL);
        port_pin(&port, pin_line(as, leaf_digest ? &chain->leaf_digest : &chain->spki_digest));
        struct verdict verdict = ask(&port, presented, NULL);
        if (verdict.verified)
                assert_string_equal(verdict.pin_name, "acme-robot");
        chain_free(chain);
        port_close(&port);
        return verdict.reason;
}

static void renewed_certificate_keeps_its_spki_pin_and_loses_its_hash_pin(void **state)
{
        (void)state;
        struct pki_cert renewed =
                pki_make(&root, &(struct pki_spec){.subject = "robot", .with_key = leaf.key});
        struct pki_cert twin =
                pki_make(&root, &(struct pki_spec){.subject = "robot", .serial = 77});
        assert_int_equal(pinned_as(leaf.x509, PIN_SPKI, false, leaf.x509), REASON_ACCEPTED);
        assert_int_equal(pinned_as(leaf.x509, PIN_CERTIFICATE, true, leaf.x509), REASON_ACCEPTED);
        assert_int_equal(pinned_as(leaf.x509, PIN_SPKI, false, renewed.x509), REASON_ACCEPTED);
        assert_int_equal(pinned_as(leaf.x509, PIN_CERTIFICATE, true, renewed.x509),
                         REASON_NOT_PINNED);
        assert_int_equal(pinned_as(leaf.x509, PIN_SPKI, false, twin.x509), REASON_NOT_PINNED);
        assert_int_equal(pinned_as(leaf.x509, PIN_SPKI, true, leaf.x509), REASON_PIN_IN_WRONG_LIST);
        assert_int_equal(pinned_as(leaf.x509, PIN_CERTIFICATE, false, leaf.x509),
                         REASON_PIN_IN_WRONG_LIST);
}

static void pinned_certificate_that_is_only_presented_never_counts(void **state)
{
        (void)state;
        struct port port;
        struct pki_cert thief = pki_make(&root, &(struct pki_spec){.subject = "thief"});
        struct pki_cert issuing = pki_make(&root, &(struct pki_spec){.subject = "ca", .ca = true});
        struct chain *chain = chain_new(leaf.x509, NULL, SLICE_NONE, 0);
        X509 *pool[] = {leaf.x509, root.x509, issuing.x509, thief.x509};
        port_open(&port, pki_pem(root.x509), NULL);
        port_pin(&port, pin_line(PIN_SPKI, &chain->spki_digest));
        /* All lists of one to three of the pool, 84 layouts: the pinned one in every place. */
        for (size_t code = 4; code < 4 * 4 * 4 + 4 * 4 + 4; code++) {
                STACK_OF(X509) *others = pki_stack(0);
                for (size_t rest = code; rest > 0; rest /= 4)
                        sk_X509_push(others, pool[rest % 4]);
                struct verdict verdict = ask(&port, thief.x509, others);
                expect(&verdict, REASON_NOT_PINNED);
                assert_false(verdict.admitted);
                verdict = ask(&port, leaf.x509, others);
                expect(&verdict, REASON_ACCEPTED);
        }
        chain_free(chain);
        port_close(&port);
}

static void emptiness_admits_nobody(void **state)
{
        (void)state;
        for (int mode = ALLOW_VALID_ONLY; mode <= ALLOW_INSECURE_FALLBACK; mode++) {
                struct port port;
                port_open(&port, pki_pem(root.x509), NULL);
                port_pin(&port, "# none\nspki:bad\n");
                port.policy.mode = (enum client_mode)mode;
                struct verdict verdict = ask(&port, leaf.x509, NULL);
                expect(&verdict, REASON_NO_USABLE_PIN);
                assert_false(verdict.admitted);
                assert_int_equal(pin_set_faults(port.set)->count, 1);
                struct client_policy bare = {.mode = (enum client_mode)mode};
                struct judge_request request = {.policy = &bare, .now = PKI_NOW};
                judge(&request, &verdict);
                expect(&verdict, REASON_PORT_NOT_USABLE);
                assert_false(verdict.admitted);
                port_close(&port);
        }
}

static void fallback_lets_in_without_identity(void **state)
{
        (void)state;
        struct port port;
        struct pki_cert foreign = pki_make(&other_root, &(struct pki_spec){0});
        port_open(&port, pki_pem(root.x509), NULL);
        port.policy.mode = ALLOW_INSECURE_FALLBACK;
        struct verdict verdict = ask(&port, NULL, NULL);
        expect(&verdict, REASON_NO_CERTIFICATE);
        assert_true(verdict.admitted);
        verdict = ask(&port, foreign.x509, NULL);
        expect(&verdict, REASON_UNTRUSTED);
        assert_true(verdict.admitted);
        STACK_OF(X509) *many = pki_stack(0);
        for (int i = 0; i < 10; i++)
                sk_X509_push(many, root.x509);
        verdict = ask(&port, leaf.x509, many);
        expect(&verdict, REASON_TOO_LARGE);
        assert_false(verdict.admitted);
        port_close(&port);
}

static void windows_open_and_close(void **state)
{
        (void)state;
        struct port port;
        char line[256];
        struct chain *chain = chain_new(leaf.x509, NULL, SLICE_NONE, 0);
        snprintf(line, sizeof(line),
                 "%s not-before=2027-01-10T00:00:00Z not-after=2027-01-20T00:00:00Z",
                 pin_line(PIN_SPKI, &chain->spki_digest));
        port_open(&port, pki_pem(root.x509), NULL);
        port_pin(&port, line);
        struct verdict verdict = ask(&port, leaf.x509, NULL);
        expect(&verdict, REASON_ACCEPTED);
        int64_t until = verdict.valid_until, from = verdict.valid_from;
        verdict = ask_at(&port, leaf.x509, NULL, until);
        expect(&verdict, REASON_PIN_OUT_OF_WINDOW);
        verdict = ask_at(&port, leaf.x509, NULL, from - 1);
        expect(&verdict, REASON_PIN_OUT_OF_WINDOW);
        verdict = ask_at(&port, leaf.x509, NULL, until - 1);
        expect(&verdict, REASON_ACCEPTED);
        chain_free(chain);
        port_close(&port);
}

static void two_cas_of_one_name_work_in_both_orders(void **state)
{
        (void)state;
        struct pki_spec ca = {.subject = "twin", .ca = true, .no_ski = true, .no_aki = true};
        struct pki_cert a = pki_make(NULL, &ca), b = pki_make(NULL, &ca);
        struct pki_spec plain = {.no_aki = true};
        struct pki_cert by_a = pki_make(&a, &plain), by_b = pki_make(&b, &plain);
        for (int order = 0; order < 2; order++) {
                struct port port;
                port_open(&port,
                          order ? pki_join(pki_pem(a.x509), pki_pem(b.x509))
                                : pki_join(pki_pem(b.x509), pki_pem(a.x509)),
                          NULL);
                struct verdict verdict = ask(&port, by_a.x509, NULL);
                expect(&verdict, REASON_ACCEPTED);
                verdict = ask(&port, by_b.x509, NULL);
                expect(&verdict, REASON_ACCEPTED);
                port_close(&port);
        }
}

static void issuing_ca_alone_is_an_anchor(void **state)
{
        (void)state;
        struct port port;
        struct pki_cert issuing = pki_make(&root, &(struct pki_spec){.subject = "ca", .ca = true});
        struct pki_cert client = pki_make(&issuing, &(struct pki_spec){0});
        X509_CRL *crl = pki_crl(&issuing, NULL, 0, 0, 0);
        struct slice crl_pem = pki_crl_pem(crl);
        port_open(&port, pki_pem(issuing.x509), NULL);
        struct verdict verdict = ask(&port, client.x509, NULL);
        expect(&verdict, REASON_ACCEPTED);
        port_close(&port);
        port_open(&port, pki_pem(issuing.x509), &crl_pem);
        verdict = ask(&port, client.x509, NULL);
        expect(&verdict, REASON_ACCEPTED);
        assert_true(verdict.valid_until == PKI_NOW + 86400);
        port_close(&port);
}

static void revocation_needs_a_current_crl_of_every_issuer(void **state)
{
        (void)state;
        struct pki_cert issuing = pki_make(&root, &(struct pki_spec){.subject = "ca", .ca = true});
        struct pki_cert client = pki_make(&issuing, &(struct pki_spec){.serial = 4242});
        long revoked = 4242;
        struct slice of_root = pki_crl_pem(pki_crl(&root, NULL, 0, 0, 0));
        const struct {
                struct slice crls;
                enum reason reason;
        } rows[] = {
                {pki_join(of_root, pki_crl_pem(pki_crl(&issuing, NULL, 0, 0, 0))), REASON_ACCEPTED},
                {of_root, REASON_CRL_MISSING},
                {pki_crl_pem(pki_crl(&issuing, NULL, 0, 0, 0)), REASON_CRL_MISSING},
                {pki_join(of_root, pki_crl_pem(pki_crl(&issuing, &revoked, 1, 0, 0))),
                 REASON_REVOKED},
                {pki_join(of_root,
                          pki_crl_pem(pki_crl(&issuing, NULL, 0, PKI_NOW - 99, PKI_NOW - 1))),
                 REASON_CRL_EXPIRED},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct port port;
                port_open(&port, pki_pem(root.x509), &rows[i].crls);
                struct verdict verdict = ask(&port, client.x509, pki_stack(1, issuing.x509));
                expect(&verdict, rows[i].reason);
                port_close(&port);
        }
}

static void unusable_ca_references_are_errors_that_name_the_certificate(void **state)
{
        (void)state;
        struct pki_cert weak = pki_make(NULL, &(struct pki_spec){.ca = true, .key = "RSA:1024"});
        struct pki_cert forger = pki_make(NULL, &(struct pki_spec){.subject = "root", .ca = true});
        struct slice forged = pki_crl_pem(pki_crl(&forger, NULL, 0, 0, 0)), empty = SLICE("");
        const struct {
                struct slice ca;
                const struct slice *crl;
                const char *says;
        } rows[] = {
                {pki_join(pki_pem(root.x509), pki_pem(leaf.x509)), NULL,
                 "certificate 2 (CN=robot)"},
                {pki_pem(weak.x509), NULL, "1024 bits"},
                {SLICE(""), NULL, "no certificate"},
                {pki_pem(root.x509), &empty, "no CRL"},
                {pki_pem(root.x509), &forged, "not signed by the CA of that name"},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct ca_set_builder *builder = ca_set_builder_new(CA_FLOOR_FULL);
                struct error err;
                assert_false(ca_set_builder_add(builder, rows[i].ca, rows[i].crl, &err));
                if (!strstr(err.text, rows[i].says))
                        fail_msg("%s", err.text);
                assert_null(ca_set_build(builder));
        }
}

static void wildcard_over_an_excluded_name_is_refused(void **state)
{
        (void)state;
        struct pki_cert ca = pki_make(
                &root,
                &(struct pki_spec){.subject = "ca",
                                   .ca = true,
                                   .name_constraints = "critical,excluded;DNS:secret.example.com"});
        struct port port;
        port_open(&port, pki_pem(root.x509), NULL);
        struct pki_cert bad = pki_make(&ca, &(struct pki_spec){.san = "DNS:*.example.com"});
        struct pki_cert good = pki_make(&ca, &(struct pki_spec){.san = "DNS:*.example.org"});
        struct verdict verdict = ask(&port, bad.x509, pki_stack(1, ca.x509));
        expect(&verdict, REASON_NAME_CONSTRAINED);
        verdict = ask(&port, good.x509, pki_stack(1, ca.x509));
        expect(&verdict, REASON_ACCEPTED);
        port_close(&port);
}

static void only_committed_paths_are_remembered_and_only_in_their_time(void **state)
{
        (void)state;
        struct port port;
        cache = path_cache_new(4);
        port_open(&port, pki_pem(root.x509), NULL);
        struct verdict verdict = ask(&port, leaf.x509, NULL);
        assert_int_equal(path_cache_count(cache), 0);
        path_cache_commit(cache, &verdict);
        struct verdict again = ask(&port, leaf.x509, NULL);
        expect(&again, REASON_ACCEPTED);
        assert_true(again.path_from_cache);
        again = ask_at(&port, leaf.x509, NULL, verdict.valid_until);
        expect(&again, REASON_EXPIRED);
        assert_int_equal(path_cache_count(cache), 0);
        struct pki_cert foreign = pki_make(&other_root, &(struct pki_spec){0});
        verdict = ask(&port, foreign.x509, NULL);
        path_cache_commit(cache, &verdict);
        assert_int_equal(path_cache_count(cache), 0);
        for (int i = 0; i < 9; i++) {
                struct pki_cert client = pki_make(&root, &(struct pki_spec){0});
                verdict = ask(&port, client.x509, NULL);
                path_cache_commit(cache, &verdict);
        }
        assert_int_equal(path_cache_count(cache), 4);
        path_cache_free(cache);
        cache = NULL;
        port_close(&port);
}

/* Remembering that a path verified lets nobody in: pins are asked anew. */
static void the_path_of_a_refused_client_is_remembered_apart(void **state)
{
        (void)state;
        struct port port;
        char pin[96];
        cache = path_cache_new(2);
        port_open(&port, pki_pem(root.x509), NULL);
        struct pki_cert wanted = pki_make(&root, &(struct pki_spec){0});
        struct verdict verdict = ask(&port, wanted.x509, NULL);
        char hex[DIGEST_HEX_SIZE];
        snprintf(pin, sizeof(pin), "cert:%s\n", digest_hex(&verdict.leaf, hex));
        port_pin(&port, pin);
        verdict = ask(&port, wanted.x509, NULL);
        path_cache_commit(cache, &verdict);
        path_cache_commit(NULL, &verdict); /* there need not be one */
        path_cache_commit_refused(NULL, &verdict);
        path_cache_commit_refused(cache, &verdict); /* takes nothing: it came in */
        for (int i = 0; i < 5; i++) {               /* they push out one another, and nobody else */
                struct pki_cert unwanted = pki_make(&root, &(struct pki_spec){0});
                verdict = ask(&port, unwanted.x509, NULL);
                expect(&verdict, REASON_NOT_PINNED);
                assert_false(verdict.path_from_cache);
                path_cache_commit_refused(cache, &verdict);
                struct verdict again = ask(&port, unwanted.x509, NULL);
                expect(&again, REASON_NOT_PINNED);
                assert_true(again.path_from_cache);
                assert_int_equal(again.valid_until, verdict.valid_until);
        }
        assert_int_equal(path_cache_count(cache), 1);
        verdict = ask(&port, wanted.x509, NULL);
        expect(&verdict, REASON_ACCEPTED);
        assert_true(verdict.path_from_cache);
        struct pki_cert foreign = pki_make(&other_root, &(struct pki_spec){0});
        verdict = ask(&port, foreign.x509, NULL);
        path_cache_commit_refused(cache, &verdict); /* no path, nothing to remember */
        verdict = ask(&port, foreign.x509, NULL);
        expect(&verdict, REASON_UNTRUSTED);
        path_cache_free(cache);
        cache = NULL;
        port_close(&port);
}

static void hostile_chains_cost_less_than_50_ms(void **state)
{
        (void)state;
        struct port port;
        struct slice twins = SLICE("");
        struct pki_spec ca = {
                .subject = "same", .ca = true, .no_ski = true, .no_aki = true, .key = "P-384"};
        port_open(&port, pki_pem(root.x509), NULL);
        port_close(&port);
        for (int i = 0; i < 16; i++) {
                struct pki_cert twin = pki_make(NULL, &ca);
                twins = i ? pki_join(twins, pki_pem(twin.x509)) : pki_pem(twin.x509);
        }
        port_open(&port, twins, NULL);
        STACK_OF(X509) *others = pki_stack(0);
        struct pki_cert above = pki_make(NULL, &ca);
        for (int i = 0; i < 9; i++) {
                above = pki_make(&above, &ca);
                sk_X509_push(others, above.x509);
        }
        struct pki_spec plain = {.no_aki = true, .key = "P-384"};
        struct pki_cert client = pki_make(&above, &plain);
        struct timespec start, end;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
        struct verdict verdict = ask(&port, client.x509, others);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
        assert_false(verdict.admitted);
        double ms = (double)(end.tv_sec - start.tv_sec) * 1e3 +
                    (double)(end.tv_nsec - start.tv_nsec) / 1e6;
        print_message("hostile chain: %.1f ms, %s\n", ms, reason_token(verdict.reason));
        if (!getenv("PINGATE_SLOW_TESTS"))
                assert_true(ms < 50);
        port_close(&port);
}

static int group_setup(void **state)
{
        (void)state;
        root = pki_make(NULL, &(struct pki_spec){.subject = "root", .ca = true});
        other_root = pki_make(NULL, &(struct pki_spec){.subject = "other", .ca = true});
        leaf = pki_make(&root, &(struct pki_spec){.subject = "robot"});
        return 0;
}

static int group_teardown(void **state)
{
        (void)state;
        pki_done();
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(trusted_leaf_is_let_in_with_evidence),
                cmocka_unit_test(no_certificate_and_foreign_certificate_are_refused),
                cmocka_unit_test(each_broken_rule_has_its_reason),
                cmocka_unit_test(renewed_certificate_keeps_its_spki_pin_and_loses_its_hash_pin),
                cmocka_unit_test(pinned_certificate_that_is_only_presented_never_counts),
                cmocka_unit_test(emptiness_admits_nobody),
                cmocka_unit_test(fallback_lets_in_without_identity),
                cmocka_unit_test(windows_open_and_close),
                cmocka_unit_test(two_cas_of_one_name_work_in_both_orders),
                cmocka_unit_test(issuing_ca_alone_is_an_anchor),
                cmocka_unit_test(revocation_needs_a_current_crl_of_every_issuer),
                cmocka_unit_test(unusable_ca_references_are_errors_that_name_the_certificate),
                cmocka_unit_test(wildcard_over_an_excluded_name_is_refused),
                cmocka_unit_test(only_committed_paths_are_remembered_and_only_in_their_time),
                cmocka_unit_test(the_path_of_a_refused_client_is_remembered_apart),
                cmocka_unit_test(hostile_chains_cost_less_than_50_ms),
        };
        return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
