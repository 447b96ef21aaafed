/* The rules of the house, one file each. Every one looks at one source and adds what it finds. */
#pragma once

#include "tidy/findings.h"
#include "tidy/layers.h"
#include "tidy/source.h"

enum {
        FUNCTION_LINES_MAX = 70,
        FUNCTION_PARAMETERS_MAX = 5,
        FILE_LINES_MAX = 600,
        HEADER_LINES_MAX = 120,
        COLUMNS_MAX = 120,
};

/* A file of src/ includes only what LAYERS allows its folder. src/main.c counts as cli. */
void includes_check(const struct source *source, const struct layers *layers,
                    struct findings *findings);
/* Files, headers and functions keep to the maxima above. Two reliefs: parameters are counted for
 * what other files call (a library dictates the shape of its callbacks: static, or named …_hook),
 * and in tests a table of cases is no part of its function, a header with a harness no interface.
 */
void sizes_check(const struct source *source, struct findings *findings);
/* No function that overruns, is not thread-safe, or goes round a rule of ours is named in code. */
void calls_check(const struct source *source, struct findings *findings);
/* No tabs, no trailing blanks, no line over COLUMNS_MAX characters (but in a .def: one row, one
 * line). */
void lines_check(const struct source *source, struct findings *findings);
