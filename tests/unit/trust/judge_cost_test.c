/* What the worst client can make us pay (I10). Each chain is as large as one may be and, where that
 * costs more, signed in full by a CA below a trusted one that has turned hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "test_pki.h"
#include "trust/judge.h"

enum {
        MS_WANTED = 50,
        MS_MAX = 500, /* sanitizers, and a busy machine's cold caches */
        OTHERS_MAX = CHAIN_CERTIFICATES_MAX - 1,
};

static struct arena texts;
static struct pki_cert root;

static double cpu_ms(void)
{
        struct timespec now;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* "DNS:a#.x" gives "DNS:a1.x,DNS:a2.x,…" */
static const char *list_of(const char *pattern, unsigned count)
{
        struct buffer out;
        buffer_init(&out, 1 << 20);
        for (unsigned i = 1; i <= count; i++) {
                assert_true(i == 1 || buffer_append(&out, SLICE(",")));
                for (const char *at = pattern; *at; at++)
                        assert_true(*at == '#' ? buffer_printf(&out, "%u", i)
                                               : buffer_append(&out, slice_from(at, 1)));
        }
        const char *text = arena_text(&texts, buffer_slice(&out));
        buffer_done(&out);
        return text;
}

/* A chain below the root, leaf first as it is sent. */
struct hostile {
        struct pki_cert above; /* the last one issued */
        struct slice leaf, others;
        size_t count, bytes;
};

static void hostile_init(struct hostile *h)
{
        *h = (struct hostile){.above = root};
}

static size_t der_len(X509 *x509)
{
        int len = i2d_X509(x509, NULL);
        assert_true(len > 0);
        return (size_t)len + 3;
}

static void hostile_add(struct hostile *h, const struct pki_spec *spec)
{
        h->above = pki_make(&h->above, spec);
        struct slice pem = pki_pem(h->above.x509);
        h->others = h->count++ ? pki_join(pem, h->others) : pem;
        h->bytes += der_len(h->above.x509);
        assert_true(h->count <= OTHERS_MAX);
}

/* From the octets to the verdict, so that what OpenSSL parses lazily counts as well. */
static enum reason hostile_judge(struct hostile *h, const struct pki_spec *leaf, struct slice cas,
                                 const char *what)
{
        struct pki_cert client = pki_make(&h->above, leaf);
        struct ca_set_builder *builder = ca_set_builder_new(CA_FLOOR_FULL);
        struct chain *chain = NULL;
        struct verdict verdict;
        struct error err;
        h->bytes += der_len(client.x509);
        h->leaf = pki_pem(client.x509);
        if (!ca_set_builder_add(builder, cas, NULL, &err))
                fail_msg("%s", err.text);
        struct client_policy policy = {.rules = path_rules_default(), .cas = ca_set_build(builder)};
        struct trust_store *store = trust_store_new(policy.cas);
        double start = cpu_ms();
        assert_true(chain_parse(h->leaf, h->others, &chain, &err));
        struct judge_request request = {.policy = &policy,
                                        .chain = chain,
                                        .listener = LISTENER_UNKNOWN,
                                        .now = PKI_NOW,
                                        .store = store};
        judge(&request, &verdict);
        double ms = cpu_ms() - start;
        print_message("%s: %zu certificates, %zu bytes: %.1f ms%s, %s (%s)\n", what, h->count + 1,
                      h->bytes, ms, ms > MS_WANTED ? " (MORE THAN WANTED)" : "",
                      reason_token(verdict.reason), verdict.detail);
        assert_true(ms <= MS_MAX);
        trust_store_unref(store);
        chain_free(chain);
        client_policy_unref(&policy);
        return verdict.reason;
}

static void name_constraints_times_names_cost_less_than_50_ms(void **state)
{
        (void)state;
        static const struct {
                const char *what, *constraint, *name;
                unsigned constraints, names, cas;
                enum reason reason;
        } rows[] = {
                /* Within our bound, and the dearest that is. */
                {"DNS", "excluded;DNS:c#.x", "DNS:a#.y", 260, 1000, 1, REASON_ACCEPTED},
                {"DNS, nine CAs", "excluded;DNS:c#.x", "DNS:a#.y", 32, 900, 9, REASON_ACCEPTED},
                {"mail", "excluded;email:c#.x", "email:a@a#.y", 285, 900, 1, REASON_ACCEPTED},
                {"mail, six CAs", "excluded;email:x#", "email:a@#", 28, 1500, 6, REASON_ACCEPTED},
                {"URI", "excluded;URI:c#.x", "URI:x://a#.y", 285, 900, 1, REASON_ACCEPTED},
                {"IP", "excluded;IP:10.1.#.1/255.255.255.255", "IP:10.2.#.1", 250, 250, 4,
                 REASON_ACCEPTED},
                /* Each within OpenSSL's, which would cost 100 ms. */
                {"DNS, short, seven CAs", "excluded;DNS:x#", "DNS:#", 300, 2300, 7,
                 REASON_NAME_CONSTRAINED},
                {"mail, short, six CAs", "excluded;email:x#", "email:a@#", 300, 1500, 6,
                 REASON_NAME_CONSTRAINED},
                {"URI, short, six CAs", "excluded;URI:x#", "URI:x://#", 300, 1200, 6,
                 REASON_NAME_CONSTRAINED},
                {"DNS, over OpenSSL's bound", "excluded;DNS:c#.x", "DNS:a#.y", 1100, 1000, 1,
                 REASON_NAME_CONSTRAINED},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct hostile h;
                hostile_init(&h);
                const char *constraints = list_of(rows[i].constraint, rows[i].constraints);
                for (unsigned ca = 0; ca < rows[i].cas; ca++) {
                        char subject[32];
                        snprintf(subject, sizeof(subject), "constraining CA %u", ca);
                        hostile_add(&h, &(struct pki_spec){.subject = subject,
                                                           .ca = true,
                                                           .name_constraints = constraints});
                }
                const struct pki_spec leaf = {.san = list_of(rows[i].name, rows[i].names)};
                enum reason reason = hostile_judge(&h, &leaf, pki_pem(root.x509), rows[i].what);
                assert_int_equal(reason, rows[i].reason);
                assert_true(h.bytes <= CHAIN_BYTES_MAX);
        }
}

/* CVE-2023-0464: every mapping doubles the tree at each CA. */
static void policy_trees_that_double_cost_less_than_50_ms(void **state)
{
        (void)state;
        struct hostile h;
        hostile_init(&h);
        for (int i = 0; i < OTHERS_MAX; i++) {
                char subject[32];
                snprintf(subject, sizeof(subject), "mapping CA %d", i);
                hostile_add(&h, &(struct pki_spec){.subject = subject,
                                                   .ca = true,
                                                   .policies = "1.2.3.1,1.2.3.2",
                                                   .policy_mappings =
                                                           "1.2.3.1:1.2.3.1,1.2.3.1:1.2.3.2,"
                                                           "1.2.3.2:1.2.3.1,1.2.3.2:1.2.3.2"});
        }
        enum reason reason = hostile_judge(&h, &(struct pki_spec){.policies = "1.2.3.1"},
                                           pki_pem(root.x509), "doubling policies");
        assert_int_equal(reason, REASON_PATH_INVALID);
}

static void thousands_of_policies_and_mappings_cost_less_than_50_ms(void **state)
{
        (void)state;
        static const unsigned per_ca[] = {20, 60, 90, 160};
        for (size_t row = 0; row < COUNT_OF(per_ca); row++) {
                struct hostile h;
                hostile_init(&h);
                const char *policies = list_of("1.2.3.#", per_ca[row]);
                const char *mappings = list_of("1.2.3.#:1.2.3.#", per_ca[row] / 2);
                for (int i = 0; i < OTHERS_MAX; i++) {
                        char subject[32];
                        snprintf(subject, sizeof(subject), "policy CA %d", i);
                        hostile_add(&h, &(struct pki_spec){.subject = subject,
                                                           .ca = true,
                                                           .policies = policies,
                                                           .policy_mappings = mappings});
                }
                hostile_judge(&h, &(struct pki_spec){.policies = policies}, pki_pem(root.x509),
                              "many policies");
                assert_true(h.bytes <= CHAIN_BYTES_MAX);
        }
}

static void policies_mapped_from_any_to_many_cost_less_than_50_ms(void **state)
{
        (void)state;
        struct hostile h;
        hostile_init(&h);
        for (int i = 0; i < OTHERS_MAX; i++) {
                char subject[32], mappings[4096];
                size_t len = 0;
                snprintf(subject, sizeof(subject), "fan-out CA %d", i);
                for (unsigned to = 1; to <= 60; to++)
                        len += (size_t)snprintf(mappings + len, sizeof(mappings) - len,
                                                "%s1.2.3.%u:1.2.3.%u", to > 1 ? "," : "",
                                                1 + to % 8, to);
                hostile_add(&h, &(struct pki_spec){.subject = subject,
                                                   .ca = true,
                                                   .policies = list_of("1.2.3.#", 60),
                                                   .policy_mappings = mappings});
        }
        hostile_judge(&h, &(struct pki_spec){.policies = "2.5.29.32.0"}, pki_pem(root.x509),
                      "fan-out policies");
}

/* Every presented certificate may be every other's issuer, and each anchor might have signed. */
static void same_subject_intermediates_at_the_limit_cost_less_than_50_ms(void **state)
{
        (void)state;
        static const char *const keys[] = {"P-256", "P-521"};
        for (size_t i = 0; i < COUNT_OF(keys); i++) {
                struct hostile h;
                hostile_init(&h);
                struct pki_spec same = {.subject = "same",
                                        .ca = true,
                                        .no_ski = true,
                                        .no_aki = true,
                                        .key = keys[i],
                                        .san = list_of("DNS:filler#.example", 100)};
                for (int k = 0; k < OTHERS_MAX; k++)
                        hostile_add(&h, &same);
                struct slice cas = pki_pem(root.x509);
                for (int k = 0; k < 20; k++)
                        cas = pki_join(cas, pki_pem(pki_make(NULL, &same).x509));
                struct pki_spec leaf = {.no_aki = true, .san = list_of("DNS:filler#.example", 300)};
                hostile_judge(&h, &leaf, cas, keys[i]);
                assert_true(h.bytes <= CHAIN_BYTES_MAX);
        }
}

static EVP_PKEY *rsa_of(const BIGNUM *n, const BIGNUM *e, const BIGNUM *d)
{
        EVP_PKEY *key = NULL;
        OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n);
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e);
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_D, d);
        OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
        assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
        assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params), 1);
        EVP_PKEY_CTX_free(ctx);
        OSSL_PARAM_free(params);
        OSSL_PARAM_BLD_free(build);
        return key;
}

