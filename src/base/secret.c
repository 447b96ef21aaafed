#include "base/secret.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct secret secret_of(struct slice s)
{
        return (struct secret){(unsigned char *)memory_dup(s.data, s.len), s.len};
}

void secret_wipe(void *bytes, size_t len)
{
        if (bytes && len > 0)
                explicit_bzero(bytes, len);
}

void secret_done(struct secret *secret)
{
        secret_wipe(secret->bytes, secret->len);
        free(secret->bytes);
        *secret = (struct secret){0};
}

void secret_free(void *block)
{
        if (block)
                secret_wipe(block, malloc_usable_size(block));
        free(block);
}
