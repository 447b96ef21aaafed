/* What a rule of an HTTPRoute asks for when backends fail or are slow (HTTPRouteTimeouts,
 * HTTPRouteRetry of the experimental channel), and which of its requests go elsewhere as well
 * (HTTPRequestMirrorFilter). Decoded here, compiled by translate/resilience.c. */
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

struct http_retry {
        const struct node *node;
        LIST(int64_t) codes; /* of 400 to 599, each once */
        int64_t attempts;    /* 0: not given */
        struct route_duration backoff;
};

struct mirror_fraction {
        const struct node *node;
        int64_t numerator, denominator;
};

struct backend_ref; /* route_object.h */

struct http_mirror {
        const struct node *node;
        struct backend_ref *backend;
        struct mirror_fraction *fraction; /* NULL: not given */
        int64_t percent;
        bool percent_given; /* at most one of the two is; none: every request */
};

extern const struct shape http_timeouts_shape, http_retry_shape, http_mirror_shape;
