/* Tells the API server what became of its objects: one write an object and reconcile, only where
 * something changes, and of each status only what is ours. Only the leader writes; the other
 * replicas keep their Lease's digest current. On the control thread, in slices of few milliseconds
 * a loop turn, at most 16 writes in flight: no change of however many objects holds up enforcement.
 * What can't be written is tried again later, and never keeps a generation from being served. */
#pragma once

#include "control/report/api_side.h"
#include "control/translate/served.h"

struct report;

struct report_options { /* what it points to outlives the report */
        struct api_side side;
        bool pooled;                      /* Gateways get addresses of a pool: see features.h */
        struct slice namespace, identity; /* our own pod's, of Events */
        /* What the data plane has made of the newest generation; texts are the arena's. Asked until
         * nothing is missing, and each second. */
        void (*on_facts)(struct served_facts *facts, struct arena *arena, void *self);
        void *self;
};

struct report *report_open(const struct report_options *options);
/* A translation was published; it lives until the next one is given, or report_close. */
void report_take(struct report *report, const struct translation *translation);
/* The store has news of an object, be it of its status alone, or it is gone. */
void report_heard(struct report *report, enum object_kind kind, struct slice namespace,
                  struct slice name);
/* Kinds that are not installed, a BIT() each: what needs them is not claimed. */
void report_lacks(struct report *report, unsigned kinds);
/* Leadership, or what the other replicas serve, has changed. */
void report_look(struct report *report);
/* What can't be read, and which right is missing: an Event at our own pod, while we lead. Empty:
 * all is well. */
void report_fault(struct report *report, struct slice text);
/* Before the client is closed. Writes in flight are abandoned; memory returns in the loop's close
 * callbacks. NULL is fine. */
void report_close(struct report *report);
