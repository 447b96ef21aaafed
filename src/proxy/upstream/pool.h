/* Connections to backends: one pool a worker, keyed by address and by what a BackendTLSPolicy says
 * (the digest of it), so that none that was made under one policy serves under another. An exchange
 * leases a connection for one request and its response and gives it back; it is kept for reuse only
 * if both messages ended cleanly (I30), and any byte or event on a kept one ends it. Bounded in
 * all: connections kept, names remembered, time to connect, time kept idle.
 *
 * Over HTTP/2 (backend.protocol) requests share a connection as its streams; another is made when
 * all that there are have no room.
 *
 * Of a backend's endpoints the least busy of two that are drawn is taken (balance.h). When
 * connecting fails, one other endpoint is tried. Endpoints with a dns_name are resolved
 * by getaddrinfo off the loop; the answer is kept for dns_ttl_ms. */
#pragma once

#include <sys/types.h>

#include "base/reason.h"
#include "proxy/upstream/options.h"
#include "proxy/upstream/tasks.h"
#include "snapshot/snapshot.h"

struct endpoint_record;
struct upstream_pool;
struct upstream_shared;
struct upstream_socket;

typedef void (*on_pool_closed_fn)(void *self);

struct upstream_pool *upstream_pool_open(const struct upstream_options *options);
/* No lease may be left. Ends idle connections; memory goes before on_closed runs. */
void upstream_pool_close(struct upstream_pool *pool, on_pool_closed_fn on_closed, void *self);
struct task_queue *upstream_pool_tasks(struct upstream_pool *pool);

enum upstream_failure {
        UPSTREAM_NO_ENDPOINT,     /* none at all: 503 */
        UPSTREAM_NO_ADDRESS,      /* the name did not resolve: 503 */
        UPSTREAM_OVER_LIMIT,      /* too many connections are in use: 503 */
        UPSTREAM_CONNECT_FAILED,  /* 502 */
        UPSTREAM_CONNECT_TIMEOUT, /* 504 */
        UPSTREAM_NO_HTTP2,        /* 502: ALPN chose something else */
        UPSTREAM_TLS_FAILED,      /* 502: the backend is not who it must be, or speaks no TLS */
};
/* The fault of an UPSTREAM_TLS_FAILED, for the access log: "backend_untrusted". */
const char *upstream_tls_fault(enum reason reason);

/* None runs before upstream_lease has returned. Each may give the lease back. */
struct upstream_callbacks {
        void (*on_ready)(void *self); /* connected: lease->reused says whether for the first time */
        void (*on_failed)(enum upstream_failure failure, void *self); /* the lease is over */
        void (*on_event)(void *self); /* wanted reading or writing may do something now */
};

struct dns_wait {
        struct dns_wait *next, **link;
};

/* One request's claim to a connection. Embedded in the exchange, zeroed when there is none. */
struct upstream_lease {
        struct upstream_pool *pool; /* NULL: no lease */
        const struct backend *backend;
        const struct upstream_callbacks *callbacks;
        void *self;
        struct upstream_socket *socket; /* NULL while a name is looked up */
        struct sockaddr_storage address;
        const struct endpoint *endpoint;
        struct endpoint_record *record; /* of the endpoint: one of the requests under way there */
        size_t attempt;                 /* 0, 1 */
        bool reused;
        /* Asked for, before upstream_lease: */
        bool fresh;                   /* take no kept connection */
        const struct endpoint *avoid; /* go elsewhere if there is another; NULL: anywhere */
        enum upstream_failure failure;
        enum reason tls_reason; /* of UPSTREAM_TLS_FAILED; told when the lease is over, too */
        struct task task;
        struct dns_wait wait;
        /* Of HTTP/2: a share in a connection, for one call. */
        bool shares, call_begun;
        struct upstream_shared *shared; /* NULL: it has ended */
        struct upstream_lease *member_next, **member_link;
};

/* The lease is zeroed but for what is asked for. */
void upstream_lease(struct upstream_lease *lease, struct upstream_pool *pool,
                    const struct backend *backend, const struct upstream_callbacks *callbacks,
                    void *self);
/* What became of a request on it: the endpoint did its part, or failed (502, 503, 504). That it
 * could not be connected to is known without. */
void upstream_tell(const struct upstream_lease *lease, bool well);
/* Ends it, at any time. reusable: both messages ended cleanly. No lease is fine. */
void upstream_release(struct upstream_lease *lease, bool reusable);
bool upstream_leased(const struct upstream_lease *lease);

/* The worker's fast generator (splitmix64): for balance and for names of requests, not secrets. */
uint64_t random_next(uint64_t *state);
