/* References to Secrets and ConfigMaps, and whether ReferenceGrants permit them. */
#pragma once

#include "control/translate/work.h"

enum ref_fault {
        REF_FOUND,
        REF_WRONG_KIND,
        REF_NOT_PERMITTED,
        REF_MISSING,
};

struct ref_target {
        const struct key_value *object; /* of REF_FOUND */
        struct slice why;               /* of REF_MISSING: "does not exist", or why it is as if */
        struct slice id;                /* "ConfigMap edge/corp-ca", for messages */
};

/* Into another namespace: some ReferenceGrant there names us and the target. */
bool reference_permitted(struct work *w, const struct object *from, enum object_kind to_kind,
                         struct slice to_namespace, struct slice to_name);
/* Before the first that asks. */
void grants_index(struct work *w);
/* kinds: BIT(KIND_SECRET), BIT(KIND_CONFIG_MAP). Permission is asked before existence, so that
 * nobody learns what another namespace holds. */
enum ref_fault data_ref_resolve(struct work *w, const struct object *from,
                                const struct object_ref *ref, unsigned kinds,
                                struct ref_target *target);
/* NULL: there is none, or none that can be used; *why says so. */
const void *object_find_whole(struct work *w, enum object_kind kind, struct slice namespace,
                              struct slice name, struct slice *why);
const struct slice *data_find(const struct key_value *object, const char *key);
