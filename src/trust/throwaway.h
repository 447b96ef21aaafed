/* Certificates with their keys, made to be thrown away: for `demo`, and for the gateway's probe of
 * itself (proxy/handshake/probe.h). Nothing that a client or an operator brings comes from here.
 * One owner each; freed by throwaway_done. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

typedef struct evp_pkey_st EVP_PKEY;
typedef struct x509_st X509;

struct throwaway {
        EVP_PKEY *key;
        X509 *certificate;
};

enum throwaway_use {
        THROWAWAY_CA,
        THROWAWAY_SERVER,
        THROWAWAY_CLIENT
};

struct throwaway_wish {
        enum throwaway_use use;
        const char *name;               /* common name; of a server also its DNS name */
        const struct throwaway *issuer; /* NULL: signs itself */
        EVP_PKEY *key;                  /* NULL: a new P-256 key; shared, not taken */
        bool expired;
        bool always; /* valid, whatever clock it is judged by; else for seven days */
};

bool throwaway_make(const struct throwaway_wish *wish, struct throwaway *identity,
                    struct error *err);
void throwaway_done(struct throwaway *identity);
