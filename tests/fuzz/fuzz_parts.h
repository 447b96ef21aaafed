/* Inputs of several DER parts, each with its length in two bytes in front, so that a fuzzer changes
 * the DER itself and not the base64 around it. What does not fit ends the list. */
#pragma once

#include "base/arena.h"
#include "text/pem.h"

static inline bool part_next(struct slice *rest, struct slice *part)
{
        if (rest->len < 2)
                return false;
        size_t len = (size_t)(unsigned char)rest->data[0] << 8 | (unsigned char)rest->data[1];
        if (len > rest->len - 2)
                return false;
        *part = slice_sub(*rest, 2, len);
        *rest = slice_skip(*rest, 2 + len);
        return true;
}

/* The next `max` parts as PEM blocks, empty ones left out. */
static inline struct slice parts_as_pem(struct slice *rest, struct arena *arena, const char *label,
                                        size_t max)
{
        struct slice pem = SLICE_NONE, part;
        while (max-- > 0 && part_next(rest, &part)) {
                if (part.len == 0)
                        continue;
                struct slice block = pem_print(arena, label, part);
                pem = arena_printf(arena, "%.*s%.*s", SLICE_ARG(pem), SLICE_ARG(block));
        }
        return pem;
}
