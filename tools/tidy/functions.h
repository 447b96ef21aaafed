/* Finds the functions that a source defines: whatever opens a brace at the outermost level behind a
 * list of parameters. No parser: it counts braces in code without literals, comments and
 * preprocessor lines, and takes a brace in the first column for the end of whatever it was in, so
 * that braces which an #if doubles cannot lead it astray for longer than one function. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/slice.h"
#include "tidy/source.h"

struct function {
        struct slice name;
        size_t line;        /* of the name */
        size_t lines;       /* from the name to the closing brace, both counted */
        size_t table_lines; /* of these, lines inside the braces of initialisers */
        size_t parameters;
        bool is_static;
};

struct function_walk {
        struct slice code; /* preprocessor lines blanked */
        size_t at;
        size_t line;
};

void functions_start(struct function_walk *walk, const struct source *source, struct arena *arena);
bool functions_next(struct function_walk *walk, struct function *out);
