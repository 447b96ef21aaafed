/* The insides of a tunnel, private to the tunnel*.c files. */
#pragma once

#include "proxy/upstream/bytes.h"
#include "proxy/tunnel.h"
#include "proxy/upstream/stream.h"

enum tunnel_state {
        TUNNEL_CONNECTING, /* nothing of the client is read */
        TUNNEL_OPEN,
};

/* One direction. Towards the client the bytes that wait are the connection's `out`. */
struct tunnel_way {
        uint64_t bytes; /* taken so far */
        bool ended;     /* its source says no more */
        bool passed_on; /* and its target knows */
};

struct tunnel {
        struct connection *connection;
        enum tunnel_state state;
        struct upstream_lease lease;
        struct snapshot *snapshot; /* one reference; NULL once connected */
        struct buffer to_backend;
        struct tunnel_way up, down; /* to the backend, to the client */
        bool moved;                 /* since the deadline was set */
        bool introduces;            /* the backend's first bytes say who the client is */

        /* Of a WebSocket; else empty. */
        struct arena arena; /* of the request */
        const struct request_head *asked;
        int64_t valid_until; /* of what its route's pins said last */

        /* For the record, in the connection's arena. */
        const char *protocol; /* "tcp", "tls", "websocket" */
        const char *fault;    /* NULL: none */
        struct slice route, request_id;
        struct event_address upstream;
        uint64_t opened_ms;
        int64_t time_ms;
};

/* ---- tunnel.c ---- */
struct tunnel *tunnel_new(struct connection *connection, const char *protocol);
extern const struct upstream_callbacks tunnel_upstream_side;

/* ---- tunnel_bytes.c ---- */
enum tunnel_progress {
        TUNNEL_GOES_ON,
        TUNNEL_IS_OVER, /* both sides have said all, and know it of each other */
        TUNNEL_CLIENT_BROKE,
        TUNNEL_BACKEND_BROKE,
};
/* All that can be moved now; tells both sides' polls what is waited for. */
enum tunnel_progress tunnel_move(struct tunnel *tunnel);
