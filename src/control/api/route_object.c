#include "control/api/route_object.h"

#include "control/api/rules.h"

static const struct field parent_ref_fields[] = {
        {"group", FIELD_TEXT, offsetof(struct parent_ref, group), .max = 253, .rule = &rule_group,
         .default_text = GROUP_GATEWAY},
        {"kind", FIELD_TEXT, offsetof(struct parent_ref, kind), .min = 1, .max = 63,
         .rule = &rule_kind, .default_text = "Gateway"},
        {"namespace", FIELD_TEXT, offsetof(struct parent_ref, namespace), .min = 1, .max = 63,
         .rule = &rule_label},
        {"name", FIELD_TEXT, offsetof(struct parent_ref, name), true, .min = 1, .max = 253},
        {"sectionName", FIELD_TEXT, offsetof(struct parent_ref, section_name), .min = 1, .max = 253,
         .rule = &rule_subdomain},
        {"port", FIELD_NUMBER, offsetof(struct parent_ref, port), .min = 1, .max = 65535},
};
SHAPE(parent_ref_shape, struct parent_ref, parent_ref_fields);

static bool same_parent(const struct parent_ref *a, const struct parent_ref *b)
{
        return slice_equal(a->group, b->group) && slice_equal(a->kind, b->kind) &&
               slice_equal(a->name, b->name) && slice_equal(a->namespace, b->namespace);
}

bool parents_check(struct decoder *d, const struct route_object *route, struct error *err)
{
        for (size_t i = 0; i < route->parents.count; i++)
                for (size_t j = 0; j < i; j++) {
                        const struct parent_ref *a = &route->parents.items[i];
                        const struct parent_ref *b = &route->parents.items[j];
                        if (same_parent(a, b) && a->port == b->port &&
                            slice_equal(a->section_name, b->section_name))
                                return decode_error(d, a->node, err,
                                                    "is the parent of item %zu again, wants "
                                                    "another sectionName or port",
                                                    j);
                        if (same_parent(a, b) &&
                            ((a->section_name.len == 0) != (b->section_name.len == 0) ||
                             (a->port == 0) != (b->port == 0)))
                                return decode_error(d, a->node, err,
                                                    "is of the same parent as item %zu, wants a "
                                                    "sectionName or port in both",
                                                    j);
                }
        return true;
}

/* --- backendRefs --- */

static bool backend_ref_check(struct decoder *d, void *value, struct error *err)
{
        const struct backend_ref *ref = value;
        if (ref->group.len == 0 && slice_is(ref->kind, "Service") && ref->port == 0)
                return decode_error(d, ref->node, err, "has no port, wants one for a Service");
        return true;
}

static bool weight_read(struct decoder *d, const struct node *node, void *out, struct error *err)
{
        if (node->kind != NODE_INTEGER || node->integer < 0 || node->integer > 1000000)
                return decode_error(d, node, err, "is no weight, wants 0 to 1000000");
        *(int64_t *)out = node->integer;
        return true;
}

static bool weight_default(struct decoder *d, void *value, struct error *err)
{
        struct backend_ref *ref = value;
        const struct node *weight = node_find(ref->node, "weight");
        if (!weight || weight->kind == NODE_NULL)
                ref->weight = 1;
        return backend_ref_check(d, value, err);
}

#define OBJECT_REF_FIELDS                                                                          \
        {"group", FIELD_TEXT, offsetof(struct backend_ref, group), .max = 253,                     \
         .rule = &rule_group},                                                                     \
                {"kind",    FIELD_TEXT,         offsetof(struct backend_ref, kind), .min = 1,      \
                 .max = 63, .rule = &rule_kind, .default_text = "Service"},                        \
                {"name", FIELD_TEXT, offsetof(struct backend_ref, name),                           \
                 true,   .min = 1,   .max = 253},                                                  \
                {"namespace", FIELD_TEXT, offsetof(struct backend_ref, namespace),                 \
                 .min = 1,    .max = 63,  .rule = &rule_label},                                    \
        {                                                                                          \
                "port", FIELD_NUMBER, offsetof(struct backend_ref, port), .min = 1, .max = 65535   \
        }

static const struct field object_backend_ref_fields[] = {OBJECT_REF_FIELDS};
SHAPE(object_backend_ref_shape, struct backend_ref, object_backend_ref_fields,
      .check = backend_ref_check);

static const struct field backend_ref_fields[] = {
        OBJECT_REF_FIELDS,
        {"weight", FIELD_READ, offsetof(struct backend_ref, weight), .read = weight_read},
        {"filters", FIELD_OBJECTS, offsetof(struct backend_ref, filters), .max = 16,
         .shape = &http_filter_shape},
};
SHAPE(backend_ref_shape, struct backend_ref, backend_ref_fields, .check = weight_default);
