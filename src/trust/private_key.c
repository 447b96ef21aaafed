#include "trust/private_key.h"

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

/* Decoders go by the OID of an algorithm as by its name. False: it is no PKCS#8. */
static bool algorithm_find(struct slice der, char oid[static 80])
{
        const unsigned char *at = (const unsigned char *)der.data;
        const ASN1_OBJECT *algorithm = NULL;
        PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der.len);
        bool ok = info && PKCS8_pkey_get0(&algorithm, NULL, NULL, NULL, info) == 1 &&
                  OBJ_obj2txt(oid, 80, algorithm, 1) > 0;
        PKCS8_PRIV_KEY_INFO_free(info);
        return ok;
}

static EVP_PKEY *pkcs8_decode(struct slice der)
{
        EVP_PKEY *key = NULL;
        char oid[80];
        const unsigned char *at = (const unsigned char *)der.data;
        size_t len = der.len;
        if (!algorithm_find(der, oid))
                return NULL;
        OSSL_DECODER_CTX *decoders = OSSL_DECODER_CTX_new_for_pkey(
                &key, "DER", "PrivateKeyInfo", oid, EVP_PKEY_KEYPAIR, NULL, NULL);
        if (decoders && OSSL_DECODER_from_data(decoders, &at, &len) != 1) {
                EVP_PKEY_free(key);
                key = NULL;
        }
        OSSL_DECODER_CTX_free(decoders);
        return key;
}

EVP_PKEY *private_key_decode(struct slice der)
{
        const unsigned char *at = (const unsigned char *)der.data;
        EVP_PKEY *key = pkcs8_decode(der);
        if (!key) /* PKCS#1 and SEC 1 are told apart by their own structure */
                key = d2i_AutoPrivateKey(NULL, &at, (long)der.len);
        ERR_clear_error();
        return key;
}
