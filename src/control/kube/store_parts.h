/* The inside of a store: store.c has its life, puts, lists and reads; store_decode.c makes objects
 * of what is put, store_wants.c has of which Secrets and ConfigMaps that is done. */
#pragma once

#include "base/buffer.h"
#include "base/digest.h"
#include "base/map.h"
#include "base/vec.h"
#include "control/kube/store.h"

struct entry {
        struct kube_entry seen;
        struct digest content; /* of what translation depends on */
        uint64_t list;         /* the list that put it last */
        bool ahead;  /* by an answer of its own: what watch and list say of it may be older */
        char *key;   /* "namespace/name"; owned */
        char *texts; /* uid, resourceVersion, status, finalizers; owned */
};

struct want {
        char *key;
        uint64_t turn;  /* of wanting that asked for it last */
        uint64_t since; /* its kind's list when it came to be wanted */
        bool known;     /* whether it is there */
};

struct kind_store {
        /* By key, as lists have them: all replicas see one order, and most are put at the end. */
        VEC(struct entry *) entries;
        struct map wants;    /* by key; of Secrets and ConfigMaps */
        const char *kept;    /* of its status; NULL: nothing */
        uint64_t list;       /* counts lists that were begun */
        struct slice listed; /* the version of the one that ends */
};

struct observer {
        void *self;
        on_kube_entry_fn on_entry;
};

struct kube_store {
        struct kind_store kinds[KIND_COUNT];
        uint64_t turn; /* counts turns of wanting */
        struct buffer rest;
        VEC(struct observer) observers;
};

/* Longer than any name that an API server lets in. */
#define KEY_SIZE 512

/* store.c */
struct slice store_key_print(char key[static KEY_SIZE], struct slice namespace, struct slice name);
/* What is held of it is an answer's: watch and list may lag behind. */
void store_note_answer(struct kind_store *of, struct slice key);
typedef bool (*entry_is_over_fn)(const struct kind_store *of, const struct entry *entry);
enum kube_change store_remove_if(struct kube_store *store, enum object_kind kind,
                                 entry_is_over_fn is_over);

/* store_decode.c: never fails; what does not decode is broken, and `fault` says why. Never
 * KUBE_SAME. */
enum kube_change store_entry_decode(struct entry *entry, enum object_kind kind, struct slice text,
                                    struct error *fault);

/* store_wants.c */
bool store_is_wanted_kind(enum object_kind kind);
void store_wants_done(struct kind_store *kind);
/* What the list that is over did not put is not there. */
void store_wants_listed(struct kind_store *kind);
