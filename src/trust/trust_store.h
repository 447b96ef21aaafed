/* One thread's own copy of a CA set in the form that OpenSSL verifies with: its stores take locks,
 * so workers do not share them. Built from frozen values, off the workers; used by one thread. */
#pragma once

#include <openssl/x509_vfy.h>

#include "trust/ca_set.h"

struct trust_store;

struct trust_store *trust_store_new(struct ca_set *set); /* takes a reference of its own */
/* For the same thread's next generation. Taken and given back by the thread that built it. */
struct trust_store *trust_store_ref(struct trust_store *store);
void trust_store_unref(struct trust_store *store); /* NULL is fine */
struct ca_set *trust_store_set(const struct trust_store *store);
/* For the judge alone. A server that hands this store to an SSL_CTX would let OpenSSL decide. */
X509_STORE *trust_store_x509(const struct trust_store *store);
/* CRLs that speak for other issuers than their own (RFC 5280, 5.2.5). The store finds CRLs by their
 * issuer's name and would never offer these. */
STACK_OF(X509_CRL) * trust_store_indirect_crls(const struct trust_store *store);
