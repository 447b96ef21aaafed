/* Who may attach: which routes to a listener, by namespace and by kind, and which ListenerSets to a
 * Gateway (AllowedRoutes, AllowedListeners). */
#pragma once

#include "control/api/object.h"

struct label_requirement {
        const struct node *node;
        struct slice key, operator;
        LIST(struct slice) values;
};

struct label_selector {
        const struct node *node;
        struct text_map match_labels;
        LIST(struct label_requirement) match_expressions;
};

enum namespaces_from {
        FROM_SAME,
        FROM_ALL,
        FROM_SELECTOR,
        FROM_NONE /* of ListenerSets only, and their default */
};

struct allowed_namespaces {
        const struct node *node;
        enum namespaces_from from;
        struct label_selector *selector; /* NULL: selects nothing */
};

struct route_kind {
        const struct node *node;
        struct slice group, kind;
};

struct allowed_routes {
        const struct node *node;
        struct allowed_namespaces *namespaces; /* NULL: Same */
        LIST(struct route_kind) kinds;         /* none: what the protocol allows */
};

struct allowed_listeners {
        const struct node *node;
        struct allowed_namespaces *namespaces; /* NULL: None */
};

extern const struct shape allowed_routes_shape, allowed_listeners_shape;
