/* What a rule, or one of its backendRefs, does with a request besides passing it on, frozen. Built
 * by translate, read by workers without a lock. What is absent is NULL or empty and does nothing.
 * The words are Gateway API's (HTTPRouteFilter, GRPCRouteFilter). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "http/header_rules.h"

#define ROUTE_BACKEND_INVALID UINT32_MAX

enum path_change {
        PATH_KEEP,
        PATH_REPLACE_FULL,
        PATH_REPLACE_PREFIX /* of the match that held: always a PATH_MATCH_PREFIX */
};

struct path_modifier {
        enum path_change change;
        struct slice value;
};

struct route_redirect {
        struct slice scheme;   /* empty: the request's */
        struct slice hostname; /* empty: the request's host */
        struct path_modifier path;
        uint16_t port;   /* 0: by scheme, as upstream says */
        uint16_t status; /* 301, 302, 303, 307, 308 */
};

struct route_rewrite {
        struct slice hostname; /* empty: kept */
        struct path_modifier path;
};

struct route_cors {
        const struct slice *origins; /* of scheme, host and port; may be or hold a wildcard */
        size_t origin_count;
        bool credentials;
        struct slice methods, headers, exposed; /* lists as the fields bear them; may be "*" */
        uint32_t max_age;                       /* seconds */
};

struct route_mirror {
        uint32_t backend; /* index into snapshot->backends, or ROUTE_BACKEND_INVALID: none goes */
        uint32_t numerator, denominator; /* the share of requests; denominator > 0 */
};

/* Of a rule or of one of its backendRefs; the rule's run first. */
struct route_filters {
        const struct header_filter *request, *response;
        size_t request_count, response_count;
        const struct route_redirect *redirect; /* answers; no backend is asked */
        const struct route_rewrite *rewrite;
        const struct route_cors *cors;
        const struct route_mirror *mirrors;
        size_t mirror_count;
        bool refuses; /* some filter can't be honoured: 500 instead of passing it over */
};
