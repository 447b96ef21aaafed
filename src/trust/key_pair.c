#include "trust/key_pair.h"

#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/memory.h"
#include "base/must.h"
#include "text/pem.h"
#include "trust/certificate.h"
#include "trust/hash.h"
#include "trust/private_key.h"

static void x509_cleanup(X509 **certificate)
{
        X509_free(*certificate);
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

static struct key_pair *pair_new(void)
{
        struct key_pair *pair = NEW(struct key_pair);
        atomic_init(&pair->references, 1);
        arena_init(&pair->arena, 256);
        pair->above = sk_X509_new_null();
        must(pair->above != NULL);
        return pair;
}

struct key_pair *key_pair_ref(struct key_pair *pair)
{
        atomic_fetch_add_explicit(&pair->references, 1, memory_order_relaxed);
        return pair;
}

void key_pair_unref(struct key_pair *pair)
{
        if (!pair || atomic_fetch_sub_explicit(&pair->references, 1, memory_order_acq_rel) > 1)
                return;
        X509_free(pair->leaf);
        sk_X509_pop_free(pair->above, X509_free);
        EVP_PKEY_free(pair->key);
        arena_done(&pair->arena);
        free(pair);
}

/* Behind the `count` that are there. */
static bool certificate_add(struct key_pair *pair, const struct pem_block *block, size_t count,
                            struct error *err)
{
        X509 *certificate = NULL;
        if (!der_parse(block->der, &certificate))
                return error_set(err, ERROR_INPUT, "block %zu is no X.509 certificate",
                                 block->ordinal);
        if (count == KEY_PAIR_CHAIN_MAX) {
                X509_free(certificate);
                return error_set(err, ERROR_LIMIT, "has more than %d certificates",
                                 KEY_PAIR_CHAIN_MAX);
        }
        if (pair->leaf)
                must(sk_X509_push(pair->above, certificate) > 0);
        else
                pair->leaf = certificate;
        return true;
}

static bool chain_read(struct slice pem, struct arena *arena, struct key_pair *pair,
                       struct hasher *hasher, struct error *err)
{
        struct pem_reader reader;
        struct pem_block block;
        enum pem_step step;
        struct slice ders[KEY_PAIR_CHAIN_MAX];
        size_t count = 0;
        pem_reader_init(&reader, pem, PEM_SKIP_KEYS);
        while ((step = pem_next(&reader, arena, &block, err)) == PEM_BLOCK) {
                if (!slice_is(block.label, "CERTIFICATE"))
                        continue;
                if (!certificate_add(pair, &block, count, err))
                        return false;
                ders[count++] = block.der;
        }
        if (step == PEM_BROKEN)
                return false;
        hasher_number(hasher, (int64_t)count);
        for (size_t i = 0; i < count; i++)
                hasher_bytes(hasher, ders[i]);
        return count > 0 || error_set(err, ERROR_INPUT, "has no PEM block CERTIFICATE");
}

static EVP_PKEY *key_read(struct slice pem, struct key_reader *decoder, struct hasher *hasher,
                          struct error *err)
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
                    !slice_is(block.label, "ENCRYPTED PRIVATE KEY")) {
                        key = private_key_decode(decoder, block.label, block.der);
                        hasher_bytes(hasher, block.der);
                }
        }
        arena_wipe(&arena);
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
static void names_read(struct key_pair *out)
{
        struct arena *arena = &out->arena;
        GENERAL_NAMES *names = X509_get_ext_d2i(out->leaf, NID_subject_alt_name, NULL, NULL);
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

static bool chain_take(struct key_pair *pair, struct slice pem, struct hasher *hasher,
                       struct error *err)
{
        struct arena ders;
        arena_init(&ders, 4096);
        bool ok = chain_read(pem, &ders, pair, hasher, err);
        arena_done(&ders);
        return ok || error_wrap(err, "tls.crt");
}

static bool key_take(struct key_pair *pair, struct slice pem, struct key_reader *reader,
                     struct hasher *hasher, struct error *err)
{
        if (!(pair->key = key_read(pem, reader, hasher, err)))
                return error_wrap(err, "tls.key");
        bool belongs = X509_check_private_key(pair->leaf, pair->key) == 1;
        ERR_clear_error();
        if (!belongs)
                return error_set(err, ERROR_INPUT,
                                 "tls.key is not the key of the first certificate in tls.crt");
        return key_reader_serves(reader, pair, err) || error_wrap(err, "tls.crt");
}

struct key_pair *key_pair_parse(struct slice certificate_pem, struct slice key_pem,
                                struct key_reader *reader, struct error *err)
{
        struct key_pair *pair = pair_new();
        struct key_reader *own = reader ? NULL : key_reader_new();
        struct hasher hasher;
        hasher_init(&hasher, "key_pair 1");
        bool ok = chain_take(pair, certificate_pem, &hasher, err) &&
                  key_take(pair, key_pem, reader ? reader : own, &hasher, err);
        pair->digest = hasher_done(&hasher);
        key_reader_free(own);
        if (!ok) {
                key_pair_unref(pair);
                return NULL;
        }
        pair->not_after = unix_of(X509_get0_notAfter(pair->leaf));
        names_read(pair);
        return pair;
}

struct key_pair *key_pair_new(X509 *leaf, EVP_PKEY *key)
{
        struct key_pair *pair = pair_new();
        must(X509_up_ref(leaf) == 1 && EVP_PKEY_up_ref(key) == 1);
        pair->leaf = leaf;
        pair->key = key;
        pair->digest = certificate_digest(leaf);
        pair->not_after = unix_of(X509_get0_notAfter(leaf));
        return pair;
}
