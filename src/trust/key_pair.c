#include "trust/key_pair.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/memory.h"
#include "text/pem.h"
#include "trust/hash.h"
#include "trust/private_key.h"

static void x509_cleanup(X509 **certificate)
{
        X509_free(*certificate);
}

static void pkey_cleanup(EVP_PKEY **key)
{
        EVP_PKEY_free(*key);
}

static bool der_parse(struct slice der, X509 **out)
{
        const unsigned char *at = (const unsigned char *)der.data;
        X509 *certificate = d2i_X509(NULL, &at, (long)der.len);
        if (certificate && at != (const unsigned char *)der.data + der.len) {
                X509_free(certificate);
                certificate = NULL;
        }
        ERR_clear_error();
        *out = certificate;
        return certificate != NULL;
}

bool certificate_der_check(struct slice der)
{
        X509 *certificate CLEANUP(x509_cleanup) = NULL;
        return der_parse(der, &certificate);
}

/* *leaf is the caller's. To parse a certificate is dear: its key goes through all decoders. */
static bool chain_read(struct slice pem, struct arena *arena, struct key_pair *out, X509 **leaf,
                       struct error *err)
{
        struct pem_reader reader;
        struct pem_block block;
        enum pem_step step;
        out->chain = ARENA_ARRAY(arena, struct slice, KEY_PAIR_CHAIN_MAX);
        out->chain_count = 0;
        pem_reader_init(&reader, pem, PEM_SKIP_KEYS);
        while ((step = pem_next(&reader, arena, &block, err)) == PEM_BLOCK) {
                X509 *certificate CLEANUP(x509_cleanup) = NULL;
                if (!slice_is(block.label, "CERTIFICATE"))
                        continue;
                if (!der_parse(block.der, &certificate))
                        return error_set(err, ERROR_INPUT, "block %zu is no X.509 certificate",
                                         block.ordinal);
                if (out->chain_count == KEY_PAIR_CHAIN_MAX)
                        return error_set(err, ERROR_LIMIT, "has more than %d certificates",
                                         KEY_PAIR_CHAIN_MAX);
                out->chain[out->chain_count++] = block.der;
                if (!*leaf) {
                        *leaf = certificate;
                        certificate = NULL;
                }
        }
        if (step == PEM_BROKEN)
                return false;
        if (out->chain_count == 0)
                return error_set(err, ERROR_INPUT, "has no PEM block CERTIFICATE");
        return true;
}

static EVP_PKEY *key_read(struct slice pem, struct error *err)
{
        struct arena arena;
        struct pem_reader reader;
        struct pem_block block;
        enum pem_step step;
        EVP_PKEY *key = NULL;
        size_t keys = 0;
        arena_init(&arena, 8192);
        pem_reader_init(&reader, pem, 0);
        while ((step = pem_next(&reader, &arena, &block, err)) == PEM_BLOCK) {
                if (block.private_key && keys++ == 0 &&
                    !slice_is(block.label, "ENCRYPTED PRIVATE KEY"))
                        key = private_key_decode(block.der);
                secret_wipe((void *)(uintptr_t)block.der.data, block.der.len);
        }
        arena_done(&arena);
        if (step == PEM_END && key && keys == 1)
                return key;
        EVP_PKEY_free(key);
        if (step == PEM_END)
                error_set(err, ERROR_INPUT, "%s",
                          keys == 0  ? "has no PEM block PRIVATE KEY"
                          : keys > 1 ? "has more than one private key"
                                     : "the private key can't be read (encrypted keys can't)");
        return NULL;
}

static bool key_to_pkcs8(EVP_PKEY *key, struct secret *out)
{
        PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
        unsigned char *der = NULL;
        int len = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;
        PKCS8_PRIV_KEY_INFO_free(info);
        ERR_clear_error();
        if (len <= 0)
                return false;
        *out = secret_of(slice_from(der, (size_t)len));
        OPENSSL_clear_free(der, (size_t)len);
        return true;
}

static int64_t unix_of(const ASN1_TIME *time)
{
        ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
        int days = 0, seconds = 0;
        if (!epoch || !ASN1_TIME_diff(&days, &seconds, epoch, time))
                days = 0, seconds = 0;
        ASN1_TIME_free(epoch);
        return (int64_t)days * 86400 + seconds;
}

/* subjectAltName alone: no client looks into the subject any more (RFC 9525, 6.3). */
static void names_read(X509 *leaf, struct arena *arena, struct key_pair *out)
{
        GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
        int count = names ? sk_GENERAL_NAME_num(names) : 0;
        out->names = ARENA_ARRAY(arena, struct slice, (size_t)count);
        for (int i = 0; i < count; i++) {
                const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
                if (name->type != GEN_DNS)
                        continue;
                struct slice text = slice_from(ASN1_STRING_get0_data(name->d.dNSName),
                                               (size_t)ASN1_STRING_length(name->d.dNSName));
                char *copy = arena_text(arena, text);
                for (size_t c = 0; c < text.len; c++)
                        copy[c] = ascii_lower(copy[c]);
                if (text.len > 0)
                        out->names[out->name_count++] = slice_from(copy, text.len);
        }
        GENERAL_NAMES_free(names);
        ERR_clear_error();
}

static struct digest pair_digest(const struct key_pair *pair)
{
        struct hasher hasher;
        hasher_init(&hasher, "key_pair 1");
        hasher_number(&hasher, (int64_t)pair->chain_count);
        for (size_t i = 0; i < pair->chain_count; i++)
                hasher_bytes(&hasher, pair->chain[i]);
        hasher_bytes(&hasher, slice_from(pair->key.bytes, pair->key.len));
        return hasher_done(&hasher);
}

bool key_pair_parse(struct slice certificate_pem, struct slice key_pem, struct arena *arena,
                    struct key_pair *out, struct error *err)
{
        struct key_pair pair = {0};
        X509 *leaf CLEANUP(x509_cleanup) = NULL;
        EVP_PKEY *key CLEANUP(pkey_cleanup) = NULL;
        if (!chain_read(certificate_pem, arena, &pair, &leaf, err))
                return error_wrap(err, "tls.crt");
        if (!(key = key_read(key_pem, err)))
                return error_wrap(err, "tls.key");
        if (X509_check_private_key(leaf, key) != 1) {
                ERR_clear_error();
                return error_set(err, ERROR_INPUT,
                                 "tls.key is not the key of the first certificate in tls.crt");
        }
        if (!key_to_pkcs8(key, &pair.key))
                return error_set(err, ERROR_INPUT, "tls.key is of a kind that can't be used");
        pair.not_after = unix_of(X509_get0_notAfter(leaf));
        pair.digest = pair_digest(&pair);
        names_read(leaf, arena, &pair);
        *out = pair;
        return true;
}
