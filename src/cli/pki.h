/* Keys and certificates on the client's side of the door: made for `demo`, checked for `secret`.
 * Nothing here is used by the gateway. One owner each; freed by their done functions. */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"

typedef struct evp_pkey_st EVP_PKEY;
typedef struct x509_st X509;

struct pki_identity {
        EVP_PKEY *key;
        X509 *certificate;
};

enum pki_use {
        PKI_CA,
        PKI_SERVER,
        PKI_CLIENT
};

struct pki_wish {
        enum pki_use use;
        const char *name;                  /* common name; of a server also its DNS name */
        const struct pki_identity *issuer; /* NULL: signs itself */
        EVP_PKEY *key;                     /* NULL: a new P-256 key; shared, not taken */
        bool expired;
};

bool pki_make(const struct pki_wish *wish, struct pki_identity *identity, struct error *err);
void pki_done(struct pki_identity *identity);

bool pki_print_certificate(const struct pki_identity *identity, struct buffer *pem);
bool pki_print_key(const struct pki_identity *identity, struct buffer *pem);
/* Base64 of SHA-256 of the DER SubjectPublicKeyInfo. */
bool pki_print_spki(const struct pki_identity *identity, struct buffer *out);

/* The first certificate of `certificates` holds the public half of the one key in `key`; every PEM
 * block is what its file claims. Errors say which of the two is wrong. */
bool pki_check_pair(struct slice certificates, struct slice key, struct error *err);
