/* What one rule of a route asks of a request and does with it, frozen. Built by translate, read by
 * workers without a lock. Everything that is absent is NULL, 0 or empty and does nothing; a rule
 * without a backend answers 500, one that redirects needs none. The words are Gateway API's
 * (HTTPRouteRule, GRPCRouteRule). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "http/header_rules.h"

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
        const struct pattern *pattern; /* of PATH_MATCH_PATTERN; NULL: all of it is refused */
        struct slice method;           /* empty: any */
        const struct name_value *headers, *queries;
        size_t header_count, query_count;
};

/* ---- filters ---- */

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

/* ---- where it goes ---- */

#define ROUTE_BACKEND_INVALID UINT32_MAX
#define ROUTE_POLICY_NONE     UINT32_MAX

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
