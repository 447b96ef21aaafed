/* Brings statuses to the API server: each object that has news is merged with what the store holds
 * of it, and written where that makes a difference. At most STATUS_WRITES_MAX writes are in flight,
 * Gateways and policies before routes; an object that was written is left alone until the store has
 * heard of it. Answers that concern the server hold up all writes for a while, others that one
 * object. On the control thread; a turn takes STATUS_TURN_US at most. Idle, it writes nothing. */
#pragma once

#include "control/report/api_side.h"
#include "control/report/features.h"
#include "control/translate/status.h"

struct status_writer;

enum {
        STATUS_WRITES_MAX = 16,
        STATUS_ROUTES_MAX = 4, /* of them: ten thousand leave an API server time for its watches */
        STATUS_TURN_US = 2000,
        STATUS_HEARD_MS = 10000, /* that long it is waited until a write is heard of */
        STATUS_PAUSE_MS = 500,   /* after a first failure; doubles up to STATUS_PAUSE_MS_MAX */
        STATUS_PAUSE_MS_MAX = 30000,
        STATUS_REFUSED_MS = 60000, /* what the API server does not take is tried again */
};

struct status_writer_options { /* what it points to outlives the writer */
        struct api_side side;
        struct features_ground ground; /* what is claimed at first: features.h */
        uint64_t heard_ms;             /* 0: STATUS_HEARD_MS */
};

struct status_writer *status_writer_open(const struct status_writer_options *options);
/* All that is to be said, given in as many turns as it takes: what was given before and is not now
 * is forgotten. In between nothing is written. The statuses live until the next begin. */
void status_writer_begin(struct status_writer *writer);
/* True: it is new, or says something else than before. */
bool status_writer_give(struct status_writer *writer, const struct object_status *status);
void status_writer_end(struct status_writer *writer);
/* What the GatewayClasses of ours say is claimed. */
void status_writer_claim(struct status_writer *writer, struct features_ground ground);
/* All is looked at again: leadership was won. */
void status_writer_look_again(struct status_writer *writer);
void status_writer_heard(struct status_writer *writer, enum object_kind kind,
                         struct slice namespace, struct slice name);
/* Writes in flight are abandoned; memory returns in the loop's close callbacks. NULL is fine. */
void status_writer_close(struct status_writer *writer);
