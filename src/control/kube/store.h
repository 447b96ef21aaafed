/* What the API server holds of our kinds, as last heard: each object by itself as a part
 * (control/api/object.h), so that a change is one object decoded. Filled by reflectors, read by
 * control and control/report; all on the control thread. Gone and replaced objects are wiped once
 * no reading holds them. Secrets and ConfigMaps are held only while somebody wants them. */
#pragma once

#include "control/api/object.h"

struct kube_store;

struct kube_entry {
        struct objects *objects; /* a part with this one object */
        const struct object *object;
        struct slice uid, resource_version;
        struct slice status;     /* .status as JSON text; empty: none */
        struct slice finalizers; /* .metadata.finalizers as JSON text; empty: none */
        bool deleting;           /* it has a deletionTimestamp */
};

enum kube_change {
        KUBE_SAME,    /* nothing but status, resourceVersion or managedFields */
        KUBE_CHANGED, /* translation has to look again */
};

struct kube_store *kube_store_new(void);
void kube_store_free(struct kube_store *store);
/* `item` may be freed afterwards. Never fails: what does not decode is kept with object->fault. An
 * object without a name is dropped with a warning to `fault`. */
enum kube_change kube_store_put(struct kube_store *store, enum object_kind kind,
                                const struct node *item, struct error *fault);
enum kube_change kube_store_remove(struct kube_store *store, enum object_kind kind,
                                   struct slice namespace, struct slice name);
/* Around a complete list of one kind: what it did not put is removed by the end. A list that breaks
 * off is begun again without an end. */
void kube_store_list_begin(struct kube_store *store, enum object_kind kind);
enum kube_change kube_store_list_end(struct kube_store *store, enum object_kind kind);

const struct kube_entry *kube_store_find(const struct kube_store *store, enum object_kind kind,
                                         struct slice namespace, struct slice name);
/* All of it as one reading, with one reference; O(objects), nothing is decoded. */
struct objects *kube_store_objects(struct kube_store *store);
