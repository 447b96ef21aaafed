/* Who of the replicas leads, and what each of them serves: Leases (coordination.k8s.io/v1) in our
 * namespace, on the control thread's loop.
 *
 * `pingate-leader` is held by one replica, which alone writes statuses, Events and Services. It is
 * renewed each 2 s; whoever finds it unchanged for 13 s by its own clock takes it (no two clocks
 * are ever compared), and a leader that could not renew it for 10 s no longer leads. What it writes
 * beside that must still be safe if two do it for a moment: a suspended process does not know.
 *
 * `pingate-IDENTITY` says what a replica serves, from its first lease_serve on; it is renewed each
 * 5 s and counts as live while it is seen to change within 13 s. One that is not is of a replica
 * that died, or was cut off and serves what it last heard of: until it is gone nobody knows. */
#pragma once

#include <uv.h>

#include "base/digest.h"
#include "control/kube/client.h"
#include "event/emit.h"

#define LEASE_REPLICA_LABEL         "pingate.dev/replica" /* "true" */
#define LEASE_DIGEST_ANNOTATION     "pingate.dev/served-digest"
#define LEASE_GENERATION_ANNOTATION "pingate.dev/generation"

struct lease;

struct lease_options {
        uv_loop_t *loop;
        struct kube_client *client;       /* stays open until on_closed */
        struct slice namespace, identity; /* copied; identity is the replica's own name */
        struct slice pod_uid;    /* copied; of the Pod that identity names. Empty: it is none */
        struct event_sink *sink; /* NULL: says nothing */
        void *self;
        /* Whenever it changes; at first we do not lead. Never before lease_open has returned. */
        void (*on_leading)(bool leading, void *self);
        /* What lease_replicas says may have changed. Only while we lead; NULL is fine. */
        void (*on_replicas)(void *self);
};

struct lease *lease_open(const struct lease_options *options);
/* Lets go of the leadership, so that the next takes it within a second, and deletes our own lease:
 * 2 s at most, then on_closed (NULL is fine). None of the others runs from now on. */
void lease_close(struct lease *lease, void (*on_closed)(void *self));

/* By the clock, not only by what was told: false once it could not be renewed for 10 s. */
bool lease_leads(const struct lease *lease);

/* What this replica serves from now on; written at once, at most five times a second. */
void lease_serve(struct lease *lease, const struct digest *digest, uint64_t generation);

struct lease_replicas {
        /* False: the replicas can't be seen, or we do not lead. Then nothing may be said of them,
         * least of all that they agree. */
        bool known;
        size_t live;     /* this one among them, once it serves */
        size_t agreeing; /* of the live: those that serve `digest` */
        size_t silent;   /* not live, not gone, and may serve another */
        /* One of the live that does not, and one of the silent: the Lease's name; empty: none. Good
         * for the turn. */
        struct slice behind, unheard;
};

struct lease_replicas lease_replicas(const struct lease *lease, const struct digest *digest);
