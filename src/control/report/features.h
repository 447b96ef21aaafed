/* What pingate claims of Gateway API, by upstream's names: a GatewayClass lists it, and upstream's
 * suite runs the tests of each (docs/conformance.md). */
#pragma once

#include <stddef.h>

extern const char *const gateway_features[]; /* sorted by bytes, as the API wants it */
extern const size_t gateway_feature_count;
