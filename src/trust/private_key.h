/* Private keys of DER. OpenSSL 3.0 looks through all decoders that it has for each key, 0.6 ms of
 * it, and through those of one algorithm in 0.2 ms; a reader keeps what it found for the keys that
 * follow, which take 0.05 ms. */
#pragma once

#include <openssl/types.h>

#include "base/error.h"
#include "base/slice.h"

enum {
        TLS_SECURITY_LEVEL = 2 /* of all TLS contexts: at least 112 bits (OpenSSL's scale) */
};

struct key_pair;

/* For one thread at a time. Holds no key but those it was asked about last, until it is freed. */
struct key_reader;

struct key_reader *key_reader_new(void);
void key_reader_free(struct key_reader *reader); /* NULL is fine */

/* PKCS#8, PKCS#1 or SEC 1, not encrypted. The label of the PEM block says which is tried first, and
 * decides nothing else. NULL: it can't be read. The caller's. */
EVP_PKEY *private_key_decode(struct key_reader *reader, struct slice label, struct slice der);

/* Whether libssl takes the pair into a context: a weak key, one for no signature or a weak hash in
 * the chain it does not, and one context that can't be made keeps all others from being served. */
bool key_reader_serves(struct key_reader *reader, const struct key_pair *pair, struct error *err);
