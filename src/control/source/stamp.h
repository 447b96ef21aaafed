/* What stat says of a file, and of a folder's entries, as one number: another number means that
 * something changed. Symbolic links are followed, so a Kubernetes volume's ..data swap counts. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

uint64_t path_stamp(const char *path);
/* It changed so lately that it could change once more and leave the same stamp: the clock that
 * files are dated by ticks every 1 to 10 ms. */
bool path_is_fresh(const char *path);
uint64_t stamp_mix(uint64_t so_far, uint64_t stamp);
