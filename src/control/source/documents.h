/* The documents of one file as objects. YAML is taken in pieces, and a piece that the former
 * reading of the file had too is taken from there: one changed route of ten thousand in a file is a
 * few documents parsed. */
#pragma once

#include "control/api/object.h"

/* Errors name file, line, object and field. `former` is what was made of the file before, or NULL;
 * with what it shares it moves to the lines of this reading. */
bool documents_read(struct objects *objects, const struct objects *former, struct slice file,
                    struct slice text, struct error *err);
