/* A SHA-256 value: of a certificate's whole DER, of a SubjectPublicKeyInfo's DER, of a frozen
 * value. All-zero bytes are no digest of anything; digest_is_none says so. Computed in
 * trust/hash.h. */
#pragma once

#include <stdbool.h>

enum {
        DIGEST_BYTES = 32,
        DIGEST_HEX_SIZE = 65, /* with its NUL */
};

struct digest {
        unsigned char bytes[DIGEST_BYTES];
};

bool digest_equal(const struct digest *a, const struct digest *b);
int digest_compare(const struct digest *a, const struct digest *b);
bool digest_is_none(const struct digest *digest);
/* Lower-case hex into out, and out itself for printf. */
const char *digest_hex(const struct digest *digest, char out[static DIGEST_HEX_SIZE]);
