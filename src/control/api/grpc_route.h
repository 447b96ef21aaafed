/* GRPCRoute. What is known to the API but not supported here is kept as a node, so that translate
 * can say so and refuse the rule's requests instead of passing over it. */
#pragma once

#include "control/api/route.h"

struct grpc_method {
        const struct node *node;
        struct slice type;            /* Exact, RegularExpression */
        struct slice service, method; /* an empty one: any */
};

struct grpc_match {
        const struct node *node;
        struct grpc_method *method; /* NULL: every method */
        LIST(struct value_match) headers;
};

struct grpc_rule {
        const struct node *node;
        struct slice name;
        LIST(struct grpc_match) matches; /* none: every request */
        struct http_filters filters;
        LIST(struct backend_ref) backends;
        const struct node *session_persistence;
};

struct grpc_route {
        struct route_object route;
        LIST(struct grpc_rule) rules; /* none: nothing is served */
};
