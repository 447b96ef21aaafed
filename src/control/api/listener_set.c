#include "control/api/listener_set.h"

#include "control/api/kinds.h"
#include "control/api/rules.h"

static const struct field parent_fields[] = {
        {"group", FIELD_TEXT, offsetof(struct gateway_ref, group), .max = 253, .rule = &rule_group,
         .default_text = GROUP_GATEWAY},
        {"kind", FIELD_TEXT, offsetof(struct gateway_ref, kind), .min = 1, .max = 63,
         .rule = &rule_kind, .default_text = "Gateway"},
        {"name", FIELD_TEXT, offsetof(struct gateway_ref, name), true, .min = 1, .max = 253},
        {"namespace", FIELD_TEXT, offsetof(struct gateway_ref, namespace), .min = 1, .max = 63,
         .rule = &rule_label},
};
static SHAPE(parent_shape, struct gateway_ref, parent_fields);

static bool set_check(struct decoder *d, void *value, struct error *err)
{
        const struct listener_set *set = value;
        return listeners_distinct(d, &set->listeners, err);
}

static const struct field set_spec_fields[] = {
        {"parentRef", FIELD_OBJECT, offsetof(struct listener_set, parent), true,
         .shape = &parent_shape},
        {"listeners", FIELD_OBJECTS, offsetof(struct listener_set, listeners), true, .min = 1,
         .max = LISTENERS_PER_OBJECT_MAX, .shape = &listener_shape, .unique = "name"},
};
static SHAPE(set_spec_shape, struct listener_set, set_spec_fields);

static const struct field listener_set_fields[] = {
        DOCUMENT_FIELDS,
        {"spec", FIELD_INLINE, 0, true, .shape = &set_spec_shape},
};
SHAPE(listener_set_shape, struct listener_set, listener_set_fields, .check = set_check);
