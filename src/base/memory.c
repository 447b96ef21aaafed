#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

void *memory_new(size_t size)
{
        void *block = calloc(1, size ? size : 1);
        must(block != NULL);
        return block;
}

void *memory_resize(void *old, size_t size)
{
        void *block = realloc(old, size ? size : 1);
        must(block != NULL);
        return block;
}

char *memory_dup(const char *bytes, size_t len)
{
        char *copy = memory_new(len + 1);
        if (len > 0)
                memcpy(copy, bytes, len);
        return copy;
}
