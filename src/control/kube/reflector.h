/* Holds the store to what the API server has of one kind: lists it, watches on from there, and
 * begins again where that breaks. What is held stays until something newer is known, however long
 * the API server is away. On the control thread; nothing is called before reflector_open returned.
 *
 * A watch that ends is resumed from the last version that was heard, so nothing is missed. The kind
 * is listed anew where the server no longer knows that version (410), and where it ends the watch
 * of a custom resource before its time, as it does when the CRD changes. */
#pragma once

#include <uv.h>

#include "control/kube/client.h"
#include "control/kube/store.h"

struct reflector;

struct reflector_hooks {
        /* Something changed that translation depends on. */
        void (*on_change)(enum object_kind kind, void *self);
        /* A list is complete: what the store holds of the kind is what there is. */
        void (*on_synced)(enum object_kind kind, void *self);
        /* A watch was accepted: what it missed comes at once, and reflector_hears from now on. */
        void (*on_hearing)(enum object_kind kind, void *self);
        /* One line without the kind's name; empty: it is well again. Told when it changes.
         * `forbidden`: a rule of the role is missing. */
        void (*on_fault)(enum object_kind kind, struct slice text, bool forbidden, void *self);
        /* An object that does not decode, a kind that is not installed: no fault of the source. */
        void (*on_warning)(enum object_kind kind, struct slice text, void *self);
        /* A Gateway whose pins a CRD hides (KUBE_HIDDEN). */
        void (*on_hidden)(struct slice text, void *self);
};

struct reflector_options { /* what it points to outlives the reflector */
        uv_loop_t *loop;
        struct kube_client *client;
        struct kube_store *store;
        enum object_kind kind;
        bool optional;       /* a server that does not know the kind has none of it (404) */
        uint64_t silence_ms; /* without a byte; then a watch is begun anew */
        const struct reflector_hooks *hooks;
        void *self;
};

struct reflector *reflector_open(const struct reflector_options *options);
/* Lists anew, as an operator asks for by SIGHUP: a list that is under way is begun again. */
void reflector_relist(struct reflector *reflector);
/* Memory returns in the loop's close callbacks. NULL is fine. */
void reflector_close(struct reflector *reflector);

bool reflector_synced(const struct reflector *reflector); /* at least once */
/* A list is under way, or comes next. */
bool reflector_lists(const struct reflector *reflector);
/* An optional kind that the server did not know when it was asked last. */
bool reflector_absent(const struct reflector *reflector);
/* A watch is open. Else, while it is listed or a watch is asked for, nothing new is heard of. */
bool reflector_hears(const struct reflector *reflector);
/* uv_now when the server last said anything of the kind; 0: never. */
uint64_t reflector_heard_ms(const struct reflector *reflector);

/* Of the n-th failure in a row (1 and on): 0.2 s, doubling to 5 s; `random` takes up to half of it
 * away, so that a fleet of gateways does not come back as one. */
uint64_t reflector_pause_ms(unsigned failures, uint64_t random);
