/* What a rule of an HTTPRoute asks for when backends fail or are slow (HTTPRouteTimeouts). Decoded
 * here, compiled by translate/resilience.c. */
#pragma once

#include "control/api/decode.h"

struct route_duration {
        bool given; /* "0s" is something else than nothing: it switches off */
        uint32_t ms;
};

struct http_timeouts {
        const struct node *node;
        struct route_duration request, backend_request;
};

extern const struct shape http_timeouts_shape;