/* The largest key of the key floor, with the largest exponent that it takes, but for the few bits
 * that small primes lose: two large primes take half a minute to find. */
static EVP_PKEY *largest_rsa(void)
{
        enum {
                PRIMES = 16,
                BITS = 8192,
        };
        BN_CTX *ctx = BN_CTX_new();
        BIGNUM *n = BN_new(), *phi = BN_new(), *e = NULL, *d = NULL, *p = BN_new();
        assert_true(BN_hex2bn(&e, "FFFFFFFFFFFFFFC5") > 0);
        while (!d) { /* an exponent that divides phi has no inverse */
                BN_one(n);
                BN_one(phi);
                for (int i = 0; i < PRIMES; i++) {
                        assert_int_equal(
                                BN_generate_prime_ex(p, BITS / PRIMES, 0, NULL, NULL, NULL), 1);
                        BN_mul(n, n, p, ctx);
                        BN_sub_word(p, 1);
                        BN_mul(phi, phi, p, ctx);
                }
                d = BN_mod_inverse(NULL, e, phi, ctx);
        }
        EVP_PKEY *key = rsa_of(n, e, d);
        BN_free(n);
        BN_free(phi);
        BN_free(e);
        BN_free(d);
        BN_free(p);
        BN_CTX_free(ctx);
        return key;
}

