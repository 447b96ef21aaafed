/* Accepting on one worker: a poll handle for each port of the adopted generation. At most
 * ACCEPT_BATCH connections a port and loop turn, so that a storm of them does not starve those that
 * are open. Out of descriptors or memory it pauses instead of spinning, and goes on by itself
 * (I37). Owned by one worker, used on its thread alone. */
#pragma once

#include <uv.h>

#include "base/wheel.h"
#include "event/counters.h"
#include "proxy/listener/listener.h"

enum {
        ACCEPT_BATCH = 16,
        ACCEPT_PAUSE_MS = 100,
};

/* Takes the descriptor. */
typedef void (*on_accept_fn)(size_t port, int fd, const struct sockaddr *peer, void *self);

struct acceptors_env { /* lives as long as the acceptors */
        uv_loop_t *loop;
        struct wheel *wheel;
        const uint64_t *now_ms;
        struct worker_counters *counters;
        struct listener_set *listeners;
        size_t worker;
        on_accept_fn on_accept;
        void *self;
};

struct acceptors;

struct acceptors *acceptors_new(const struct acceptors_env *env);
/* Accepts on the ports of this generation that have sockets; those that stay are not touched,
 * sockets of those that went are closed. False: one can't be watched, though all others are. */
bool acceptors_adopt(struct acceptors *acceptors, const struct snapshot *snapshot);
/* Accepts what waits in the queues (I45), then closes all sockets. */
void acceptors_close(struct acceptors *acceptors);
/* After acceptors_close, when the loop has ended. */
void acceptors_free(struct acceptors *acceptors);
