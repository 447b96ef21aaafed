/* The file LAYERS as a value: which folder of src/ may include which, and which folder or file may
 * include which library. Built once a run and only read. What it does not mention is forbidden: a
 * folder without a line may include nothing, a library without a line nobody may include. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/slice.h"
#include "base/vec.h"
#include "tidy/source.h"

struct layer {
        struct slice name; /* a folder, "proxy/upstream", or a library, "openssl" */
        struct slice
                allowed; /* separated by spaces: folders, `folder/` and a star, a star, stems */
};

struct layers {
        VEC(struct layer) folders;
        VEC(struct layer) libraries;
};

/* The slices point into source. */
bool layers_parse(struct layers *layers, const struct source *source, struct error *err);
void layers_done(struct layers *layers);

bool layers_know(const struct layers *layers, struct slice folder);
bool layers_allow_folder(const struct layers *layers, struct slice from, struct slice to);
/* `stem` is the including file without its ending, "text/pem". */
bool layers_allow_library(const struct layers *layers, struct slice library, struct slice folder,
                          struct slice stem);
/* What the folder, or the library, may have, for the message; empty when it has no line. */
struct slice layers_folder_says(const struct layers *layers, struct slice folder);
struct slice layers_library_says(const struct layers *layers, struct slice library);
