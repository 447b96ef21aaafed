#include "trust/pinnable.h"

#include <stdio.h>

#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>

#include "base/arena.h"
#include "base/memory.h"
#include "text/pem.h"
#include "text/time.h"
#include "trust/chain.h"
#include "trust/der.h"
#include "trust/hash.h"

static void add_fault(struct pinnable *out, enum reason reason, const char *text)
{
        if (out->fault_count == PINNABLE_FAULTS_MAX)
                return;
        struct pinnable_fault *fault = &out->faults[out->fault_count++];
        fault->reason = reason;
        snprintf(fault->text, sizeof(fault->text), "%s", text);
}

static bool take_key(struct pinnable *out, X509_PUBKEY *key, struct error *err)
{
        char why[RULE_TEXT_SIZE];
        unsigned char *der = NULL;
        int len = i2d_X509_PUBKEY(key, &der);
        if (len <= 0)
                return error_set(err, ERROR_INPUT, "its public key can't be read");
        out->spki = sha256(slice_from(der, (size_t)len));
        OPENSSL_free(der);
        if (!key_floor_check(key, why))
                add_fault(out, REASON_WEAK_KEY, why);
        return true;
}

static void check_time(struct pinnable *out, X509 *x509, int64_t now)
{
        char why[RULE_TEXT_SIZE], time[TIME_SIZE];
        if (!asn1_time_unix(X509_get0_notBefore(x509), &out->not_before) ||
            !asn1_time_unix(X509_get0_notAfter(x509), &out->not_after)) {
                add_fault(out, REASON_MALFORMED, "its validity can't be read");
        } else if (now < out->not_before) {
                snprintf(why, sizeof(why), "valid only from %s", time_print(out->not_before, time));
                add_fault(out, REASON_NOT_YET_VALID, why);
        } else if (now >= out->not_after) {
                snprintf(why, sizeof(why), "since %s", time_print(out->not_after, time));
                add_fault(out, REASON_EXPIRED, why);
        }
}

/* What the judge would only find on the way to a CA. */
static void check_issuer(struct pinnable *out, X509 *x509)
{
        if (X509_NAME_entry_count(X509_get_issuer_name(x509)) == 0)
                add_fault(out, REASON_PATH_INVALID, "the issuer's name is empty");
        if (X509_get_extension_flags(x509) & EXFLAG_SS)
                add_fault(out, REASON_UNTRUSTED, "it signed itself: no CA answers for it");
}

static bool take_certificate(struct pinnable *out, struct slice octets, int64_t now,
                             struct error *err)
{
        struct chain *chain = NULL;
        char why[RULE_TEXT_SIZE];
        if (!chain_parse(octets, SLICE_NONE, &chain, err))
                return false;
        X509 *leaf = chain->leaf;
        out->kind = PINNABLE_CERTIFICATE;
        out->certificate = chain->leaf_digest;
        name_text(X509_get_subject_name(leaf), out->subject, sizeof(out->subject));
        name_text(X509_get_issuer_name(leaf), out->issuer, sizeof(out->issuer));
        serial_text(leaf, out->serial, sizeof(out->serial));
        if (chain->fault != REASON_ACCEPTED)
                add_fault(out, chain->fault, chain->fault_text);
        bool good = take_key(out, X509_get_X509_PUBKEY(leaf), err);
        if (!signature_check(leaf, why))
                add_fault(out, REASON_WEAK_SIGNATURE, why);
        enum reason use = leaf_use_check(leaf, USE_CLIENT_AUTH, why);
        if (use != REASON_ACCEPTED)
                add_fault(out, use, why);
        check_issuer(out, leaf);
        check_time(out, leaf, now);
        chain_free(chain);
        return good;
}

