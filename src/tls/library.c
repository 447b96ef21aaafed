#include "tls/library.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_dispatch.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/memory.h"
#include "base/must.h"

enum {
        NAMES_MAX = 16
};

#define PROVIDER_NAME "pingate"

struct tls_library {
        OSSL_LIB_CTX *context;
        OSSL_PROVIDER *provider;
};

/* What a handshake needs of each operation; of those that are not listed, nothing. Every hash that
 * a certificate may be signed with is here: the judge refuses the weak ones by name. */
static const struct needed {
        int operation;
        const char *names[NAMES_MAX];
} needed[] = {
        {OSSL_OP_DECODER, {"RSA", "RSA-PSS", "EC", "ED25519", "ED448"}},
        {OSSL_OP_KEYMGMT, {"RSA", "RSA-PSS", "EC", "X25519", "ED25519", "ED448", "HMAC"}},
        {OSSL_OP_SIGNATURE, {"RSA", "ECDSA", "ED25519", "ED448"}},
        {OSSL_OP_KEYEXCH, {"ECDH", "X25519"}},
        {OSSL_OP_CIPHER, {"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"}},
        {OSSL_OP_KDF, {"TLS13-KDF", "TLS1-PRF", "HKDF"}},
        {OSSL_OP_MAC, {"HMAC"}},
        {OSSL_OP_RAND, {"CTR-DRBG", "SEED-SRC"}},
        {OSSL_OP_DIGEST,
         {"SHA2-256", "SHA2-384", "SHA2-512", "SHA2-224", "SHA1", "MD5", "MD5-SHA1"}},
};

/* OpenSSL gives a provider no argument of ours to find its data by, and there is one of it. */
static struct {
        OSSL_PROVIDER *whole; /* the default provider, of OpenSSL's own context */
        OSSL_ALGORITHM lists[COUNT_OF(needed)][NAMES_MAX + 1];
} lean;

/* ---- the provider ---- */

static bool is_named(const OSSL_ALGORITHM *algorithm, const char *name)
{
        const char *names = algorithm->algorithm_names; /* "EC:id-ecPublicKey:…" */
        size_t len = strcspn(names, ":");
        return len == strlen(name) && strncasecmp(names, name, len) == 0;
}

/* Of decoders, the one for what a certificate holds. */
static bool reads_public_keys(const OSSL_ALGORITHM *decoder)
{
        return strstr(decoder->property_definition, "input=der") &&
               strstr(decoder->property_definition, "structure=SubjectPublicKeyInfo");
}

static const OSSL_ALGORITHM *find_algorithm(int operation, const char *name)
{
        int no_cache = 0;
        const OSSL_ALGORITHM *at = OSSL_PROVIDER_query_operation(lean.whole, operation, &no_cache);
        for (; at && at->algorithm_names; at++)
                if (is_named(at, name) && (operation != OSSL_OP_DECODER || reads_public_keys(at)))
                        return at;
        return NULL;
}

/* False: something is missing, and nothing would be as expected. A weak
 * hash may be missing, as it may from OpenSSL's own context. */
static bool take_needed(size_t index, struct error *err)
{
        const struct needed *wanted = &needed[index];
        OSSL_ALGORITHM *to = lean.lists[index];
        for (size_t i = 0; i < NAMES_MAX && wanted->names[i]; i++) {
                const OSSL_ALGORITHM *found = find_algorithm(wanted->operation, wanted->names[i]);
                if (found)
                        *to++ = *found;
                else if (wanted->operation != OSSL_OP_DIGEST)
                        return error_set(err, ERROR_SYSTEM,
                                         "OpenSSL's default provider has no %s (operation %d)",
                                         wanted->names[i], wanted->operation);
        }
        *to = (OSSL_ALGORITHM){0};
        return true;
}

static const OSSL_ALGORITHM *query(void *context, int operation, int *no_cache)
{
        (void)context;
        *no_cache = 0;
        for (size_t i = 0; i < COUNT_OF(needed); i++)
                if (needed[i].operation == operation)
                        return lean.lists[i];
        return NULL;
}

/* Groups and signature algorithms of TLS. */
static int get_capabilities(void *context, const char *capability, OSSL_CALLBACK *callback,
                            void *arg)
{
        (void)context;
        return OSSL_PROVIDER_get_capabilities(lean.whole, capability, callback, arg);
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                         const OSSL_DISPATCH **out, void **context)
{
        static const OSSL_DISPATCH functions[] = {
                {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
                {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))get_capabilities},
                {0, NULL},
        };
        (void)handle;
        (void)in;
        *out = functions;
        /* The implementations are the default provider's, and so is the context they work in. */
        *context = OSSL_PROVIDER_get0_provider_ctx(lean.whole);
        return 1;
}

/* ---- its check ---- */

