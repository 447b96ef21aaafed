#include "test_pki.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/conf.h>
#include <openssl/dsa.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "base/arena.h"
#include "base/must.h"
#include "base/vec.h"

static VEC(X509 *) certificates;
static VEC(EVP_PKEY *) keys;
static VEC(X509_CRL *) crls;
static VEC(STACK_OF(X509) *) stacks;
static struct arena texts;
static long next_serial = 1000;

static EVP_PKEY *dsa_key(void)
{
        EVP_PKEY *params = NULL, *key = NULL;
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_DSA, NULL);
        must(EVP_PKEY_paramgen_init(ctx) == 1);
        must(EVP_PKEY_CTX_set_dsa_paramgen_bits(ctx, 2048) == 1);
        must(EVP_PKEY_paramgen(ctx, &params) == 1);
        EVP_PKEY_CTX_free(ctx);
        ctx = EVP_PKEY_CTX_new(params, NULL);
        must(EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_keygen(ctx, &key) == 1);
        EVP_PKEY_CTX_free(ctx);
        EVP_PKEY_free(params);
        return key;
}

static EVP_PKEY *rsa_pss_key(void)
{
        EVP_PKEY *key = NULL;
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA_PSS, NULL);
        must(EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_keygen(ctx, &key) == 1);
        EVP_PKEY_CTX_free(ctx);
        return key;
}

static EVP_PKEY *new_key(const char *kind)
{
        EVP_PKEY *key;
        if (!kind)
                kind = "P-256";
        if (strncmp(kind, "RSA:", 4) == 0)
                key = EVP_RSA_gen((unsigned)strtoul(kind + 4, NULL, 10));
        else if (strcmp(kind, "DSA") == 0)
                key = dsa_key();
        else if (strcmp(kind, "RSA-PSS") == 0)
                key = rsa_pss_key();
        else if (strncmp(kind, "ED", 2) == 0 || strncmp(kind, "X", 1) == 0)
                key = EVP_PKEY_Q_keygen(NULL, NULL, kind);
        else
                key = EVP_EC_gen(kind);
        must(key != NULL);
        vec_push(&keys, key);
        return key;
}

static void add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
        X509V3_CTX ctx;
        CONF *empty = NCONF_new(NULL); /* certificatePolicies asks for one */
        X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
        X509V3_set_nconf(&ctx, empty);
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
        NCONF_free(empty);
        must(extension != NULL);
        must(X509_add_ext(x509, extension, -1) == 1);
        X509_EXTENSION_free(extension);
}

static void add_extensions(X509 *x509, X509 *issuer, const struct pki_spec *spec)
{
        if (!spec->no_ski)
                add_extension(x509, issuer, NID_subject_key_identifier, "hash");
        if (!spec->no_aki && X509_get0_subject_key_id(issuer))
                add_extension(x509, issuer, NID_authority_key_identifier, "keyid");
        add_extension(x509, issuer, NID_basic_constraints,
                      spec->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
        const char *usage = spec->ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature";
        add_extension(x509, issuer, NID_key_usage, spec->key_usage ? spec->key_usage : usage);
        if (!spec->no_eku && (!spec->ca || spec->eku))
                add_extension(x509, issuer, NID_ext_key_usage,
                              spec->eku ? spec->eku : "clientAuth");
        if (spec->san)
                add_extension(x509, issuer, NID_subject_alt_name, spec->san);
        if (spec->name_constraints)
                add_extension(x509, issuer, NID_name_constraints, spec->name_constraints);
        if (spec->policies)
                add_extension(x509, issuer, NID_certificate_policies, spec->policies);
        if (spec->policy_mappings)
                add_extension(x509, issuer, NID_policy_mappings, spec->policy_mappings);
        if (spec->policy_constraints)
                add_extension(x509, issuer, NID_policy_constraints, spec->policy_constraints);
}

struct pki_cert pki_make(const struct pki_cert *issuer, const struct pki_spec *spec)
{
        EVP_PKEY *key = spec->with_key ? spec->with_key : new_key(spec->key);
        X509 *x509 = X509_new();
        X509_NAME *name = X509_get_subject_name(x509);
        const char *subject = spec->subject ? spec->subject : "client";
        X509_set_version(x509, spec->v1 ? X509_VERSION_1 : X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(x509), spec->serial ? spec->serial : next_serial++);
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)subject, -1,
                                   -1, 0);
        X509_set_issuer_name(x509, issuer ? X509_get_subject_name(issuer->x509) : name);
        ASN1_TIME_set(X509_getm_notBefore(x509),
                      spec->not_before ? spec->not_before : PKI_NOW - 86400 * 180);
        ASN1_TIME_set(X509_getm_notAfter(x509),
                      spec->not_after ? spec->not_after : PKI_NOW + 86400 * 180);
        X509_set_pubkey(x509, key);
        if (!spec->v1)
                add_extensions(x509, issuer ? issuer->x509 : x509, spec);
        EVP_PKEY *signer = issuer ? issuer->key : key;
        bool edwards = EVP_PKEY_is_a(signer, "ED25519") || EVP_PKEY_is_a(signer, "ED448");
        const EVP_MD *md = edwards ? NULL : EVP_get_digestbyname(spec->md ? spec->md : "SHA256");
        must(X509_sign(x509, signer, md) > 0);
        /* Read back: a made certificate knows no octets as received. */
        unsigned char *der = NULL;
        int len = i2d_X509(x509, &der);
        const unsigned char *at = der;
        X509_free(x509);
        x509 = d2i_X509(NULL, &at, len);
        OPENSSL_free(der);
        must(x509 != NULL);
        vec_push(&certificates, x509);
        return (struct pki_cert){x509, key};
}

