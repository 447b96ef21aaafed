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

#include "base/memory.h"
#include "text/pem.h"
#include "trust/key_pair.h"
#include "trust/private_key.h"

static struct arena arena;
static struct error err;

static EVP_PKEY *key_new(const char *kind)
{
        if (strcmp(kind, "RSA") == 0)
                return EVP_RSA_gen(2048);
        return strcmp(kind, "EC") == 0 ? EVP_EC_gen("P-256") : EVP_PKEY_Q_keygen(NULL, NULL, kind);
}

static X509 *certificate_by(EVP_PKEY *signer, EVP_PKEY *key, int64_t not_after)
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
        const EVP_MD *md = EVP_PKEY_is_a(signer, "ED25519") ? NULL : EVP_sha256();
        assert_true(X509_sign(certificate, signer, md) > 0);
        return certificate;
}

static X509 *certificate_new(EVP_PKEY *key, int64_t not_after)
{
        return certificate_by(key, key, not_after);
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
        assert_null(key_pair_parse(certificate, key, NULL, &err));
        if (!strstr(err.text, says))
                fail_msg("\"%s\" does not say \"%s\"", err.text, says);
}

/* A TLS context with one of them can't be made, and without it no generation. */
static void what_openssl_does_not_serve_is_no_pair(void **state)
{
        (void)state;
        EVP_PKEY *const keys[] = {EVP_RSA_gen(1024), EVP_EC_gen("P-192"),
                                  EVP_PKEY_Q_keygen(NULL, NULL, "X25519")};
        EVP_PKEY *signer = key_new("EC");
        for (size_t i = 0; i < COUNT_OF(keys); i++) {
                BIO *bio = BIO_new(BIO_s_mem());
                X509 *certificate = certificate_by(signer, keys[i], 4870000000);
                assert_true(PEM_write_bio_X509(bio, certificate));
                fails(bio_take(bio), key_pem(keys[i], false, NULL),
                      "tls.crt: OpenSSL does not serve it in TLS (");
                X509_free(certificate);
                EVP_PKEY_free(keys[i]);
        }
        EVP_PKEY_free(signer);
}

static void every_common_form_of_key_gives_the_same_pair(void **state)
{
        (void)state;
        static const char *const kinds[] = {"RSA", "EC"};
        for (size_t i = 0; i < 2; i++) {
                EVP_PKEY *key = key_new(kinds[i]);
                struct slice certificate = certificate_pem(key, 4870000000);
                struct key_pair *modern =
                        key_pair_parse(certificate, key_pem(key, false, NULL), NULL, &err);
                struct key_pair *old =
                        key_pair_parse(certificate, key_pem(key, true, NULL), NULL, &err);
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

static struct slice der_of(struct slice pem)
{
        struct pem_reader reader;
        struct pem_block block;
        pem_reader_init(&reader, pem, 0);
        assert_int_equal(pem_next(&reader, &arena, &block, &err), PEM_BLOCK);
        return block.der;
}

static struct slice label_of(struct slice pem)
{
        size_t from = sizeof("-----BEGIN ") - 1;
        struct slice rest = slice_skip(pem, from);
        return slice_sub(rest, 0, slice_find(rest, '-'));
}

static struct slice labelled(struct slice pem, struct slice der)
{
        return pem_print(&arena, arena_text(&arena, label_of(pem)), der);
}

/* Its outermost SEQUENCE is a SET now. */
static struct slice key_spoil(struct slice pem)
{
        struct slice der = arena_slice(&arena, der_of(pem));
        ((char *)(uintptr_t)der.data)[0] = 0x31;
        return labelled(pem, der);
}

/* A public key alone, which X509_check_private_key() would be content with. */
static struct slice public_key_as(EVP_PKEY *key, struct slice pem)
{
        unsigned char *der = NULL;
        bool spki = slice_is(label_of(pem), "PRIVATE KEY");
        int len = spki ? i2d_PUBKEY(key, &der) : i2d_PublicKey(key, &der);
        assert_true(len > 0);
        struct slice copy = arena_slice(&arena, slice_from(der, (size_t)len));
        OPENSSL_free(der);
        return labelled(pem, copy);
}

static void reader_refuses(struct key_reader *reader, struct slice certificate, struct slice key)
{
        assert_null(key_pair_parse(certificate, key, reader, &err));
        assert_non_null(strstr(err.text, "tls.key"));
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
        struct key_pair *pair = key_pair_parse(both, key_pem(key, false, NULL), NULL, &err);
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

/* One of each form that a reader keeps decoders for, and what has to be refused between them. */
static void a_reader_reads_key_after_key_as_it_reads_the_first(void **state)
{
        (void)state;
        struct key_reader *reader = key_reader_new();
        static const char *const kinds[] = {"EC", "RSA", "ED25519"};
        for (size_t i = 0; i < 3 * COUNT_OF(kinds); i++) {
                EVP_PKEY *key = key_new(kinds[i % COUNT_OF(kinds)]), *other = key_new("EC");
                bool traditional = i % COUNT_OF(kinds) < 2;
                struct slice certificate = certificate_pem(key, 4870000000);
                for (size_t form = 0; form < (traditional ? 2U : 1U); form++) {
                        struct slice pem = key_pem(key, form == 1, NULL);
                        struct key_pair *pair = key_pair_parse(certificate, pem, reader, &err);
                        assert_non_null(pair);
                        assert_int_equal(EVP_PKEY_eq(pair->key, key), 1);
                        assert_int_equal(X509_check_private_key(pair->leaf, pair->key), 1);
                        key_pair_unref(pair);
                        reader_refuses(reader, certificate, key_spoil(pem));
                        reader_refuses(reader, certificate, key_pem(other, form == 1, NULL));
                        reader_refuses(reader, certificate, public_key_as(key, pem));
                }
                EVP_PKEY_free(key);
                EVP_PKEY_free(other);
        }
        key_reader_free(reader);
}

/* What stands in the block counts, not what it is called. */
static void a_key_under_another_label_is_read(void **state)
{
        (void)state;
        static const char *const labels[] = {"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"};
        struct key_reader *reader = key_reader_new();
        for (size_t i = 0; i < 2 * COUNT_OF(labels); i++) {
                EVP_PKEY *key = key_new(i % 2 ? "RSA" : "EC");
                struct slice certificate = certificate_pem(key, 4870000000);
                for (size_t form = 0; form < 2; form++) {
                        struct slice der = der_of(key_pem(key, form == 1, NULL));
                        struct slice pem = pem_print(&arena, labels[i / 2], der);
                        struct key_pair *pair = key_pair_parse(certificate, pem, reader, &err);
                        assert_non_null(pair);
                        assert_int_equal(EVP_PKEY_eq(pair->key, key), 1);
                        key_pair_unref(pair);
                }
                EVP_PKEY_free(key);
        }
        key_reader_free(reader);
}

int main(void)
{
#define IN_ARENA(test) cmocka_unit_test_setup_teardown(test, open_arena, close_arena)
        const struct CMUnitTest tests[] = {
                IN_ARENA(what_openssl_does_not_serve_is_no_pair),
                IN_ARENA(every_common_form_of_key_gives_the_same_pair),
                IN_ARENA(a_reader_reads_key_after_key_as_it_reads_the_first),
                IN_ARENA(a_key_under_another_label_is_read),
                IN_ARENA(a_chain_keeps_its_order),
                IN_ARENA(what_can_not_be_used_is_named_and_no_key_is_shown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
