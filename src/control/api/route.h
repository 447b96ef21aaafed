/* HTTPRoute. What is known to the API but not supported here is kept as a node, so that translate
 * can say so and refuse the rule's requests instead of passing over it. */
#pragma once

#include "control/api/route_object.h"
#include "control/api/route_resilience.h"

struct path_match {
        const struct node *node;
        struct slice type, value; /* Exact, PathPrefix, or what is not supported */
};

struct value_match {
        const struct node *node;
        struct slice type, name, value;
};

struct http_match {
        const struct node *node;
        struct path_match *path; /* NULL: every path */
        struct slice method;
        LIST(struct value_match) headers;
        LIST(struct value_match) queries;
};

struct http_rule {
        const struct node *node;
        struct slice name;
        LIST(struct http_match) matches; /* none: every request */
        struct http_filters filters;
        LIST(struct backend_ref) backends;
        struct http_timeouts *timeouts; /* NULL: the gateway's own hold */
        struct http_retry *retry;       /* NULL: only what is safe by itself */
        const struct node *session_persistence;
};

struct http_route {
        struct route_object route;
        LIST(struct http_rule) rules; /* at least one once read */
};

extern const struct shape header_match_shape; /* GRPCRoutes have it too */
