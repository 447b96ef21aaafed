/* A File pin set, read piece by piece into a set: a million pins are seventy megabytes of text, of
 * which a quarter of one is in memory at a time. */
#pragma once

#include "base/error.h"
#include "trust/pin_set.h"

/* A set with one reference, bad lines among its faults. NULL: the file can't be read. */
struct pin_set *pin_file_read(const char *path, struct error *err);
