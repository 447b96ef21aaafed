#include "trust/ca_set.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/must.h"
#include "base/vec.h"
#include "text/pem.h"
#include "trust/certificate.h"
#include "trust/hash.h"

struct anchor {
        struct digest digest;
        X509 *x509;
};

struct crl {
        struct digest digest;
        X509_CRL *crl;
};

struct ca_set {
        atomic_uint references;
        VEC(struct anchor) anchors; /* sorted by digest */
        VEC(struct crl) crls;       /* likewise */
        struct digest digest, crl_digest;
};

struct ca_set_builder {
        enum ca_floor floor;
        struct ca_set *set;
};

struct ca_set_builder *ca_set_builder_new(enum ca_floor floor)
{
        struct ca_set_builder *builder = NEW(struct ca_set_builder);
        builder->floor = floor;
        builder->set = NEW(struct ca_set);
        atomic_init(&builder->set->references, 1);
        return builder;
}

void ca_set_builder_free(struct ca_set_builder *builder)
{
        if (!builder)
                return;
        ca_set_unref(builder->set);
        free(builder);
}

static bool error_named(struct error *err, const X509_NAME *name, const char *what, size_t ordinal)
{
        char text[256];
        return error_wrap(err, "%s %zu (%s)", what, ordinal, name_text(name, text, sizeof(text)));
}

static bool check_anchor(enum ca_floor floor, X509 *x509, struct error *err)
{
        char why[RULE_TEXT_SIZE];
        /* Parses the extensions now, so that no worker writes to the certificate later. */
        X509_check_purpose(x509, -1, 0);
        if (!X509_get0_pubkey(x509))
                return error_set(err, ERROR_INPUT, "its public key can't be read");
        if (floor == CA_FLOOR_CHAIN)
                return true;
        if (!anchor_check(x509, why) || !key_floor_check(X509_get_X509_PUBKEY(x509), why))
                return error_set(err, ERROR_INPUT, "%s", why);
        return true;
}

static bool add_anchor(struct ca_set_builder *builder, const struct pem_block *block,
                       struct error *err)
{
        struct ca_set *set = builder->set;
        const unsigned char *at = (const unsigned char *)block->der.data;
        ERR_set_mark();
        X509 *x509 = d2i_X509(NULL, &at, (long)block->der.len);
        ERR_pop_to_mark();
        if (!x509 || at != (const unsigned char *)block->der.data + block->der.len) {
                X509_free(x509);
                return error_set(err, ERROR_INPUT, "certificate %zu: not a DER certificate",
                                 block->ordinal);
        }
        if (set->anchors.count >= CA_ANCHORS_MAX || !check_anchor(builder->floor, x509, err)) {
                if (set->anchors.count >= CA_ANCHORS_MAX)
                        error_set(err, ERROR_LIMIT, "more than %d CA certificates", CA_ANCHORS_MAX);
                error_named(err, X509_get_subject_name(x509), "certificate", block->ordinal);
                X509_free(x509);
                return false;
        }
        struct anchor anchor = {.digest = certificate_digest(x509), .x509 = x509};
        vec_push(&set->anchors, anchor);
        return true;
}

/* Signed by the CA of that name in this reference; a CRL of another issuer (an intermediate, an
 * indirect CRL) is verified with each path that needs it. */
static bool check_crl(const struct ca_set *set, size_t first_anchor, X509_CRL *crl,
                      struct error *err)
{
        bool named = false, verified = false;
        ERR_set_mark();
        for (size_t i = first_anchor; i < set->anchors.count && !verified; i++) {
                X509 *x509 = set->anchors.items[i].x509;
                if (X509_NAME_cmp(X509_get_subject_name(x509), X509_CRL_get_issuer(crl)) != 0)
                        continue;
                named = true;
                verified = X509_CRL_verify(crl, X509_get0_pubkey(x509)) > 0;
        }
        ERR_pop_to_mark();
        if (named && !verified)
                return error_set(err, ERROR_INPUT, "not signed by the CA of that name");
        return true;
}

