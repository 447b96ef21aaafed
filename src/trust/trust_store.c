#include "trust/trust_store.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/must.h"
#include "trust/path_verify.h"

struct trust_store {
        struct ca_set *set;
        X509_STORE *x509;
};

struct trust_store *trust_store_new(struct ca_set *set)
{
        struct trust_store *store = NEW(struct trust_store);
        store->set = ca_set_ref(set);
        store->x509 = X509_STORE_new();
        must(store->x509 != NULL);
        for (size_t i = 0; i < ca_set_anchor_count(set); i++)
                must(X509_STORE_add_cert(store->x509, ca_set_anchor(set, i)) == 1);
        for (size_t i = 0; i < ca_set_crl_count(set); i++)
                must(X509_STORE_add_crl(store->x509, ca_set_crl(set, i)) == 1);
        X509_STORE_set_get_issuer(store->x509, anchor_find);
        return store;
}

void trust_store_free(struct trust_store *store)
{
        if (!store)
                return;
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
