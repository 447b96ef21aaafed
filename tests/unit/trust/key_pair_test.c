#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "trust/key_pair.h"

static struct arena arena;
static struct error err;

static EVP_PKEY *key_new(const char *kind)
{
        return strcmp(kind, "RSA") == 0 ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
}

static X509 *certificate_new(EVP_PKEY *key, int64_t not_after)
{
        X509 *certificate = X509_new();
        X509_set_version(certificate, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
        ASN1_TIME_set(X509_getm_notBefore(certificate), 1700000000);
        ASN1_TIME_set(X509_getm_notAfter(certificate), not_after);
        X509_NAME *name = X509_NAME_new();
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                   (const unsigned char *)"edge.example.com", -1, -1, 0);
        X509_set_subject_name(certificate, name);
        X509_set_issuer_name(certificate, name);
        X509_NAME_free(name);
        X509_set_pubkey(certificate, key);
        assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
        return certificate;
}

static struct slice bio_take(BIO *bio)
{
        char *bytes;
        long len = BIO_get_mem_data(bio, &bytes);
        struct slice out = arena_slice(&arena, slice_from(bytes, (size_t)len));
        BIO_free(bio);
        return out;
}

static struct slice certificate_pem(EVP_PKEY *key, int64_t not_after)
{
        BIO *bio = BIO_new(BIO_s_mem());
        X509 *certificate = certificate_new(key, not_after);
        assert_true(PEM_write_bio_X509(bio, certificate));
        X509_free(certificate);
        return bio_take(bio);
}

static struct slice key_pem(EVP_PKEY *key, bool traditional, const char *password)
{
        BIO *bio = BIO_new(BIO_s_mem());
        if (traditional)
                assert_true(
                        PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL));
        else
                assert_true(PEM_write_bio_PKCS8PrivateKey(
                        bio, key, password ? EVP_aes_128_cbc() : NULL, password,
                        password ? (int)strlen(password) : 0, NULL, NULL));
        return bio_take(bio);
}

static int open_arena(void **state)
{
        (void)state;
        arena_init(&arena, 8192);
        memset(&err, 0, sizeof(err));
        return 0;
}

static int close_arena(void **state)
{
        (void)state;
        arena_done(&arena);
        return 0;
}

static void fails(struct slice certificate, struct slice key, const char *says)
{
        assert_null(key_pair_parse(certificate, key, &err));
        if (!strstr(err.text, says))
                fail_msg("\"%s\" does not say \"%s\"", err.text, says);
}

static void every_common_form_of_key_gives_the_same_pair(void **state)
{
        (void)state;
        static const char *const kinds[] = {"RSA", "EC"};
        for (size_t i = 0; i < 2; i++) {
                EVP_PKEY *key = key_new(kinds[i]);
                struct slice certificate = certificate_pem(key, 4870000000);
                struct key_pair *modern =
                        key_pair_parse(certificate, key_pem(key, false, NULL), &err);
                struct key_pair *old = key_pair_parse(certificate, key_pem(key, true, NULL), &err);
                assert_non_null(modern);
                assert_non_null(old);
                assert_int_equal(EVP_PKEY_eq(modern->key, key), 1);
                assert_int_equal(EVP_PKEY_eq(old->key, key), 1);
                assert_int_equal(sk_X509_num(modern->above), 0);
                assert_int_equal(modern->not_after, 4870000000);
                key_pair_unref(modern);
                key_pair_unref(old);
                EVP_PKEY_free(key);
        }
}

static void a_chain_keeps_its_order(void **state)
{
        (void)state;
        EVP_PKEY *key = key_new("EC"), *issuer = key_new("EC");
        struct slice leaf = certificate_pem(key, 4870000000);
        struct slice above = certificate_pem(issuer, 4870000000);
        struct slice both =
                arena_printf(&arena, "%.*s\n# above\n%.*s", SLICE_ARG(leaf), SLICE_ARG(above));
        struct slice turned = arena_printf(&arena, "%.*s\n%.*s", SLICE_ARG(above), SLICE_ARG(leaf));
        struct key_pair *pair = key_pair_parse(both, key_pem(key, false, NULL), &err);
        assert_non_null(pair);
        assert_int_equal(sk_X509_num(pair->above), 1);
        assert_int_equal(X509_check_private_key(pair->leaf, key), 1);
        assert_int_equal(X509_check_private_key(sk_X509_value(pair->above, 0), issuer), 1);
        key_pair_unref(pair);
        fails(turned, key_pem(key, false, NULL), "is not the key of the first certificate");
        EVP_PKEY_free(key);
        EVP_PKEY_free(issuer);
}

static void what_can_not_be_used_is_named_and_no_key_is_shown(void **state)
{
        (void)state;
        EVP_PKEY *key = key_new("EC"), *other = key_new("EC");
        struct slice certificate = certificate_pem(key, 4870000000);
        struct slice good = key_pem(key, false, NULL);
        struct slice two = arena_printf(&arena, "%.*s%.*s", SLICE_ARG(good), SLICE_ARG(good));
        fails(certificate, key_pem(other, false, NULL), "is not the key of the first certificate");
        fails(certificate, SLICE(""), "tls.key: has no PEM block PRIVATE KEY");
        fails(certificate, certificate, "tls.key: has no PEM block PRIVATE KEY");
        fails(certificate, two, "tls.key: has more than one private key");
        fails(certificate, key_pem(key, false, "secret"), "tls.key: the private key can't be read");
        fails(SLICE(""), good, "tls.crt: has no PEM block CERTIFICATE");
        fails(good, good, "tls.crt: has no PEM block CERTIFICATE");
        fails(slice_sub(certificate, 0, certificate.len - 30), good, "tls.crt: ");
        fails(SLICE("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), good,
              "tls.crt: block 1 is no X.509 certificate");
        EVP_PKEY_free(key);
        EVP_PKEY_free(other);
}

int main(void)
{
#define IN_ARENA(test) cmocka_unit_test_setup_teardown(test, open_arena, close_arena)
        const struct CMUnitTest tests[] = {
                IN_ARENA(every_common_form_of_key_gives_the_same_pair),
                IN_ARENA(a_chain_keeps_its_order),
                IN_ARENA(what_can_not_be_used_is_named_and_no_key_is_shown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