static bool add_crl(struct ca_set_builder *builder, size_t first_anchor,
                    const struct pem_block *block, struct error *err)
{
        struct ca_set *set = builder->set;
        const unsigned char *at = (const unsigned char *)block->der.data;
        ERR_set_mark();
        X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)block->der.len);
        ERR_pop_to_mark();
        if (!crl || at != (const unsigned char *)block->der.data + block->der.len) {
                X509_CRL_free(crl);
                return error_set(err, ERROR_INPUT, "CRL %zu: not a DER CRL", block->ordinal);
        }
        bool good = set->crls.count < CA_CRLS_MAX ||
                    error_set(err, ERROR_LIMIT, "more than %d CRLs", CA_CRLS_MAX);
        if (good && builder->floor == CA_FLOOR_FULL)
                good = check_crl(set, first_anchor, crl, err);
        if (!good) {
                error_named(err, X509_CRL_get_issuer(crl), "CRL", block->ordinal);
                X509_CRL_free(crl);
                return false;
        }
        /* A look-up sorts the list, once, before threads share it. */
        X509_REVOKED *unused;
        ASN1_INTEGER *zero = ASN1_INTEGER_new();
        must(zero != NULL);
        X509_CRL_get0_by_serial(crl, &unused, zero);
        ASN1_INTEGER_free(zero);
        struct crl entry = {.digest = sha256(block->der), .crl = crl};
        vec_push(&set->crls, entry);
        return true;
}

static bool add_anchors(struct ca_set_builder *builder, struct slice pem, struct arena *arena,
                        struct error *err)
{
        size_t before = builder->set->anchors.count;
        struct pem_reader reader;
        struct pem_block block;
        enum pem_step step;
        pem_reader_init(&reader, pem, PEM_SKIP_KEYS);
        while ((step = pem_next(&reader, arena, &block, err)) == PEM_BLOCK) {
                if (!slice_is(block.label, "CERTIFICATE") &&
                    !slice_is(block.label, "X509 CERTIFICATE"))
                        return error_set(err, ERROR_INPUT,
                                         "PEM block %zu is a %.*s, wants a CERTIFICATE",
                                         block.ordinal, SLICE_ARG(block.label));
                if (!add_anchor(builder, &block, err))
                        return false;
        }
        if (step == PEM_END && builder->set->anchors.count == before)
                return error_set(err, ERROR_INPUT, "no certificate in it");
        return step == PEM_END;
}

static bool add_crls(struct ca_set_builder *builder, size_t first_anchor, struct slice pem,
                     struct arena *arena, struct error *err)
{
        size_t before = builder->set->crls.count;
        struct pem_reader reader;
        struct pem_block block;
        enum pem_step step;
        pem_reader_init(&reader, pem, PEM_SKIP_KEYS);
        while ((step = pem_next(&reader, arena, &block, err)) == PEM_BLOCK) {
                if (!slice_is(block.label, "X509 CRL") && !slice_is(block.label, "CRL"))
                        return error_set(err, ERROR_INPUT,
                                         "PEM block %zu is a %.*s, wants an X509 CRL",
                                         block.ordinal, SLICE_ARG(block.label));
                if (!add_crl(builder, first_anchor, &block, err))
                        return false;
        }
        if (step == PEM_END && builder->set->crls.count == before)
                return error_set(err, ERROR_INPUT, "no CRL in it");
        return step == PEM_END;
}

/* Forgets what came in after the given counts. */
static void cut_back(struct ca_set *set, size_t anchors, size_t crls)
{
        while (set->anchors.count > anchors)
                X509_free(set->anchors.items[--set->anchors.count].x509);
        while (set->crls.count > crls)
                X509_CRL_free(set->crls.items[--set->crls.count].crl);
}

bool ca_set_builder_add(struct ca_set_builder *builder, struct slice ca_pem,
                        const struct slice *crl_pem, struct error *err)
{
        struct ca_set *set = builder->set;
        size_t anchors = set->anchors.count, crls = set->crls.count;
        struct arena arena;
        arena_init(&arena, 16384);
        bool good = add_anchors(builder, ca_pem, &arena, err) || error_wrap(err, "CA certificates");
        if (good && crl_pem)
                good = add_crls(builder, anchors, *crl_pem, &arena, err) || error_wrap(err, "CRLs");
        if (!good)
                cut_back(set, anchors, crls);
        arena_done(&arena);
        return good;
}

