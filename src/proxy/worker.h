/* One worker: a thread with its own loop, sockets, path cache, upstream pool and connections. It
 * shares the snapshot, which is frozen, and the count of connections by address, where that is
 * limited, and nothing else. Once a loop turn it adopts the newest
 * generation, runs its deadlines, lets connections that asked for it go on, and wakes the observer.
 * Everything in here is used on this thread alone, but for worker_wake. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/wheel.h"
#include "event/emit.h"
#include "proxy/address_counts.h"
#include "proxy/exchange.h"
#include "proxy/limits.h"
#include "proxy/mirror.h"
#include "proxy/listener/acceptor.h"
#include "proxy/upstream/pool.h"
#include "snapshot/publish.h"
#include "trust/path_cache.h"

struct connection;

enum {
        SCRATCH_BYTES = 64 * 1024
};

enum worker_order {
        ORDER_SERVE,
        ORDER_DRAIN,
        ORDER_STOP
};

struct worker {
        /* Set before the thread starts, then only read. */
        size_t index;
        const struct limits *limits;
        struct publisher *publisher;
        struct event_sink *sink;
        struct listener_set *listeners;   /* sockets opened by control, accepted from here */
        struct address_counts *addresses; /* of all workers; NULL: not limited */
        bool strict_audit;
        pthread_t thread;
        _Atomic int order; /* enum worker_order; written by others */
        uv_async_t wake;

        /* This thread's own. */
        uv_loop_t loop;
        uv_prepare_t prepare;
        uv_check_t check;
        uv_idle_t spin; /* active while connections are ready: the loop may not sleep */
        uv_idle_cb on_spin;
        uv_timer_t tick;
        struct deadline grace;       /* of a drain: then all connections are closed */
        struct acceptors *acceptors; /* of the adopted generation's ports */
        struct wheel wheel;
        uint64_t now_ms;
        struct slice date; /* IMF-fixdate of this second */
        char date_text[32];
        int64_t date_s;
        uint64_t random_state, next_connection;
        struct snapshot *snapshot;  /* the generation that is served; NULL before the first */
        unsigned long long retried; /* of the listener set, when sockets were last looked for */
        struct worker_counters *counters;
        struct path_cache *cache;
        struct upstream_pool *pool;
        struct exchange_env env;
        struct mirrors mirrors;
        struct connection *connections; /* all that are open */
        struct connection *oldest_handshake, *newest_handshake;
        struct connection *ready, **ready_end; /* go on in this turn */
        struct connection *sweep; /* from here on not yet judged by the adopted generation */
        struct connection *due;   /* to be judged because the time of their verdict is over */
        uint32_t cuts;            /* in this generation: spreads their ends over the grace */
        size_t connection_count, handshake_count, handshake_steps;
        bool draining;
        bool ending;                 /* no connection is left, and handles are being closed */
        char scratch[SCRATCH_BYTES]; /* every read goes here first */
};

struct worker_options {
        size_t index;
        const struct limits *limits;
        struct publisher *publisher;
        struct event_hub *hub;
        struct listener_set *listeners;
        struct address_counts *addresses; /* outlives the worker; may be NULL */
        bool strict_audit;
        bool local_names; /* see upstream/pool.h */
};

struct worker *worker_start(const struct worker_options *options, struct error *err);
/* Any thread: a generation was published, or the order changed. */
void worker_wake(struct worker *worker);
void worker_give_order(struct worker *worker, enum worker_order order);
/* Waits until its thread has ended, and frees it. */
void worker_join(struct worker *worker);
