/* A server's own certificate chain and private key, read from PEM, checked to belong together and
 * frozen in OpenSSL's form. To decode one is dear, so it is done once: all generations and TLS
 * contexts that serve it share it. Nothing is judged about the certificate's names or time: the
 * peer does that. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/x509.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/slice.h"

enum {
        KEY_PAIR_CHAIN_MAX = 10
};

struct key_pair {
        atomic_uint references;
        X509 *leaf;
        STACK_OF(X509) * above; /* the rest of the chain, in its order */
        EVP_PKEY *key;          /* OpenSSL wipes it with the last reference (I43) */
        struct digest digest;   /* of chain and key, as DER */
        int64_t not_after;      /* of the leaf, Unix seconds */
        struct slice *names;    /* DNS names of the leaf, in lower case */
        size_t name_count;
        struct arena arena; /* of the names */
};

struct key_reader; /* private_key.h */

/* With one reference. Keys may be PKCS#8, PKCS#1 or SEC 1, not encrypted; where there are many,
 * they are read by one reader (NULL: by one of its own). NULL: err names the part ("tls.key: …")
 * and never shows any of the key. */
struct key_pair *key_pair_parse(struct slice certificate_pem, struct slice key_pem,
                                struct key_reader *reader, struct error *err);
/* The same of a leaf and key that are known to belong together, with references of its own and
 * without names. The digest is the leaf's: nobody else has a key for it. */
struct key_pair *key_pair_new(X509 *leaf, EVP_PKEY *key);
struct key_pair *key_pair_ref(struct key_pair *pair);
void key_pair_unref(struct key_pair *pair); /* NULL is fine */

/* Exactly one X.509 certificate in DER, with nothing behind it. */
bool certificate_der_check(struct slice der);