static const struct key_sample {
        const char *name, *digest, *spki, *signature;
} samples[] = {
#define KEY_SAMPLE(name, digest, spki, signature) {name, digest, spki, signature},
#include "tls/key_sample.def"
#undef KEY_SAMPLE
};

static bool verifies(OSSL_LIB_CTX *context, const struct key_sample *sample, EVP_PKEY *key,
                     const char *text)
{
        long len = 0;
        unsigned char *signature = OPENSSL_hexstr2buf(sample->signature, &len);
        EVP_MD_CTX *md = EVP_MD_CTX_new();
        bool ok =
                signature && md &&
                EVP_DigestVerifyInit_ex(md, NULL, sample->digest, context, NULL, key, NULL) == 1 &&
                EVP_DigestVerify(md, signature, (size_t)len, (const unsigned char *)text,
                                 strlen(text)) == 1;
        EVP_MD_CTX_free(md);
        OPENSSL_free(signature);
        return ok;
}

/* Reads the same key as OpenSSL's own context does, by our provider, and can tell who holds it. */
static bool sample_passes(OSSL_LIB_CTX *context, const struct key_sample *sample)
{
        long len = 0;
        unsigned char *spki = OPENSSL_hexstr2buf(sample->spki, &len);
        const unsigned char *at = spki, *again = spki;
        EVP_PKEY *key = d2i_PUBKEY_ex(NULL, &at, len, context, NULL);
        EVP_PKEY *like = d2i_PUBKEY(NULL, &again, len);
        bool ok =
                key && like && at == spki + len && EVP_PKEY_is_a(key, sample->name) &&
                strcmp(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key)), PROVIDER_NAME) == 0 &&
                EVP_PKEY_eq(key, like) == 1 && verifies(context, sample, key, "pingate") &&
                !verifies(context, sample, key, "pingatf");
        EVP_PKEY_free(key);
        EVP_PKEY_free(like);
        OPENSSL_free(spki);
        return ok;
}

static bool check(OSSL_LIB_CTX *context, struct error *err)
{
        for (size_t i = 0; i < COUNT_OF(samples); i++)
                if (!sample_passes(context, &samples[i]))
                        return error_set(err, ERROR_SYSTEM, "sample %zu, a key of type %s, fails",
                                         i + 1, samples[i].name);
        SSL_CTX *ssl = SSL_CTX_new_ex(context, NULL, TLS_server_method());
        bool ok = ssl && SSL_CTX_set1_groups_list(ssl, "X25519:P-256:P-384:P-521") == 1;
        SSL_CTX_free(ssl);
        return ok || error_set(err, ERROR_SYSTEM, "OpenSSL makes no TLS context of it");
}

/* ---- opening ---- */

static int count_provider(OSSL_PROVIDER *provider, void *arg)
{
        size_t *foreign = arg;
        *foreign += strcmp(OSSL_PROVIDER_get0_name(provider), "default") != 0;
        return 1;
}

/* An operator who configured another provider (FIPS, say) wants that one to be used. */
static bool take_whole(struct error *err)
{
        size_t foreign = 0;
        OSSL_PROVIDER_do_all(NULL, count_provider, &foreign);
        if (foreign > 0)
                return error_set(err, ERROR_SYSTEM,
                                 "OpenSSL's configuration loads providers of its own");
        lean.whole = OSSL_PROVIDER_load(NULL, "default");
        return lean.whole || error_set(err, ERROR_SYSTEM, "OpenSSL has no default provider");
}

static bool open_context(struct tls_library *library, struct error *err)
{
        if (!take_whole(err))
                return false;
        for (size_t i = 0; i < COUNT_OF(needed); i++)
                if (!take_needed(i, err))
                        return false;
        library->context = OSSL_LIB_CTX_new();
        if (!library->context ||
            OSSL_PROVIDER_add_builtin(library->context, PROVIDER_NAME, provider_init) != 1 ||
            !(library->provider = OSSL_PROVIDER_load(library->context, PROVIDER_NAME)))
                return error_set(err, ERROR_SYSTEM, "OpenSSL does not load our provider");
        return check(library->context, err);
}

struct tls_library *tls_library_open(struct error *err)
{
        must(lean.whole == NULL);
        struct tls_library *library = NEW(struct tls_library);
        bool ok = open_context(library, err);
        ERR_clear_error();
        if (ok)
                return library;
        tls_library_close(library);
        return NULL;
}

void tls_library_close(struct tls_library *library)
{
        if (!library)
                return;
        if (library->provider)
                OSSL_PROVIDER_unload(library->provider);
        OSSL_LIB_CTX_free(library->context);
        if (lean.whole)
                OSSL_PROVIDER_unload(lean.whole);
        lean.whole = NULL;
        free(library);
}

OSSL_LIB_CTX *tls_library_context(const struct tls_library *library)
{
        return library ? library->context : NULL;
}
