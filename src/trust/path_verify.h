/* Does a path lead from the leaf to an anchor (RFC 5280, 6)? OpenSSL builds and verifies it; what
 * it leaves out stands here and in certificate.h. Internal to trust/: the judge calls it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"
#include "trust/chain.h"
#include "trust/path_cache.h"
#include "trust/policy.h"
#include "trust/trust_store.h"

struct path_request {
        struct trust_store *store;
        const struct chain *chain;
        const struct path_rules *rules;
        int64_t now;
};

struct path_detail {
        char *text;
        size_t size;
};

/* ACCEPTED with *path, or the reason; detail says which certificate and why. */
enum reason path_verify(const struct path_request *request, struct path *path,
                        struct path_detail detail);

/* Which of our reasons an X509_V_ERR_… is. */
enum reason reason_of_openssl(int error);
/* The issuer of `x509` among the store's anchors; for trust_store_new alone. */
int anchor_find(X509 **issuer, X509_STORE_CTX *ctx, X509 *x509);
