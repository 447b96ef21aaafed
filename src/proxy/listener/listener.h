/* The listening sockets of all workers: one SO_REUSEPORT socket for each worker and port, so that
 * the kernel spreads connections and no lock is shared. Opened by the control thread before a
 * snapshot is published, so that an address that can't be bound is told in time; sockets of ports
 * that stay are kept across generations, and no connection in their queues is lost. A port that
 * can't be bound takes nothing from the others: it is a fault until trying again succeeds. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"
#include "base/vec.h"
#include "snapshot/snapshot.h"

enum {
        LISTEN_BACKLOG = 1024
};

struct listener_socket {
        struct sockaddr_storage address;
        char text[80];
        int fd;
        bool taken; /* by its worker, who releases it */
};

/* A port that has no sockets, and why. */
struct listener_fault {
        char text[80]; /* of the port */
        int error;     /* errno of socket(2), bind(2) or listen(2) */
};

struct listener_faults {
        size_t count;
        const struct listener_fault *items;
};

struct listener_set {
        pthread_mutex_t lock; /* control adds and removes, each worker looks once a generation */
        size_t workers;
        VEC(struct listener_socket) * sockets; /* one list a worker */
        VEC(struct listener_fault) faults;     /* of the newest snapshot's ports */
        atomic_ullong
                retried; /* with success: a worker that sees it grow looks for sockets again */
};

struct listener_set *listener_set_new(size_t workers);
void listener_set_free(struct listener_set *set); /* closes what is left */

/* Control: opens what the snapshot needs and is not open, all of a port's sockets or none; what
 * could not be opened is a fault. Sockets that no worker took before their port went are closed:
 * nobody would ever accept from them. */
void listener_set_prepare(struct listener_set *set, const struct snapshot *snapshot);
/* Control: tries the faults of the snapshot that is published again. True: they are fewer. */
bool listener_set_retry(struct listener_set *set, const struct snapshot *snapshot);
/* Control: good until the next of these calls. */
struct listener_faults listener_set_faults(const struct listener_set *set);
/* A worker: its socket for a port, or -1. The worker owns the descriptor's events, the set the
 * descriptor, until listener_set_release. */
int listener_set_find(struct listener_set *set, size_t worker, const struct port *port);
/* A worker, when the port is gone or it drains: closes its socket. */
void listener_set_release(struct listener_set *set, size_t worker, int fd);
