/* What stat says of a file, and of a folder's entries, as one number: another number means that
 * something changed. Symbolic links are followed, so a Kubernetes volume's ..data swap counts. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

/* A folder's is that of all its entries. */
uint64_t path_stamp(const char *path);
/* It changed so lately that it could change once more and leave the same stamp: the clock that
 * files are dated by ticks every 1 to 10 ms. */
bool path_is_fresh(const char *path);
/* Both of a file, for one question to the file system. */
uint64_t file_stamp(const char *path, bool *fresh);
uint64_t stamp_mix(uint64_t so_far, uint64_t stamp);

struct folder_entry {
        const char *name;
        uint64_t stamp; /* as file_stamp gives it */
        bool fresh;
};

struct folder_list {
        struct folder_entry *entries; /* by name, without the hidden ones */
        size_t count;
        uint64_t stamp; /* as path_stamp gives it */
};

bool folder_list(const char *path, struct arena *arena, struct folder_list *out, struct error *err);
