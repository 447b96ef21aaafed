/* What the API server holds of our kinds, as last heard: each object by itself as a part
 * (control/api/object.h), so that a change is one object decoded. Filled by reflectors, read by
 * control and control/report; all on the control thread. Gone and replaced objects are wiped once
 * no reading holds them. Secrets and ConfigMaps are held only while somebody wants them. */
#pragma once

#include "control/api/object.h"

struct kube_store;

struct kube_name {
        enum object_kind kind;
        struct slice namespace, name;
};

struct kube_entry {
        struct objects *objects;     /* a part with this one object */
        const struct object *object; /* with object->fault where it does not decode. NULL:
                                        what it is called can't be used */
        struct slice namespace, name;
        struct slice uid, resource_version;
        struct slice status;     /* .status as JSON text; empty: none */
        struct slice finalizers; /* .metadata.finalizers as JSON text; empty: none */
        bool deleting;           /* it has a deletionTimestamp */
};

enum kube_change {
        KUBE_SAME,    /* nothing but status, resourceVersion or managedFields */
        KUBE_CHANGED, /* translation has to look again */
        KUBE_HIDDEN,  /* a CRD hides pins: what was read before stays, and `fault` says so */
};

/* After each put and removal, a status alone included; entry NULL: it is gone. */
typedef void (*on_kube_entry_fn)(enum object_kind kind, struct slice namespace, struct slice name,
                                 const struct kube_entry *entry, void *self);
/* False ends the walk. */
typedef bool (*kube_entry_fn)(const struct kube_entry *entry, void *self);

struct kube_store *kube_store_new(void);
void kube_store_free(struct kube_store *store); /* NULL is fine */
/* Any number of observers, in the order of their calls; they change nothing in the store. */
void kube_store_observe(struct kube_store *store, void *self, on_kube_entry_fn on_entry);

/* Of a kind's status that member is decoded too, and its change is one: what others decided. A
 * literal. */
void kube_store_keep(struct kube_store *store, enum object_kind kind, const char *member);

/* `item` is the object's JSON and may be wiped afterwards. Never fails: what does not decode is
 * kept as broken, and `fault` says why (else it is empty). An object without a name is dropped so.
 */
enum kube_change kube_store_put(struct kube_store *store, enum object_kind kind, struct slice item,
                                struct error *fault);
enum kube_change kube_store_remove(struct kube_store *store, enum object_kind kind,
                                   struct slice namespace, struct slice name);
/* The same of an object whose JSON came with the news of its end. */
enum kube_change kube_store_remove_item(struct kube_store *store, enum object_kind kind,
                                        struct slice item);
/* Around a complete list of one kind: what it did not put is removed by the end; `version` is the
 * list's own. A list that breaks off is begun again without an end. */
void kube_store_list_begin(struct kube_store *store, enum object_kind kind);
enum kube_change kube_store_list_end(struct kube_store *store, enum object_kind kind,
                                     struct slice version);

/* Around all Secrets and ConfigMaps that are wanted from now on: the end lets go of all others. */
void kube_store_want_begin(struct kube_store *store);
void kube_store_want(struct kube_store *store, enum object_kind kind, struct slice namespace,
                     struct slice name);
void kube_store_want_end(struct kube_store *store);
/* How many are wanted of which nobody has said yet whether they are there. Calls on_unknown for
 * each that has to be asked for by itself: no list has begun since it came to be wanted. */
typedef void (*on_kube_unknown_fn)(const struct kube_name *name, void *self);
size_t kube_store_unknown(struct kube_store *store, void *self, on_kube_unknown_fn on_unknown);
/* The answer to that; `item` empty: it is not there. Passed over where a watch was faster; where it
 * lags behind, what it says of the object is passed over until it says something newer. */
enum kube_change kube_store_answer(struct kube_store *store, const struct kube_name *name,
                                   struct slice item, struct error *fault);

const struct kube_entry *kube_store_find(const struct kube_store *store, enum object_kind kind,
                                         struct slice namespace, struct slice name);
size_t kube_store_count(const struct kube_store *store, enum object_kind kind);
/* By namespace and name. */
void kube_store_each(const struct kube_store *store, enum object_kind kind, void *self,
                     kube_entry_fn on_entry);
/* All of it as one reading, with one reference; O(objects), nothing is decoded. */
struct objects *kube_store_objects(struct kube_store *store);
