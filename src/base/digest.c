#include "base/digest.h"

#include <string.h>

bool digest_equal(const struct digest *a, const struct digest *b)
{
        return memcmp(a->bytes, b->bytes, DIGEST_BYTES) == 0;
}

int digest_compare(const struct digest *a, const struct digest *b)
{
        return memcmp(a->bytes, b->bytes, DIGEST_BYTES);
}

bool digest_is_none(const struct digest *digest)
{
        static const struct digest none;
        return digest_equal(digest, &none);
}

const char *digest_hex(const struct digest *digest, char out[static DIGEST_HEX_SIZE])
{
        static const char digits[] = "0123456789abcdef";
        for (int i = 0; i < DIGEST_BYTES; i++) {
                out[2 * i] = digits[digest->bytes[i] >> 4];
                out[2 * i + 1] = digits[digest->bytes[i] & 15];
        }
        out[2 * DIGEST_BYTES] = '\0';
        return out;
}