static bool take_request(struct pinnable *out, struct slice der, struct error *err)
{
        const unsigned char *at = (const unsigned char *)der.data;
        X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)der.len);
        bool good = request && at == (const unsigned char *)der.data + der.len;
        if (good) {
                out->kind = PINNABLE_REQUEST;
                name_text(X509_REQ_get_subject_name(request), out->subject, sizeof(out->subject));
                good = take_key(out, X509_REQ_get_X509_PUBKEY(request), err);
        } else {
                error_set(err, ERROR_INPUT, "not a certificate request");
        }
        /* Without this a slip of the pen could pin a key that its owner never had. */
        if (good && X509_REQ_verify(request, X509_REQ_get0_pubkey(request)) != 1)
                good = error_set(err, ERROR_INPUT,
                                 "the request's own signature is wrong: its key is not proven");
        X509_REQ_free(request);
        return good;
}

static bool take_public_key(struct pinnable *out, struct slice der, struct error *err)
{
        const unsigned char *at = (const unsigned char *)der.data;
        X509_PUBKEY *key = d2i_X509_PUBKEY(NULL, &at, (long)der.len);
        bool good = key && at == (const unsigned char *)der.data + der.len;
        if (!good)
                error_set(err, ERROR_INPUT, "not a public key");
        else if (!der_check(der))
                good = error_set(err, ERROR_INPUT, "the public key is not DER");
        out->kind = PINNABLE_PUBLIC_KEY;
        good = good && take_key(out, key, err);
        X509_PUBKEY_free(key);
        return good;
}

static bool take_opened_pkcs12(struct pinnable *out, PKCS12 *p12, int64_t now, struct error *err)
{
        EVP_PKEY *key = NULL;
        X509 *x509 = NULL;
        STACK_OF(X509) *others = NULL;
        unsigned char *der = NULL;
        /* NULL stands for no password, and OpenSSL then tries the empty one as well. */
        if (!PKCS12_parse(p12, NULL, &key, &x509, &others))
                return error_set(err, ERROR_INPUT,
                                 "PKCS#12 with a password: take the certificate out with `openssl "
                                 "pkcs12 -nokeys -clcerts -in FILE`");
        EVP_PKEY_free(key);
        if (!x509 && others)
                x509 = sk_X509_shift(others);
        int len = x509 ? i2d_X509(x509, &der) : 0;
        bool good = len > 0 ? take_certificate(out, slice_from(der, (size_t)len), now, err)
                            : error_set(err, ERROR_INPUT, "PKCS#12 that holds no certificate");
        out->others = others ? (size_t)sk_X509_num(others) : 0;
        OPENSSL_free(der);
        X509_free(x509);
        sk_X509_pop_free(others, X509_free);
        return good;
}

static bool take_pkcs12(struct pinnable *out, struct slice der, int64_t now, struct error *err)
{
        const unsigned char *at = (const unsigned char *)der.data;
        PKCS12 *p12 = d2i_PKCS12(NULL, &at, (long)der.len);
        if (!p12)
                return error_set(err, ERROR_INPUT,
                                 "neither a certificate, nor a request, nor a public key, nor "
                                 "PKCS#12");
        out->form = "PKCS#12";
        bool good = take_opened_pkcs12(out, p12, now, err);
        PKCS12_free(p12);
        return good;
}

/* The four forms differ in what their first element is, so at most one of them can be read. */
static bool parse_der(struct pinnable *out, struct slice der, int64_t now, struct error *err)
{
        if (take_certificate(out, der, now, err))
                return true;
        *out = (struct pinnable){.form = out->form};
        const unsigned char *at = (const unsigned char *)der.data;
        X509_REQ *request = d2i_X509_REQ(NULL, &at, (long)der.len);
        X509_REQ_free(request);
        if (request)
                return take_request(out, der, err);
        at = (const unsigned char *)der.data;
        X509_PUBKEY *key = d2i_X509_PUBKEY(NULL, &at, (long)der.len);
        X509_PUBKEY_free(key);
        if (key)
                return take_public_key(out, der, err);
        return take_pkcs12(out, der, now, err);
}

