/* TLSRoute and TCPRoute: connections to backends. */
#pragma once

#include "control/api/route_object.h"

struct stream_rule {
        const struct node *node;
        struct slice name;                 /* may be empty */
        LIST(struct backend_ref) backends; /* at least one */
};

struct stream_route_object { /* object.kind says which of the two */
        struct route_object route;
        LIST(struct stream_rule) rules; /* the schemas have exactly one */
};
