/* SHA-256 of bytes and of several parts. Parts are written with their length in front, so that no
 * two lists of parts hash alike by moving bytes from one to the next (Envoy's session-context
 * digest did not, and moving a hash between its two lists left it unchanged). */
#pragma once

#include <stdint.h>

#include "base/digest.h"
#include "base/slice.h"

struct digest sha256(struct slice bytes);

struct hasher {
        void *ctx; /* EVP_MD_CTX; NULL once done */
};

/* `domain` names the kind of value that is hashed ("ca_set 1") and keeps kinds apart. */
void hasher_init(struct hasher *hasher, const char *domain);
void hasher_bytes(struct hasher *hasher, struct slice part);
void hasher_digest(struct hasher *hasher, const struct digest *part);
void hasher_number(struct hasher *hasher, int64_t part);
/* Bytes without a length in front, for a part that comes in pieces: give its total length by
 * hasher_number first. */
void hasher_raw(struct hasher *hasher, const void *bytes, size_t len);
struct digest hasher_done(struct hasher *hasher);
