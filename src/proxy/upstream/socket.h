/* One connection to a backend and the idle ones of its address: the insides of the pool. Private to
 * proxy/upstream. */
#pragma once

#include <netinet/in.h>

#include "base/digest.h"
#include "base/map.h"
#include "proxy/upstream/balance.h"
#include "proxy/upstream/dns.h"
#include "proxy/upstream/bytes.h"
#include "proxy/upstream/socket_tls.h"

enum {
        TARGET_KEY_MAX = sizeof(struct sockaddr_in6) + DIGEST_BYTES + 1
};

/* All connections to one address that may stand for each other: of one BackendTLSPolicy and what
 * was offered by ALPN, or in the clear. Goes when the last of them does. */
struct upstream_target {
        struct slice key; /* key_bytes */
        char key_bytes[TARGET_KEY_MAX];
        struct upstream_socket *idle; /* the last one used first */
        size_t idle_count;
        size_t leased;                  /* and connecting */
        struct upstream_shared *shared; /* those that take more members, the newest first */
        size_t requests;                /* their members */
        size_t streams;                 /* that the last one took at once; 0: not known yet */
        size_t closing;
};

enum socket_state {
        SOCKET_CONNECTING,
        SOCKET_HANDSHAKING, /* connected; TLS is not */
        SOCKET_LEASED,
        SOCKET_IDLE,
        SOCKET_CLOSED, /* waits for libuv to let go */
};

struct upstream_socket {
        struct upstream_pool *pool;
        struct upstream_target *target;
        struct upstream_lease *lease;         /* of all but IDLE and CLOSED */
        struct upstream_socket *next, **link; /* of IDLE, in the target's list */
        enum socket_state state;
        int fd;
        struct socket_tls *tls; /* NULL: in the clear */
        struct task task;       /* what TLS has already read is looked at in the next turn */
        int events;             /* that are polled for */
        int wanted;             /* that matter: a part of them */
        uv_poll_t poll;
        struct deadline deadline; /* to connect, or to be used again */
};

struct upstream_pool {
        struct upstream_options options;
        struct task_queue tasks;
        struct dns *dns;
        struct map targets;
        struct balance balance;
        struct upstream_shared *shared; /* all of them */
        size_t idle_count;
        size_t leased_count;         /* in use, and connecting */
        size_t open_handles;         /* sockets and the task queue's two */
        on_pool_closed_fn on_closed; /* not NULL: it is closing */
        void *self;
};

struct upstream_target *target_find(struct upstream_pool *pool, const struct backend *backend,
                                    const struct sockaddr_storage *address);
/* When nothing is left that needs it. */
void target_drop_unused(struct upstream_pool *pool, struct upstream_target *target);
/* Starts connecting. NULL: the machine said no at once. */
struct upstream_socket *socket_connect(struct upstream_lease *lease);
/* A kept connection that is still quiet, or NULL. */
struct upstream_socket *socket_reuse(struct upstream_lease *lease);
/* As upstream_send and upstream_receive. */
ssize_t socket_send(struct upstream_socket *socket, struct slice bytes);
ssize_t socket_receive(struct upstream_socket *socket, char *into, size_t room);
void socket_keep(struct upstream_socket *socket);
void socket_close(struct upstream_socket *socket);
/* What vouched for the backend when it was connected still does; in the clear nothing did. */
bool socket_is_trusted(const struct upstream_socket *socket);
void pool_handle_closed(struct upstream_pool *pool);

void socket_want(struct upstream_socket *socket, int events);

/* In pool.c: what became of connecting. */
void lease_connected(struct upstream_lease *lease);
void lease_connect_failed(struct upstream_lease *lease, enum upstream_failure failure);

/* In pool.c, for shared.c: */
/* `lease` is to have a connection of its own to where `member` goes, and no second try. */
void lease_connect_to(struct upstream_lease *lease, const struct upstream_lease *member,
                      const struct upstream_callbacks *callbacks, void *self);
void lease_ready_later(struct upstream_lease *lease);
/* One connection more would be too many: counted as refused. */
bool lease_is_over_limit(const struct upstream_lease *lease);
/* One more try, where there is somewhere else to go. */
void lease_elsewhere(struct upstream_lease *lease, enum upstream_failure failure);
void lease_tls_failed(struct upstream_lease *lease, enum reason reason);