X509_CRL *pki_crl(const struct pki_cert *issuer, const long *serials, size_t count,
                  int64_t last_update, int64_t next_update)
{
        X509_CRL *crl = X509_CRL_new();
        ASN1_TIME *time = ASN1_TIME_new();
        X509_CRL_set_version(crl, X509_CRL_VERSION_2);
        X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->x509));
        ASN1_TIME_set(time, last_update ? last_update : PKI_NOW - 86400);
        X509_CRL_set1_lastUpdate(crl, time);
        ASN1_TIME_set(time, next_update ? next_update : PKI_NOW + 86400);
        X509_CRL_set1_nextUpdate(crl, time);
        ASN1_TIME_set(time, PKI_NOW - 86400);
        for (size_t i = 0; i < count; i++) {
                X509_REVOKED *revoked = X509_REVOKED_new();
                ASN1_INTEGER *serial = ASN1_INTEGER_new();
                ASN1_INTEGER_set(serial, serials[i]);
                X509_REVOKED_set_serialNumber(revoked, serial);
                X509_REVOKED_set_revocationDate(revoked, time);
                X509_CRL_add0_revoked(crl, revoked);
                ASN1_INTEGER_free(serial);
        }
        ASN1_TIME_free(time);
        /* Strict RFC 5280, 5.2.1 and 5.2.3: a CRL has both. */
        X509V3_CTX ctx;
        X509V3_set_ctx(&ctx, issuer->x509, NULL, NULL, crl, 0);
        X509_EXTENSION *aki =
                X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid");
        if (aki)
                X509_CRL_add_ext(crl, aki, -1);
        X509_EXTENSION_free(aki);
        X509_CRL_sort(crl);
        must(X509_CRL_sign(crl, issuer->key, EVP_sha256()) > 0);
        vec_push(&crls, crl);
        return crl;
}

static struct slice take_bio(BIO *bio)
{
        char *data;
        long len = BIO_get_mem_data(bio, &data);
        if (!texts.chunk_bytes)
                arena_init(&texts, 16384);
        struct slice copy = arena_slice(&texts, slice_from(data, (size_t)len));
        BIO_free(bio);
        return copy;
}

struct slice pki_pem(X509 *x509)
{
        BIO *bio = BIO_new(BIO_s_mem());
        PEM_write_bio_X509(bio, x509);
        return take_bio(bio);
}

struct slice pki_crl_pem(X509_CRL *crl)
{
        BIO *bio = BIO_new(BIO_s_mem());
        PEM_write_bio_X509_CRL(bio, crl);
        return take_bio(bio);
}

struct slice pki_join(struct slice a, struct slice b)
{
        return arena_printf(&texts, "%.*s%.*s", SLICE_ARG(a), SLICE_ARG(b));
}

STACK_OF(X509) * pki_stack(size_t count, ...)
{
        STACK_OF(X509) *stack = sk_X509_new_null();
        va_list args;
        va_start(args, count);
        for (size_t i = 0; i < count; i++)
                sk_X509_push(stack, va_arg(args, X509 *));
        va_end(args);
        vec_push(&stacks, stack);
        return stack;
}

void pki_done(void)
{
        vec_each (x509, &certificates)
                X509_free(*x509);
        vec_each (key, &keys)
                EVP_PKEY_free(*key);
        vec_each (crl, &crls)
                X509_CRL_free(*crl);
        vec_each (stack, &stacks)
                sk_X509_free(*stack);
        vec_done(&certificates);
        vec_done(&keys);
        vec_done(&crls);
        vec_done(&stacks);
        if (texts.chunk_bytes)
                arena_done(&texts);
        memset(&texts, 0, sizeof(texts));
}
