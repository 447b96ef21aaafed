#include "trust/throwaway.h"

#include <stdio.h>

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

static bool openssl_error(struct error *err, const char *what)
{
        char reason[128];
        unsigned long code = ERR_peek_last_error();
        ERR_error_string_n(code, reason, sizeof(reason));
        ERR_clear_error();
        return error_set(err, ERROR_SYSTEM, "%s: %s", what, reason);
}

void throwaway_done(struct throwaway *identity)
{
        EVP_PKEY_free(identity->key);
        X509_free(identity->certificate);
        *identity = (struct throwaway){0};
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
        X509V3_CTX ctx;
        X509V3_set_ctx_nodb(&ctx);
        X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
        bool ok = extension && X509_add_ext(certificate, extension, -1) == 1;
        X509_EXTENSION_free(extension);
        return ok;
}

/* What RFC 5280 asks of each kind, so that the gateway's strict checks pass. */
static bool add_extensions(const struct throwaway_wish *wish, X509 *certificate, X509 *issuer)
{
        char names[300];
        snprintf(names, sizeof(names), "DNS:%s", wish->name);
        bool ca = wish->use == THROWAWAY_CA;
        bool ok = add_extension(certificate, issuer, NID_subject_key_identifier, "hash") &&
                  add_extension(certificate, issuer, NID_basic_constraints,
                                ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
                  add_extension(certificate, issuer, NID_key_usage,
                                ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
        if (ok && wish->issuer)
                ok = add_extension(certificate, issuer, NID_authority_key_identifier, "keyid");
        if (ok && wish->use == THROWAWAY_CLIENT)
                ok = add_extension(certificate, issuer, NID_ext_key_usage, "clientAuth");
        if (ok && wish->use == THROWAWAY_SERVER)
                ok = add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth") &&
                     add_extension(certificate, issuer, NID_subject_alt_name, names);
        return ok;
}

static bool set_serial(X509 *certificate)
{
        BIGNUM *number = BN_new(); /* 127 bits: positive, and always 16 octets */
        bool ok = number && BN_rand(number, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
        BN_free(number);
        return ok;
}

static bool set_names(const struct throwaway_wish *wish, X509 *certificate)
{
        X509_NAME *subject = X509_get_subject_name(certificate);
        if (X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                       (const unsigned char *)wish->name, -1, -1, 0) != 1)
                return false;
        const X509_NAME *issuer =
                wish->issuer ? X509_get_subject_name(wish->issuer->certificate) : subject;
        return X509_set_issuer_name(certificate, issuer) == 1;
}

static bool set_times(const struct throwaway_wish *wish, X509 *certificate)
{
        enum {
                HOUR = 3600,
                DAY = 24 * HOUR
        };
        ASN1_TIME *from = X509_getm_notBefore(certificate);
        ASN1_TIME *until = X509_getm_notAfter(certificate);
        if (wish->always) /* RFC 5280, 4.1.2.5: no well-defined end */
                return ASN1_TIME_set(from, 0) && ASN1_TIME_set_string(until, "99991231235959Z");
        return X509_gmtime_adj(from, wish->expired ? -2 * DAY : -HOUR) &&
               X509_gmtime_adj(until, wish->expired ? -DAY : 7 * DAY);
}

static bool fill(const struct throwaway_wish *wish, const struct throwaway *identity)
{
        X509 *certificate = identity->certificate;
        X509 *issuer = wish->issuer ? wish->issuer->certificate : certificate;
        EVP_PKEY *signer = wish->issuer ? wish->issuer->key : identity->key;
        return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
               set_names(wish, certificate) && set_times(wish, certificate) &&
               X509_set_pubkey(certificate, identity->key) == 1 &&
               add_extensions(wish, certificate, issuer) &&
               X509_sign(certificate, signer, EVP_sha256()) > 0;
}

bool throwaway_make(const struct throwaway_wish *wish, struct throwaway *identity,
                    struct error *err)
{
        struct throwaway made = {0};
        if (wish->key) {
                made.key = wish->key;
                EVP_PKEY_up_ref(made.key);
        } else {
                made.key = EVP_EC_gen("P-256");
        }
        made.certificate = X509_new();
        if (!made.key || !made.certificate || !fill(wish, &made)) {
                throwaway_done(&made);
                return openssl_error(err, wish->name);
        }
        *identity = made;
        return true;
}
