/* What routes of every kind have in common: parents, hostnames and backendRefs. */
#pragma once

#include "control/api/object.h"
#include "control/api/route_filters.h"

struct parent_ref {
        const struct node *node;
        struct slice group, kind, namespace, name, section_name;
        int64_t port; /* 0: any */
};

/* First in every route's struct. */
struct route_object {
        struct object object;
        LIST(struct parent_ref) parents;
        LIST(struct slice) hostnames; /* none: every name of the listener; a TCPRoute has none */
};

struct backend_ref {
        const struct node *node;
        struct slice group, kind, name, namespace;
        int64_t port, weight;
        struct http_filters filters; /* of HTTPRoutes and GRPCRoutes */
};

/* The rows that the spec of every route has, for a struct whose first member is a route_object. */
#define ROUTE_FIELDS                                                                               \
        {.name = "parentRefs",                                                                     \
         .kind = FIELD_OBJECTS,                                                                    \
         .offset = offsetof(struct route_object, parents),                                         \
         .max = 32,                                                                                \
         .shape = &parent_ref_shape},                                                              \
        {                                                                                          \
                .name = "useDefaultGateways", .kind = FIELD_IGNORED                                \
        }
#define ROUTE_HOSTNAMES_FIELD                                                                      \
        {                                                                                          \
                .name = "hostnames", .kind = FIELD_TEXTS,                                          \
                .offset = offsetof(struct route_object, hostnames), .max = 16, .item_max = 253,    \
                .rule = &rule_hostname                                                             \
        }

extern const struct shape parent_ref_shape, backend_ref_shape;
/* A BackendObjectReference: a backendRef without weight and filters. */
extern const struct shape object_backend_ref_shape;
/* The CEL rules on parentRefs: a parent named twice wants sections (or ports) that differ. */
bool parents_check(struct decoder *d, const struct route_object *route, struct error *err);
