#include "trust/certificate.h"

#include <stdio.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "base/memory.h"
#include "base/must.h"
#include "trust/hash.h"

static void openssl_bytes_free(unsigned char **bytes)
{
        OPENSSL_free(*bytes);
}

static void bn_free(BIGNUM **number)
{
        BN_free(*number);
}

struct digest certificate_digest(X509 *x509)
{
        CLEANUP(openssl_bytes_free) unsigned char *der = NULL;
        int len = i2d_X509(x509, &der);
        must(len > 0);
        return sha256(slice_from(der, (size_t)len));
}

struct digest certificate_spki_digest(X509 *x509)
{
        CLEANUP(openssl_bytes_free) unsigned char *der = NULL;
        int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &der);
        must(len > 0);
        return sha256(slice_from(der, (size_t)len));
}

static bool refuse(char why[static RULE_TEXT_SIZE], const char *text)
{
        snprintf(why, RULE_TEXT_SIZE, "%s", text);
        return false;
}

static bool check_rsa(const EVP_PKEY *pkey, int parameter_type, char why[static RULE_TEXT_SIZE])
{
        int bits = EVP_PKEY_get_bits(pkey);
        if (parameter_type != V_ASN1_NULL)
                return refuse(why, "the RSA key's parameters are not NULL");
        if (bits < 2048 || bits > 8192) {
                snprintf(why, RULE_TEXT_SIZE, "the RSA key has %d bits, wants 2048 to 8192", bits);
                return false;
        }
        CLEANUP(bn_free) BIGNUM *exponent = NULL;
        if (!EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &exponent) ||
            !BN_is_odd(exponent) || BN_is_one(exponent) || BN_num_bits(exponent) > 64)
                return refuse(why, "the RSA key's exponent is not an odd number of 2 to 64 bits");
        return true;
}

static bool check_ec(const void *parameter, int parameter_type, const unsigned char *point,
                     int point_len, char why[static RULE_TEXT_SIZE])
{
        if (parameter_type != V_ASN1_OBJECT)
                return refuse(why, "the EC key does not name its curve");
        int wanted = 0;
        switch (OBJ_obj2nid(parameter)) {
        case NID_X9_62_prime256v1:
                wanted = 65;
                break;
        case NID_secp384r1:
                wanted = 97;
                break;
        case NID_secp521r1:
                wanted = 133;
                break;
        default:
                return refuse(why, "the EC key's curve is none of P-256, P-384, P-521");
        }
        if (point_len != wanted || point[0] != 4)
                return refuse(why, "the EC key's point is not in uncompressed form");
        return true;
}

bool key_floor_check(X509_PUBKEY *key, char why[static RULE_TEXT_SIZE])
{
        X509_ALGOR *algorithm = NULL;
        const unsigned char *bits = NULL;
        int bits_len = 0, parameter_type = V_ASN1_UNDEF;
        const void *parameter = NULL;
        if (!X509_PUBKEY_get0_param(NULL, &bits, &bits_len, &algorithm, key))
                return refuse(why, "the public key can't be read");
        const ASN1_OBJECT *object = NULL;
        X509_ALGOR_get0(&object, &parameter_type, &parameter, algorithm);
        /* First by name: whether OpenSSL reads a key that is none of ours is no matter. */
        int type = OBJ_obj2nid(object);
        if (type == NID_X9_62_id_ecPublicKey) {
                if (!check_ec(parameter, parameter_type, bits, bits_len, why))
                        return false;
        } else if (type == NID_ED25519 || type == NID_ED448) {
                if (parameter_type != V_ASN1_UNDEF)
                        return refuse(why, "the Edwards-curve key has parameters");
        } else if (type != NID_rsaEncryption) {
                return refuse(why, "the key is none of RSA, EC, Ed25519, Ed448");
        }
        const EVP_PKEY *pkey = X509_PUBKEY_get0(key);
        if (!pkey)
                return refuse(why, "the public key can't be read");
        return type != NID_rsaEncryption || check_rsa(pkey, parameter_type, why);
}

