/* Moments as RFC 3339 writes them, in the years 0001 to 9999, against Unix time. Pure: the clock is
 * asked elsewhere. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

enum {
        TIME_SIZE = 32 /* of a printed moment, with its NUL */
};

/* "2026-11-01T00:00:00Z" or with an offset; a fraction of a second is read and dropped. The leap
 * second :60 is allowed where one can be (23:59:60 UTC) and counts as the second behind it, which
 * is how Unix time counts. */
bool time_parse(struct slice text, int64_t *unix_s, struct error *err);
/* "2026-11-01T00:00:00Z"; moments outside the years above print as the nearest. Returns out. */
const char *time_print(int64_t unix_s, char out[static TIME_SIZE]);
/* "2026-11-01T00:00:00.000Z" */
const char *time_print_ms(int64_t unix_ms, char out[static TIME_SIZE]);
