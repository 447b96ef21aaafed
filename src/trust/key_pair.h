/* A server's own certificate chain and private key, read from PEM and checked to belong together.
 * Nothing is judged about the certificate's names or time: the peer does that. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/secret.h"
#include "base/slice.h"

enum {
        KEY_PAIR_CHAIN_MAX = 10
};

struct key_pair {
        struct slice *chain; /* DER, leaf first; in the caller's arena */
        size_t chain_count;
        struct secret key;    /* PKCS#8 DER; the caller's to wipe */
        struct digest digest; /* of chain and key */
        int64_t not_after;    /* of the leaf, Unix seconds */
        struct slice *names;  /* DNS names of the leaf, in lower case; in the caller's arena */
        size_t name_count;
};

/* Keys may be PKCS#8, PKCS#1 or SEC 1, not encrypted. Errors name the part ("tls.key: …") and never
 * show any of the key. */
bool key_pair_parse(struct slice certificate_pem, struct slice key_pem, struct arena *arena,
                    struct key_pair *out, struct error *err);

/* Exactly one X.509 certificate in DER, with nothing behind it. */
bool certificate_der_check(struct slice der);
