/* What a client presented: its certificate and the ones that it sent along, in the order sent.
 * Nothing in it is verified: pins look at the leaf, and only after the path verified (I2). One
 * owner, usually a connection, which keeps it to be judged again. Immutable once made.
 *
 * Digests are over the octets as received. libssl drops those after parsing, and its re-encoding
 * keeps only the signed part as it was; hence a leaf must be DER, where both are the same, and a
 * leaf that is not is malformed (chain->fault). */
#pragma once

#include <stddef.h>

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/slice.h"
#include "trust/policy.h"

struct chain {
        X509 *leaf;
        STACK_OF(X509) * others; /* what came behind the leaf; NULL: nothing */
        size_t certificate_count;
        size_t message_bytes; /* of the Certificate message; a lower bound where it is not known */
        struct digest leaf_digest, spki_digest;
        struct digest others_digest; /* of all others, in order */
        enum reason fault; /* TOO_LARGE or MALFORMED: no path can mend it; else ACCEPTED */
        char fault_text[96];
};

/* All pointers are the caller's; the chain takes references of its own.
 * leaf_octets: as received, where the caller has them; then they must equal the DER encoding.
 * message_bytes: 0 when not known. */
struct chain *chain_new(X509 *leaf, STACK_OF(X509) * others, struct slice leaf_octets,
                        size_t message_bytes);
/* For a server's verify hook (SSL_CTX_set_cert_verify_callback). NULL without a certificate. */
struct chain *chain_of_store_ctx(X509_STORE_CTX *ctx, size_t message_bytes);
/* From files: a PEM or DER certificate, and PEM certificates behind it (may be empty). Further
 * certificates in `certificate` count as sent along. */
bool chain_parse(struct slice certificate, struct slice untrusted, struct chain **out,
                 struct error *err);
void chain_free(struct chain *chain); /* NULL is fine */
