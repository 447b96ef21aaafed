/* What one rule of a route asks of a request and does with it, frozen. Built by translate, read by
 * workers without a lock. Everything that is absent is NULL, 0 or empty and does nothing; a rule
 * without a backend answers 500, one that redirects needs none. The words are Gateway API's
 * (HTTPRouteRule, GRPCRouteRule). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "route/filters.h"

struct pattern;
enum path_match_kind { /* the later goes first */
        PATH_MATCH_PREFIX,
        PATH_MATCH_PATTERN,
        PATH_MATCH_EXACT
};

struct name_value {
        struct slice name, value;      /* both exact; header names lower case */
        const struct pattern *pattern; /* the value's, if it is a regular expression; else NULL */
};

struct route_match { /* all of it must hold */
        enum path_match_kind path_kind;
        struct slice path;             /* "/" matches all as a prefix */
        const struct pattern *pattern; /* of PATH_MATCH_PATTERN; NULL: every path, and blunt */
        bool blunt; /* some of it can't be tested: it says too much and its rule refuses, but only
                       what would else go to nobody or to its own namespace (route_find) */
        struct slice method; /* empty: any */
        const struct name_value *headers, *queries;
        size_t header_count, query_count;
};

/* ---- where it goes ---- */

#define ROUTE_POLICY_NONE UINT32_MAX

struct route_backend {
        uint32_t backend; /* index into snapshot->backends, or ROUTE_BACKEND_INVALID: 500 */
        uint32_t weight;
        const struct route_filters *filters; /* NULL: none of its own */
};

struct route_timeouts { /* HTTPRouteTimeouts; not given: the worker's limits; 0: none */
        bool request_given, backend_request_given;
        uint32_t request_ms, backend_request_ms;
};

struct route_retry { /* HTTPRouteRetry */
        const uint16_t *codes;
        size_t code_count;
        uint32_t attempts; /* beyond the first */
        uint32_t backoff_ms;
};

struct route_rule {
        struct slice route;                /* "namespace/name", for logs */
        struct slice name;                 /* of the rule; may be empty */
        const struct route_match *matches; /* at least one */
        size_t match_count;
        struct route_filters filters;
        const struct route_backend *backends; /* none, or all weights 0: 500 */
        size_t backend_count;
        uint64_t weight_sum;
        struct route_timeouts timeouts;
        const struct route_retry *retry; /* NULL: only what is safe by itself */
        uint32_t policy; /* index into snapshot->rule_policies, or ROUTE_POLICY_NONE */
        bool grpc;       /* of a GRPCRoute: faults are told as gRPC tells them */
};
