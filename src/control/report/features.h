/* What pingate claims of Gateway API, by upstream's names: a GatewayClass lists it, and upstream's
 * suite runs the tests of each (docs/conformance.md). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
        FEATURES_MAX = 64 /* upstream's maximum */
};

/* Sorted by bytes, as the API wants it. Without a pool a Gateway's address and Service are not
 * where upstream's tests look for them: two features less. The count of what is in `out`. */
size_t features_list(bool pooled, const char *out[static FEATURES_MAX]);
