#include "trust/trust_store.h"

#include <stdlib.h>

#include <openssl/x509v3.h>

#include "base/memory.h"
#include "base/must.h"
#include "trust/path_verify.h"

struct trust_store {
        unsigned references;
        struct ca_set *set;
        X509_STORE *x509;
        STACK_OF(X509_CRL) * indirect; /* the set's own */
};

static bool is_indirect(const X509_CRL *crl)
{
        ISSUING_DIST_POINT *point =
                X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, NULL, NULL);
        bool indirect = point && point->indirectCRL;
        ISSUING_DIST_POINT_free(point);
        return indirect;
}

struct trust_store *trust_store_new(struct ca_set *set)
{
        struct trust_store *store = NEW(struct trust_store);
        store->references = 1;
        store->set = ca_set_ref(set);
        store->x509 = X509_STORE_new();
        must(store->x509 != NULL);
        for (size_t i = 0; i < ca_set_anchor_count(set); i++)
                must(X509_STORE_add_cert(store->x509, ca_set_anchor(set, i)) == 1);
        store->indirect = sk_X509_CRL_new_null();
        must(store->indirect != NULL);
        for (size_t i = 0; i < ca_set_crl_count(set); i++) {
                X509_CRL *crl = ca_set_crl(set, i);
                must(X509_STORE_add_crl(store->x509, crl) == 1);
                if (is_indirect(crl))
                        must(sk_X509_CRL_push(store->indirect, crl) > 0);
        }
        X509_STORE_set_get_issuer(store->x509, anchor_find);
        return store;
}

struct trust_store *trust_store_ref(struct trust_store *store)
{
        store->references++;
        return store;
}

void trust_store_unref(struct trust_store *store)
{
        if (!store || --store->references > 0)
                return;
        sk_X509_CRL_free(store->indirect);
        X509_STORE_free(store->x509);
        ca_set_unref(store->set);
        free(store);
}

struct ca_set *trust_store_set(const struct trust_store *store)
{
        return store->set;
}

X509_STORE *trust_store_x509(const struct trust_store *store)
{
        return store->x509;
}

STACK_OF(X509_CRL) * trust_store_indirect_crls(const struct trust_store *store)
{
        return store->indirect;
}
