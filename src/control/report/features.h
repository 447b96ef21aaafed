/* What pingate claims of Gateway API, by upstream's names: a GatewayClass lists it, and upstream's
 * suite runs the tests of each (docs/conformance.md). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
        FEATURES_MAX = 64 /* upstream's maximum */
};

struct features_ground {
        bool pooled; /* Gateways get addresses of a pool: else their addresses and Services are not
                        where upstream's tests look for them */
        bool retry;  /* the cluster's HTTPRoute CRD keeps `retry`, as that of the experimental
                        channel does */
        unsigned absent; /* BIT(KIND_TCP_ROUTE) and its kind: what is not installed here */
};

/* Sorted by bytes, as the API wants it. The count of what is in `out`. */
size_t features_list(struct features_ground ground, const char *out[static FEATURES_MAX]);
