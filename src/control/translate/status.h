/* What an object is told about itself, as Kubernetes would have it in `status`. Built by translate
 * from decisions, printed by cli check, written back by the Kubernetes source. */
#pragma once

#include "base/arena.h"
#include "control/api/object.h"
#include "text/tree.h"

struct condition {
        const char *type, *reason;
        bool holds;
        struct slice message;
};

enum {
        CONDITIONS_MAX = 8 /* upstream's maximum for one list */
};

struct condition_list {
        struct condition items[CONDITIONS_MAX];
        size_t count;
};

struct listener_status {
        struct slice name;
        unsigned kinds; /* of routes, BIT(KIND_HTTP_ROUTE) and so on: supportedKinds */
        int64_t attached_routes;
        struct condition_list conditions;
};

/* One parentRef of a route, or one ancestor of a policy. */
struct parent_status {
        struct slice group, kind, namespace, name, section_name;
        int64_t port; /* 0: none */
        struct condition_list conditions;
};

struct object_status {
        enum object_kind kind;
        struct slice id, namespace, name;
        int64_t generation;
        struct condition_list conditions;
        LIST(struct slice) addresses; /* of a Gateway: of IP, or host names */
        LIST(struct listener_status) listeners;
        bool counts_sets; /* a Gateway that ListenerSets name, or that allows them */
        int64_t attached_sets;
        LIST(struct parent_status) parents;
};

/* Sets or replaces. */
void condition_set(struct condition_list *list, const char *type, bool holds, const char *reason,
                   struct slice message);
/* Says that something is not as it should be: of most types "False" does, of a few "True". */
bool condition_is_bad(const struct condition *condition);
/* Nothing is wrong, and yet somebody should look. */
bool condition_is_warning(const struct condition *condition);

/* The object with apiVersion, kind, metadata and status. `at`: lastTransitionTime, or empty. */
struct node *object_status_tree(const struct object_status *status, struct slice at,
                                struct arena *arena);

#define CONDITION_PINNING  "pingate.dev/PinningEnforced"
#define CONDITION_WARNING  "pingate.dev/Warning"
#define CONDITION_AFFECTED "pingate.dev/ClientCertificatePolicyAffected"
