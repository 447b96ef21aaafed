#include "trust/chain.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>

#include "base/memory.h"
#include "base/must.h"
#include "text/pem.h"
#include "trust/der.h"
#include "trust/hash.h"

static void set_fault(struct chain *chain, enum reason fault, const char *text)
{
        if (chain->fault != REASON_ACCEPTED)
                return;
        chain->fault = fault;
        snprintf(chain->fault_text, sizeof(chain->fault_text), "%s", text);
}

static struct slice der_of(X509 *x509)
{
        unsigned char *der = NULL;
        int len = i2d_X509(x509, &der);
        must(len > 0);
        return slice_from(der, (size_t)len);
}

static void der_free(struct slice der)
{
        OPENSSL_free((void *)(uintptr_t)der.data);
}

/* The leaf's digests, and whether they are over what the client sent. */
static size_t take_leaf(struct chain *chain, struct slice octets)
{
        struct slice der = der_of(chain->leaf);
        chain->leaf_digest = sha256(der);
        if (!der_check(der) || (octets.len > 0 && !slice_equal(octets, der)))
                set_fault(chain, REASON_MALFORMED, "the certificate is not DER");
        der_free(der);
        unsigned char *spki = NULL;
        int spki_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(chain->leaf), &spki);
        must(spki_len > 0);
        chain->spki_digest = sha256(slice_from(spki, (size_t)spki_len));
        OPENSSL_free(spki);
        return der.len;
}

static size_t take_others(struct chain *chain)
{
        struct hasher hasher;
        size_t bytes = 0;
        hasher_init(&hasher, "presented 1");
        for (int i = 0; i < sk_X509_num(chain->others); i++) {
                struct slice der = der_of(sk_X509_value(chain->others, i));
                hasher_bytes(&hasher, der);
                bytes += der.len + 3;
                der_free(der);
        }
        chain->others_digest = hasher_done(&hasher);
        return bytes;
}

struct chain *chain_new(X509 *leaf, STACK_OF(X509) * others, struct slice leaf_octets,
                        size_t message_bytes)
{
        must(leaf != NULL);
        struct chain *chain = NEW(struct chain);
        X509_up_ref(leaf);
        chain->leaf = leaf;
        int above = others ? sk_X509_num(others) : 0;
        chain->others = above > 0 ? X509_chain_up_ref(others) : NULL;
        chain->certificate_count = 1 + (size_t)above;
        /* Too many are not even hashed. */
        bool counted = chain->certificate_count <= CHAIN_CERTIFICATES_MAX &&
                       message_bytes <= CHAIN_BYTES_MAX;
        if (!counted)
                set_fault(chain, REASON_TOO_LARGE, "more than 10 certificates or 32 KiB");
        size_t bytes = take_leaf(chain, leaf_octets) + 3;
        if (counted && chain->others)
                bytes += take_others(chain);
        chain->message_bytes = message_bytes > bytes ? message_bytes : bytes;
        if (chain->message_bytes > CHAIN_BYTES_MAX)
                set_fault(chain, REASON_TOO_LARGE, "more than 32 KiB of certificates");
        return chain;
}

struct chain *chain_of_store_ctx(X509_STORE_CTX *ctx, size_t message_bytes)
{
        X509 *leaf = X509_STORE_CTX_get0_cert(ctx);
        if (!leaf)
                return NULL;
        /* libssl hands over the leaf again as the first of the untrusted ones. */
        STACK_OF(X509) *presented = X509_STORE_CTX_get0_untrusted(ctx);
        if (!presented || sk_X509_num(presented) == 0 || sk_X509_value(presented, 0) != leaf)
                return chain_new(leaf, presented, SLICE_NONE, message_bytes);
        if (sk_X509_num(presented) == 1)
                return chain_new(leaf, NULL, SLICE_NONE, message_bytes);
        STACK_OF(X509) *others = sk_X509_dup(presented);
        must(others != NULL);
        sk_X509_shift(others);
        struct chain *chain = chain_new(leaf, others, SLICE_NONE, message_bytes);
        sk_X509_free(others);
        return chain;
}

void chain_free(struct chain *chain)
{
        if (!chain)
                return;
        X509_free(chain->leaf);
        sk_X509_pop_free(chain->others, X509_free);
        free(chain);
}

/* Parsed certificates of a file, and the octets of the first. */
struct parsed {
        STACK_OF(X509) * certificates;
        struct slice first;
        struct arena arena;
};

static void parsed_done(struct parsed *parsed)
{
        sk_X509_pop_free(parsed->certificates, X509_free);
        arena_done(&parsed->arena);
}

static bool parse_der(struct parsed *parsed, struct slice der, struct error *err)
{
        const unsigned char *at = (const unsigned char *)der.data;
        ERR_set_mark();
        X509 *x509 = d2i_X509(NULL, &at, (long)der.len);
        ERR_pop_to_mark();
        bool whole = x509 && at == (const unsigned char *)der.data + der.len;
        if (!whole || !X509_get0_pubkey(x509)) {
                X509_free(x509);
                return error_set(err, ERROR_INPUT,
                                 whole  ? "its public key can't be read"
                                 : x509 ? "bytes behind the certificate"
                                        : "not a certificate");
        }
        if (sk_X509_num(parsed->certificates) == 0)
                parsed->first = der;
        must(sk_X509_push(parsed->certificates, x509) > 0);
        return true;
}

static bool parse_pem(struct parsed *parsed, struct slice text, struct error *err)
{
        struct pem_reader reader;
        struct pem_block block;
        enum pem_step step;
        pem_reader_init(&reader, text, PEM_SKIP_KEYS);
        while ((step = pem_next(&reader, &parsed->arena, &block, err)) == PEM_BLOCK) {
                if (slice_is(block.label, "TRUSTED CERTIFICATE"))
                        return error_set(err, ERROR_INPUT,
                                         "PEM block %zu is a TRUSTED CERTIFICATE: OpenSSL's own "
                                         "trust settings are not supported",
                                         block.ordinal);
                if (!slice_is(block.label, "CERTIFICATE") &&
                    !slice_is(block.label, "X509 CERTIFICATE"))
                        continue;
                if (!parse_der(parsed, block.der, err))
                        return error_wrap(err, "PEM block %zu", block.ordinal);
        }
        return step == PEM_END;
}

static bool parse_any(struct parsed *parsed, struct slice bytes, struct error *err)
{
        if (bytes.len > 0 && bytes.data[0] == 0x30)
                return parse_der(parsed, bytes, err);
        return parse_pem(parsed, bytes, err);
}

bool chain_parse(struct slice certificate, struct slice untrusted, struct chain **out,
                 struct error *err)
{
        CLEANUP(parsed_done) struct parsed parsed = {.certificates = sk_X509_new_null()};
        arena_init(&parsed.arena, 8192);
        if (!parse_any(&parsed, certificate, err))
                return error_wrap(err, "certificate");
        if (sk_X509_num(parsed.certificates) == 0)
                return error_set(err, ERROR_INPUT, "certificate: none in it");
        if (!parse_any(&parsed, untrusted, err))
                return error_wrap(err, "untrusted");
        X509 *leaf = sk_X509_shift(parsed.certificates);
        *out = chain_new(leaf, parsed.certificates, parsed.first, 0);
        X509_free(leaf);
        return true;
}
