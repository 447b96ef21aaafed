/* The C files of a source tree: all *.c, *.h and *.def below a folder, sorted, so that two runs say
 * the same. A folder that is not there holds no files. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/vec.h"

struct tree {
        VEC(const char *) paths; /* from the root: "src/trust/judge.c"; in the arena */
};

bool tree_list(struct tree *tree, const char *root, const char *folder, struct arena *arena,
               struct error *err);
void tree_done(struct tree *tree);