static void a_whole_path_of_the_largest_rsa_keys_costs_less_than_50_ms(void **state)
{
        (void)state;
        struct hostile h;
        EVP_PKEY *key = largest_rsa();
        hostile_init(&h);
        for (int i = 0; i < OTHERS_MAX; i++) {
                char subject[32];
                snprintf(subject, sizeof(subject), "RSA CA %d", i);
                hostile_add(&h,
                            &(struct pki_spec){.subject = subject, .ca = true, .with_key = key});
        }
        enum reason reason = hostile_judge(&h, &(struct pki_spec){.with_key = key},
                                           pki_pem(root.x509), "RSA of 8192 bits");
        assert_int_equal(reason, REASON_ACCEPTED);
        EVP_PKEY_free(key);
}

static void a_chain_over_the_limit_is_refused_before_it_is_verified(void **state)
{
        (void)state;
        struct hostile h;
        hostile_init(&h);
        for (int i = 0; i < OTHERS_MAX; i++)
                hostile_add(&h, &(struct pki_spec){.subject = "large CA",
                                                   .ca = true,
                                                   .san = list_of("DNS:n#.example", 300)});
        assert_true(h.bytes > CHAIN_BYTES_MAX);
        enum reason reason =
                hostile_judge(&h, &(struct pki_spec){0}, pki_pem(root.x509), "too large");
        assert_int_equal(reason, REASON_TOO_LARGE);
}

static void names_of_32_kib_cost_less_than_50_ms(void **state)
{
        (void)state;
        struct hostile h;
        hostile_init(&h);
        struct pki_spec leaf = {.san = list_of("DNS:*.n#.x", 2600)};
        hostile_judge(&h, &leaf, pki_pem(root.x509), "2600 wildcard names");
        assert_true(h.bytes <= CHAIN_BYTES_MAX);
}

static int make_root(void **state)
{
        (void)state;
        arena_init(&texts, 65536);
        root = pki_make(NULL, &(struct pki_spec){.subject = "root", .ca = true});
        return 0;
}

static int drop_all(void **state)
{
        (void)state;
        pki_done();
        arena_done(&texts);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(name_constraints_times_names_cost_less_than_50_ms),
                cmocka_unit_test(policy_trees_that_double_cost_less_than_50_ms),
                cmocka_unit_test(thousands_of_policies_and_mappings_cost_less_than_50_ms),
                cmocka_unit_test(policies_mapped_from_any_to_many_cost_less_than_50_ms),
                cmocka_unit_test(same_subject_intermediates_at_the_limit_cost_less_than_50_ms),
                cmocka_unit_test(a_whole_path_of_the_largest_rsa_keys_costs_less_than_50_ms),
                cmocka_unit_test(a_chain_over_the_limit_is_refused_before_it_is_verified),
                cmocka_unit_test(names_of_32_kib_cost_less_than_50_ms),
        };
        return cmocka_run_group_tests(tests, make_root, drop_all);
}
