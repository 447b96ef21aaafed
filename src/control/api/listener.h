/* A listener as Gateways and ListenerSets write it (Listener, ListenerEntry: they differ in
 * nothing). */
#pragma once

#include "control/api/allowed.h"
#include "control/api/object_ref.h"

enum {
        LISTENERS_PER_OBJECT_MAX = 64 /* the schemas' maxItems */
};

struct listener_tls {
        const struct node *node;
        struct slice mode; /* Terminate, Passthrough */
        LIST(struct object_ref) certificate_refs;
        struct text_map options;
};

struct gateway_listener {
        const struct node *node;
        struct slice name, hostname, protocol;
        int64_t port;
        struct listener_tls *tls;
        struct allowed_routes *allowed_routes; /* NULL: Same */
};

struct listener_list {
        struct gateway_listener *items;
        size_t count;
};

extern const struct shape listener_shape;
/* The CEL rule on the list: port, protocol and hostname tell each two apart. */
bool listeners_distinct(struct decoder *d, const struct listener_list *listeners,
                        struct error *err);
