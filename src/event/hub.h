/* What a sink and the hub are made of; for emit.c and hub.c alone. */
#pragma once

#include <stdatomic.h>

#include "event/emit.h"
#include "event/fold.h"
#include "event/ring.h"

enum fold_of {
        FOLD_HANDSHAKES,
        FOLD_REQUESTS,
        FOLD_CONNECTIONS,
        FOLD_COUNT
};

struct event_sink {
        struct event_hub *hub;
        unsigned index;
        struct event_ring *ring, *accepts;
        bool unread; /* written to since the last turn */
        struct fold folds[FOLD_COUNT][REASON_COUNT];
        int64_t folds_due_second; /* a fold of this second waits to be told; 0: none */
        _Alignas(64) struct worker_counters counters;
};

struct event_hub {
        size_t sink_count; /* workers and control */
        struct event_sink **sinks;
        int fd;              /* eventfd */
        _Atomic bool asleep; /* the consumer waits on fd, or is about to */
};

/* Wall clock in milliseconds, for records whose caller has no time at hand. */
int64_t event_now_ms(void);
void event_hub_wake(struct event_hub *hub);
