/* ListenerSet: listeners that others add to a Gateway, if it lets them. */
#pragma once

#include "control/api/listener.h"
#include "control/api/object.h"

struct gateway_ref {
        const struct node *node;
        struct slice group, kind, name;
        struct slice namespace; /* empty: the ListenerSet's own */
};

struct listener_set {
        struct object object;
        struct gateway_ref *parent; /* not NULL once read */
        struct listener_list listeners;
};