static int compare_anchors(const void *a, const void *b)
{
        return digest_compare(&((const struct anchor *)a)->digest,
                              &((const struct anchor *)b)->digest);
}

static int compare_crls(const void *a, const void *b)
{
        return digest_compare(&((const struct crl *)a)->digest, &((const struct crl *)b)->digest);
}

static void drop_duplicates(struct ca_set *set)
{
        size_t kept = 0;
        for (size_t i = 0; i < set->anchors.count; i++) {
                struct anchor anchor = set->anchors.items[i];
                if (kept > 0 && digest_equal(&set->anchors.items[kept - 1].digest, &anchor.digest))
                        X509_free(anchor.x509);
                else
                        set->anchors.items[kept++] = anchor;
        }
        set->anchors.count = kept;
        kept = 0;
        for (size_t i = 0; i < set->crls.count; i++) {
                struct crl crl = set->crls.items[i];
                if (kept > 0 && digest_equal(&set->crls.items[kept - 1].digest, &crl.digest))
                        X509_CRL_free(crl.crl);
                else
                        set->crls.items[kept++] = crl;
        }
        set->crls.count = kept;
}

struct ca_set *ca_set_build(struct ca_set_builder *builder)
{
        struct ca_set *set = builder->set;
        free(builder);
        if (set->anchors.count == 0) {
                ca_set_unref(set);
                return NULL;
        }
        qsort(set->anchors.items, set->anchors.count, sizeof(struct anchor), compare_anchors);
        if (set->crls.count > 0)
                qsort(set->crls.items, set->crls.count, sizeof(struct crl), compare_crls);
        drop_duplicates(set);
        struct hasher hasher;
        hasher_init(&hasher, "ca_set 1");
        vec_each (anchor, &set->anchors)
                hasher_digest(&hasher, &anchor->digest);
        set->digest = hasher_done(&hasher);
        if (set->crls.count == 0)
                return set;
        hasher_init(&hasher, "crls 1");
        vec_each (crl, &set->crls)
                hasher_digest(&hasher, &crl->digest);
        set->crl_digest = hasher_done(&hasher);
        return set;
}

struct ca_set *ca_set_ref(struct ca_set *set)
{
        atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
        return set;
}

void ca_set_unref(struct ca_set *set)
{
        if (!set || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1)
                return;
        cut_back(set, 0, 0);
        vec_done(&set->anchors);
        vec_done(&set->crls);
        free(set);
}

size_t ca_set_anchor_count(const struct ca_set *set)
{
        return set->anchors.count;
}

X509 *ca_set_anchor(const struct ca_set *set, size_t index)
{
        must(index < set->anchors.count);
        return set->anchors.items[index].x509;
}

const struct digest *ca_set_anchor_digest(const struct ca_set *set, size_t index)
{
        must(index < set->anchors.count);
        return &set->anchors.items[index].digest;
}

bool ca_set_has_anchor(const struct ca_set *set, const struct digest *certificate)
{
        struct anchor wanted = {.digest = *certificate};
        return bsearch(&wanted, set->anchors.items, set->anchors.count, sizeof(struct anchor),
                       compare_anchors) != NULL;
}

size_t ca_set_crl_count(const struct ca_set *set)
{
        return set->crls.count;
}

X509_CRL *ca_set_crl(const struct ca_set *set, size_t index)
{
        must(index < set->crls.count);
        return set->crls.items[index].crl;
}

static int64_t unix_or_never(const ASN1_TIME *time)
{
        int64_t unix_s;
        return time && asn1_time_unix(time, &unix_s) ? unix_s : INT64_MAX;
}

int64_t ca_set_anchor_not_after(const struct ca_set *set, size_t index)
{
        return unix_or_never(X509_get0_notAfter(ca_set_anchor(set, index)));
}

int64_t ca_set_crl_next_update(const struct ca_set *set, size_t index)
{
        return unix_or_never(X509_CRL_get0_nextUpdate(ca_set_crl(set, index)));
}

const struct digest *ca_set_digest(const struct ca_set *set)
{
        return &set->digest;
}

const struct digest *ca_set_crl_digest(const struct ca_set *set)
{
        return &set->crl_digest;
}
