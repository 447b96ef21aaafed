/* What tidy found, one line each: `path:line: what (what is wanted)`. Printed as it is found, in
 * the order of the walk; an empty one means that the tree is tidy. */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "base/memory.h"

struct findings {
        FILE *out;
        size_t count;
};

void findings_add(struct findings *findings, const char *path, size_t line, const char *format, ...)
        PRINTF_LIKE(4, 5);
