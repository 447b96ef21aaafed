#include "control/api/object_ref.h"

#include "control/api/object.h"
#include "control/api/rules.h"

#define REF_FIELDS(group_needed, group_default, kind_needed, kind_default)                           \
        {"group",    FIELD_TEXT,          offsetof(struct object_ref, group), group_needed,          \
         .max = 253, .rule = &rule_group, .default_text = group_default},                            \
                {"kind",                                                                             \
                 FIELD_TEXT,                                                                         \
                 offsetof(struct object_ref, kind),                                                  \
                 kind_needed,                                                                        \
                 .min = 1,                                                                           \
                 .max = 63,                                                                          \
                 .rule = &rule_kind,                                                                 \
                 .default_text = kind_default},                                                      \
                {"name", FIELD_TEXT, offsetof(struct object_ref, name), true, .min = 1, .max = 253}, \
                {"namespace", FIELD_TEXT, offsetof(struct object_ref, namespace),                    \
                 .min = 1,    .max = 63,  .rule = &rule_label},

static const struct field object_ref_fields[] = {REF_FIELDS(true, NULL, true, NULL)};
SHAPE(object_ref_shape, struct object_ref, object_ref_fields, .rest = REST_FAILS);

static const struct field secret_ref_fields[] = {REF_FIELDS(false, "", false, "Secret")};
SHAPE(secret_ref_shape, struct object_ref, secret_ref_fields, .rest = REST_FAILS);
