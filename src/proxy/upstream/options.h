/* What a pool of connections to backends is told at its beginning: by the worker, of its limits. */
#pragma once

#include <uv.h>

#include "base/wheel.h"
#include "event/counters.h"

struct event_sink;
struct path_cache;

struct upstream_options { /* what it points to outlives the pool */
        uv_loop_t *loop;
        struct wheel *wheel;
        const uint64_t *now_ms;
        struct worker_counters *counters;
        uint64_t *random_state;
        uint64_t connect_ms_max, idle_ms_max, dns_ttl_ms;
        size_t worker;                 /* whose pool it is: TLS contexts are a worker's own */
        struct path_cache *path_cache; /* that worker's; may be NULL */
        size_t idle_max;               /* kept in all */
        size_t idle_endpoint_max;      /* of them, to one address */
        /* Names that resolve to loopback or link-local addresses: a name must not reach what
         * listens only for us, but in files mode, where whoever wrote the file may. */
        bool local_names;
        size_t connections_max;          /* in use, in all; over it: UPSTREAM_OVER_LIMIT */
        size_t endpoint_connections_max; /* of them, to one address */
        unsigned failures_max;           /* in a row; then it is passed over */
        uint64_t eject_ms, eject_ms_max; /* for so long, the first time and at most */
        struct event_sink *sink;         /* hears of that; NULL: nobody does */
};
struct upstream_options upstream_options_default(void); /* no pointers */
