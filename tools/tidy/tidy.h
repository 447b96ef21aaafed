/* The house's own lint: what is law in LAYERS and CONTRIBUTING.md and what a compiler cannot see.
 * Runs on every build (layers) and as a test (all rules), on one thread. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "tidy/findings.h"

enum tidy_scope {
        TIDY_LAYERS, /* the includes of src/, cheap enough for every build */
        TIDY_ALL,    /* every rule on src/, tools/ and tests/ */
};

/* Looks at the tree under root. False when it could not be read; whether it is tidy is in findings.
 */
bool tidy_run(const char *root, enum tidy_scope scope, struct findings *findings,
              struct error *err);
/* Writes the header that all object files depend on, unless it is there already: then nothing that
 * was compiled is out of date. */
bool tidy_stamp(const char *path, struct error *err);