bool signature_check(X509 *x509, char why[static RULE_TEXT_SIZE])
{
        int md = NID_undef, key = NID_undef, bits = 0;
        if (!X509_get_signature_info(x509, &md, &key, &bits, NULL))
                return refuse(why, "the signature's algorithm is not known");
        if (key == NID_dsa)
                return refuse(why, "the signature is DSA");
        if (md == NID_md5 || md == NID_sha1 || md == NID_md5_sha1 || bits < 112)
                return refuse(why, "the signature uses MD5, SHA-1 or a weaker hash");
        return true;
}

static bool eku_allows(uint32_t eku, enum key_use use)
{
        bool absent = eku == UINT32_MAX;
        switch (use) {
        case USE_CLIENT_AUTH:
                return !absent && (eku & XKU_SSL_CLIENT);
        case USE_CLIENT_OR_SERVER_AUTH:
                return !absent && (eku & (XKU_SSL_CLIENT | XKU_SSL_SERVER));
        case USE_SERVER_AUTH:
                return !absent && (eku & XKU_SSL_SERVER);
        case USE_ANY:
                return true;
        }
        return false;
}

enum reason leaf_use_check(X509 *leaf, enum key_use use, char why[static RULE_TEXT_SIZE])
{
        /* Also parses all extensions, once. */
        uint32_t flags = X509_get_extension_flags(leaf);
        why[0] = '\0';
        if (flags & EXFLAG_INVALID)
                refuse(why, "an extension can't be read or stands twice");
        else if (X509_get_version(leaf) != X509_VERSION_3)
                refuse(why, "the certificate is not version 3");
        if (why[0] != '\0')
                return REASON_MALFORMED;
        if (flags & EXFLAG_CA)
                refuse(why, "the certificate is a CA's (basicConstraints CA:TRUE)");
        else if ((flags & EXFLAG_KUSAGE) && !(X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE))
                refuse(why, "keyUsage lacks digitalSignature");
        else if (!eku_allows(X509_get_extended_key_usage(leaf), use))
                snprintf(why, RULE_TEXT_SIZE, "extendedKeyUsage does not list %s",
                         use == USE_CLIENT_AUTH   ? "clientAuth"
                         : use == USE_SERVER_AUTH ? "serverAuth"
                                                  : "what the policy asks for (client or server)");
        return why[0] != '\0' ? REASON_WRONG_USE : REASON_ACCEPTED;
}

bool anchor_check(X509 *x509, char why[static RULE_TEXT_SIZE])
{
        uint32_t flags = X509_get_extension_flags(x509);
        if (flags & EXFLAG_INVALID)
                return refuse(why, "an extension can't be read or stands twice");
        /* EXFLAG_CA alone: X509_check_ca() would also take a self-signed v1 certificate. */
        if (!(flags & EXFLAG_CA))
                return refuse(why, "it is no CA certificate (basicConstraints CA:TRUE)");
        if ((flags & EXFLAG_KUSAGE) && !(X509_get_key_usage(x509) & KU_KEY_CERT_SIGN))
                return refuse(why, "keyUsage lacks keyCertSign");
        return true;
}

bool asn1_time_unix(const ASN1_TIME *time, int64_t *unix_s)
{
        struct tm tm;
        *unix_s = 0;
        if (!time || !ASN1_TIME_to_tm(time, &tm))
                return false;
        /* Days from the civil date (proleptic Gregorian), so that no time zone is asked. */
        int64_t year = tm.tm_year + 1900, month = tm.tm_mon + 1;
        year -= month <= 2;
        int64_t era = (year >= 0 ? year : year - 399) / 400;
        int64_t of_era = year - era * 400;
        int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + tm.tm_mday - 1;
        int64_t days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
        *unix_s = days * 86400 + tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;
        return true;
}
