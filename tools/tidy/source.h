/* One C file as the rules see it: the text as written, and `code`, the same bytes with comments and
 * the contents of literals blanked, so that a word in a comment is never taken for a call. Both
 * have one length: an offset in one is an offset in the other. Lives in the arena it was read into.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

struct source {
        const char *path; /* from the root of the tree: "src/trust/judge.c" */
        struct slice text;
        struct slice code;
};

bool source_read(const char *root, const char *path, struct arena *arena, struct source *out,
                 struct error *err);

/* Walks text and code line by line: `struct source_line line = {0}; while (source_next(…))`. */
struct source_line {
        struct slice text;
        struct slice code;
        size_t number; /* from 1 */
        size_t next;   /* offset of the line after */
};

bool source_next(const struct source *source, struct source_line *line);