static bool is_certificate(const struct pem_block *block)
{
        return slice_is(block->label, "CERTIFICATE") || slice_is(block->label, "X509 CERTIFICATE");
}

/* False: the block is none that can be pinned; *good says whether one that is could be read. */
static bool take_block(struct pinnable *out, const struct pem_block *block, int64_t now, bool *good,
                       struct error *err)
{
        if (is_certificate(block))
                *good = take_certificate(out, block->der, now, err);
        else if (slice_is(block->label, "CERTIFICATE REQUEST") ||
                 slice_is(block->label, "NEW CERTIFICATE REQUEST"))
                *good = take_request(out, block->der, err);
        else if (slice_is(block->label, "PUBLIC KEY"))
                *good = take_public_key(out, block->der, err);
        else
                return false;
        if (!*good)
                error_wrap(err, "PEM block %zu", block->ordinal);
        return true;
}

static bool say_what_it_was(struct slice label, struct error *err)
{
        if (label.len == 0)
                return error_set(err, ERROR_INPUT, "no PEM block in it");
        if (slice_ends_with(label, SLICE("PRIVATE KEY")))
                return error_set(err, ERROR_INPUT,
                                 "only a private key: give its certificate, or `openssl pkey "
                                 "-pubout -in FILE | pingate pin -`");
        if (slice_is(label, "RSA PUBLIC KEY"))
                return error_set(err, ERROR_INPUT,
                                 "RSA PUBLIC KEY (PKCS#1): convert it with `openssl rsa "
                                 "-RSAPublicKey_in -pubout -in FILE`");
        if (slice_is(label, "PKCS7"))
                return error_set(err, ERROR_INPUT,
                                 "PKCS7: take the certificates out with `openssl pkcs7 "
                                 "-print_certs -in FILE`");
        return error_set(err, ERROR_INPUT, "%.*s can't be pinned", SLICE_ARG(label));
}

static bool parse_pem(struct pinnable *out, struct slice text, int64_t now, struct error *err)
{
        struct arena arena;
        struct pem_reader reader;
        struct pem_block block;
        struct slice last = SLICE_NONE;
        enum pem_step step;
        bool found = false, good = true;
        arena_init(&arena, 8192);
        pem_reader_init(&reader, text, PEM_SKIP_KEYS);
        while (good && (step = pem_next(&reader, &arena, &block, err)) != PEM_END) {
                if (step == PEM_BROKEN)
                        good = false;
                else if (found)
                        out->others += is_certificate(&block);
                else
                        found = take_block(out, &block, now, &good, err);
                last = block.label;
        }
        if (good && !found)
                good = say_what_it_was(last, err);
        arena_done(&arena);
        return good;
}

static bool has_pem(struct slice text)
{
        for (struct slice line; slice_split(&text, '\n', &line);)
                if (slice_starts_with(line, SLICE("-----BEGIN ")))
                        return true;
        return false;
}

bool pinnable_parse(struct slice bytes, int64_t now, struct pinnable *out, struct error *err)
{
        struct pinnable made = {.form = has_pem(bytes) ? "PEM" : "DER"};
        ERR_set_mark();
        bool good = has_pem(bytes) ? parse_pem(&made, bytes, now, err)
                    : (bytes.len > 0 && bytes.data[0] == 0x30)
                            ? parse_der(&made, bytes, now, err)
                            : error_set(err, ERROR_INPUT, "neither PEM nor DER");
        ERR_pop_to_mark();
        if (good)
                *out = made;
        return good;
}

const char *pinnable_kind_name(enum pinnable_kind kind)
{
        static const char *const names[] = {[PINNABLE_CERTIFICATE] = "certificate",
                                            [PINNABLE_REQUEST] = "certificate request",
                                            [PINNABLE_PUBLIC_KEY] = "public key"};
        return names[kind];
}
