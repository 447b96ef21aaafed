#include "control/api/allowed.h"

#include "control/api/rules.h"

/* --- namespaces --- */

static const char *const operators[] = {"In", "NotIn", "Exists", "DoesNotExist", NULL};
static const struct field requirement_fields[] = {
        {"key", FIELD_TEXT, offsetof(struct label_requirement, key), true, .min = 1},
        {"operator", FIELD_TEXT, offsetof(struct label_requirement, operator), true,
         .values = operators},
        {"values", FIELD_TEXTS, offsetof(struct label_requirement, values)},
};
static SHAPE(requirement_shape, struct label_requirement, requirement_fields, .rest = REST_FAILS);

static const struct field selector_fields[] = {
        {"matchLabels", FIELD_MAP, offsetof(struct label_selector, match_labels)},
        {"matchExpressions", FIELD_OBJECTS, offsetof(struct label_selector, match_expressions),
         .shape = &requirement_shape},
};
/* A part that we do not know would be one that selects less. */
static SHAPE(selector_shape, struct label_selector, selector_fields, .rest = REST_FAILS);

#define NAMESPACES_FIELDS(choices, by_default)                                                     \
        {"from", FIELD_CHOICE, offsetof(struct allowed_namespaces, from), .values = choices,       \
         .default_number = by_default},                                                            \
                {"selector", FIELD_OBJECT, offsetof(struct allowed_namespaces, selector),          \
                 .shape = &selector_shape},

static const char *const from_values[] = {
        [FROM_SAME] = "Same", [FROM_ALL] = "All", [FROM_SELECTOR] = "Selector", NULL};
static const struct field namespaces_fields[] = {NAMESPACES_FIELDS(from_values, FROM_SAME)};
static SHAPE(namespaces_shape, struct allowed_namespaces, namespaces_fields, .rest = REST_FAILS);

/* --- allowedRoutes --- */

static const struct field route_kind_fields[] = {
        {"group", FIELD_TEXT, offsetof(struct route_kind, group), .max = 253, .rule = &rule_group,
         .default_text = GROUP_GATEWAY},
        {"kind", FIELD_TEXT, offsetof(struct route_kind, kind), true, .min = 1, .max = 63,
         .rule = &rule_kind},
};
static SHAPE(route_kind_shape, struct route_kind, route_kind_fields);

static const struct field allowed_routes_fields[] = {
        {"namespaces", FIELD_OBJECT, offsetof(struct allowed_routes, namespaces),
         .shape = &namespaces_shape},
        {"kinds", FIELD_OBJECTS, offsetof(struct allowed_routes, kinds), .max = 8,
         .shape = &route_kind_shape},
};
SHAPE(allowed_routes_shape, struct allowed_routes, allowed_routes_fields, .rest = REST_FAILS);

/* --- allowedListeners --- */

static const char *const from_or_none_values[] = {[FROM_SAME] = "Same",
                                                  [FROM_ALL] = "All",
                                                  [FROM_SELECTOR] = "Selector",
                                                  [FROM_NONE] = "None",
                                                  NULL};
static const struct field listener_namespaces_fields[] = {
        NAMESPACES_FIELDS(from_or_none_values, FROM_NONE)};
static SHAPE(listener_namespaces_shape, struct allowed_namespaces, listener_namespaces_fields,
             .rest = REST_FAILS);

static const struct field allowed_listeners_fields[] = {
        {"namespaces", FIELD_OBJECT, offsetof(struct allowed_listeners, namespaces),
         .shape = &listener_namespaces_shape},
};
SHAPE(allowed_listeners_shape, struct allowed_listeners, allowed_listeners_fields,
      .rest = REST_FAILS);
