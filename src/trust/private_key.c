#include "trust/private_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/memory.h"
#include "base/must.h"
#include "trust/key_pair.h"

enum {
        ALGORITHM_SIZE = 80,
        KEPT_MAX = 8,
};

struct kept {
        const char *structure; /* as OpenSSL calls it; NULL: not in use */
        char algorithm[ALGORITHM_SIZE];
        OSSL_DECODER_CTX *decoders;
        EVP_PKEY *key; /* where they put it; NULL between keys */
};

struct key_reader {
        struct kept kept[KEPT_MAX];
        size_t next;     /* that gives way to another algorithm */
        SSL_CTX *serves; /* NULL: nothing was asked yet */
};

struct key_reader *key_reader_new(void)
{
        return NEW(struct key_reader);
}

void key_reader_free(struct key_reader *reader)
{
        if (!reader)
                return;
        for (size_t i = 0; i < KEPT_MAX; i++)
                OSSL_DECODER_CTX_free(reader->kept[i].decoders);
        SSL_CTX_free(reader->serves);
        free(reader);
}

static struct kept *kept_for(struct key_reader *reader, const char *structure,
                             const char *algorithm)
{
        for (size_t i = 0; i < KEPT_MAX; i++) {
                struct kept *kept = &reader->kept[i];
                if (kept->structure && strcmp(kept->structure, structure) == 0 &&
                    strcmp(kept->algorithm, algorithm) == 0)
                        return kept;
        }
        struct kept *kept = &reader->kept[reader->next++ % KEPT_MAX];
        OSSL_DECODER_CTX_free(kept->decoders);
        *kept = (struct kept){.structure = structure};
        snprintf(kept->algorithm, sizeof(kept->algorithm), "%s", algorithm);
        kept->decoders = OSSL_DECODER_CTX_new_for_pkey(&kept->key, "DER", structure, algorithm,
                                                       EVP_PKEY_KEYPAIR, NULL, NULL);
        return kept;
}

static EVP_PKEY *decode_as(struct key_reader *reader, const char *structure, const char *algorithm,
                           struct slice der)
{
        struct kept *kept = kept_for(reader, structure, algorithm);
        const unsigned char *at = (const unsigned char *)der.data;
        size_t len = der.len;
        bool ok = kept->decoders && OSSL_DECODER_from_data(kept->decoders, &at, &len) == 1;
        EVP_PKEY *key = kept->key;
        kept->key = NULL;
        if (ok)
                return key;
        EVP_PKEY_free(key);
        return NULL;
}

/* Decoders go by the OID of an algorithm as by its name. False: it is no PKCS#8. */
static bool algorithm_find(struct slice der, char oid[static ALGORITHM_SIZE])
{
        const unsigned char *at = (const unsigned char *)der.data;
        const ASN1_OBJECT *algorithm = NULL;
        PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.len);
        bool ok = info && PKCS8_pkey_get0(&algorithm, NULL, NULL, NULL, info) == 1 &&
                  OBJ_obj2txt(oid, ALGORITHM_SIZE, algorithm, 1) > 0;
        PKCS8_PRIV_KEY_INFO_free(info);
        return ok;
}

static EVP_PKEY *decode_first(struct key_reader *reader, struct slice label, struct slice der)
{
        char oid[ALGORITHM_SIZE];
        if (algorithm_find(der, oid))
                return decode_as(reader, "PrivateKeyInfo", oid, der);
        if (slice_is(label, "RSA PRIVATE KEY"))
                return decode_as(reader, "type-specific", "RSA", der);
        if (slice_is(label, "EC PRIVATE KEY"))
                return decode_as(reader, "type-specific", "EC", der);
        return NULL;
}

EVP_PKEY *private_key_decode(struct key_reader *reader, struct slice label, struct slice der)
{
        const unsigned char *at = (const unsigned char *)der.data;
        EVP_PKEY *key = decode_first(reader, label, der);
        if (!key) /* the label may be wrong: PKCS#1 and SEC 1 are told apart by their structure */
                key = d2i_AutoPrivateKey(NULL, &at, (long)der.len);
        ERR_clear_error();
        return key;
}

bool key_reader_serves(struct key_reader *reader, const struct key_pair *pair, struct error *err)
{
        if (!reader->serves) {
                reader->serves = SSL_CTX_new(TLS_method());
                must(reader->serves != NULL);
                SSL_CTX_set_security_level(reader->serves, TLS_SECURITY_LEVEL);
        }
        if (SSL_CTX_use_cert_and_key(reader->serves, pair->leaf, pair->key, pair->above, 1) == 1)
                return true;
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        ERR_clear_error();
        return error_set(err, ERROR_INPUT, "OpenSSL does not serve it in TLS (%s)",
                         reason ? reason : "unknown");
}
