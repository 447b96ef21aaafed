/* Which routes a listener takes: by namespace and by kind (AllowedRoutes of Gateway API). */
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

struct route_namespaces {
        const struct node *node;
        struct slice from; /* All, Selector, Same */
        struct label_selector *selector;
};

struct route_kind {
        const struct node *node;
        struct slice group, kind;
};

struct allowed_routes {
        const struct node *node;
        struct route_namespaces *namespaces; /* NULL: Same */
        LIST(struct route_kind) kinds;       /* none: what the protocol allows */
};
