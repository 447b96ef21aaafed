/* What of a status an operator should see as an Event at the object as well: pins that are not in
 * force, policies that lose a conflict, references that lead nowhere, ports that can't be bound.
 * What passes by itself (Pending) and what was asked for (ReportOnly) is none. Pure. */
#pragma once

#include "control/translate/status.h"

enum {
        STATUS_EVENTS_MAX = 8 /* of one object */
};

struct status_event {
        const char *reason;
        struct slice text; /* the status's own, or the arena's */
};

/* How many were put into `out`, each text once. */
size_t status_events(const struct object_status *status,
                     struct status_event out[static STATUS_EVENTS_MAX], struct arena *arena);
