/* Durations as Gateway API writes them (GEP-2257): one to four of a number of at most five digits
 * with h, m, s or ms behind; no signs, no fractions, nothing else. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

/* 99999h59m59s999ms: what prints in the same form. GEP-2257 itself would go to four times that. */
#define DURATION_MS_MAX ((int64_t)99999 * 3600000 + 3599999)

enum {
        DURATION_SIZE = 32 /* of a printed one, with its NUL */
};

bool duration_parse(struct slice text, int64_t *duration_ms, struct error *err);
/* "1h2m3s4ms" without parts that are zero, "0s" for none; parsed again it gives the same. Takes 0
 * to DURATION_MS_MAX. Returns out. */
const char *duration_print(int64_t duration_ms, char out[static DURATION_SIZE]);
