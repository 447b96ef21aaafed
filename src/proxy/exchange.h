/* One request and its response, from the head that a client connection read to the last byte that
 * it pulled. The connection (h1 or h2, see connection.h) owns it; the exchange owns its upstream
 * side. It holds one reference on the snapshot that was current when the head was complete (a
 * request sees exactly one generation). Bodies stream both ways within bounded buffers: request
 * bytes are acknowledged by on_consumed once they went on, response bytes wait until the connection
 * pulls. Callbacks never run before the call that made the exchange has returned. All on one
 * worker.
 *
 * Every callback comes from the pool's task queue, so behind polling in the same loop turn and out
 * of no call of the connection's: in each of them the connection may call anything here, closing
 * included. After on_head the connection pulls; only when a pull said LATER does on_readable come.
 * Expect: 100-continue is answered by us, by on_continue, once a backend is connected and while no
 * byte of the body has come: it is not sent on, and the backend's own 100 is dropped. */
#pragma once

#include "base/buffer.h"
#include "event/emit.h"
#include "http/h2.h"
#include "http/message.h"
#include "proxy/upstream/pool.h"
#include "snapshot/snapshot.h"
#include "trust/judge.h"

struct exchange;
struct mirrors; /* mirror.h */

enum {
        /* The connection hands in at most this much request data that on_consumed has not
         * acknowledged (h2: its stream window). Far more than that is a fault of ours: 500. */
        EXCHANGE_WINDOW_BYTES = 64 * 1024,
};

/* What the worker lends to every exchange on it. */
struct exchange_env {
        uv_loop_t *loop;
        struct wheel *wheel;
        struct upstream_pool *pool;
        struct event_sink *sink;
        const uint64_t *now_ms;   /* the loop's monotonic time */
        const struct slice *date; /* IMF-fixdate, kept by the worker */
        /* I34: from head to the last byte; silence before the response's head; behind it. Where the
         * rule has timeouts, those hold instead for what the backend does. */
        uint64_t request_ms_max, response_ms_max, body_progress_ms_max;
        uint64_t *random_state;
        struct mirrors *mirrors; /* the worker's */
};

/* What the connection knows; lives as long as the connection. */
struct exchange_client {
        const struct header_list *identity; /* NULL: the port asks for no certificate */
        unsigned forward;                   /* what of a verified client it shows */
        const struct standing *standing;    /* NULL: as above */
        const struct chain *chain;          /* NULL: none was presented */
        struct slice client_name, scheme, tls_server_name;
        struct event_address peer;
        uint64_t connection;
        const char *protocol; /* "1.1", "2" */
};

struct exchange_callbacks {
        /* 1xx heads, then the final one. `end`: no body follows. */
        void (*on_head)(struct exchange *exchange, const struct response_head *head, bool end,
                        void *self);
        void (*on_readable)(struct exchange *exchange,
                            void *self); /* exchange_pull has something */
        void (*on_consumed)(struct exchange *exchange, size_t bytes,
                            void *self);                            /* of request data */
        void (*on_continue)(struct exchange *exchange, void *self); /* send 100 Continue */
};

struct exchange_start {
        const struct exchange_env *env;
        const struct exchange_client *client;
        const struct exchange_callbacks *callbacks;
        void *self;
        struct snapshot *snapshot; /* the exchange takes a reference of its own */
        const struct port *port;
        const struct listener *listener; /* that SNI chose, or NULL on a plain port */
        struct request_head *head;       /* in `arena` */
        struct arena *arena;             /* the exchange's memory; the connection's to reset */
        bool end;                        /* the request has no body */
};

/* Decides (421, 404, 403, 500, 503) or goes to a backend; either way the answer comes by callback.
 */
struct exchange *exchange_open(const struct exchange_start *start);
/* An answer of our own for a message that could not be read (400, 431, …), logged like any other.
 */
struct exchange *exchange_open_fault(const struct exchange_start *start,
                                     const struct http_fault *fault);
/* How long it can still take, until its answer has gone out too; for the connection's own deadline.
 */
uint64_t exchange_left_ms(const struct exchange *exchange);
void exchange_request_data(struct exchange *exchange, struct slice data);
void exchange_request_end(struct exchange *exchange, struct header_list *trailers);
/* The rest of the request can't be read: the backend never takes it for complete, and the client
 * gets the fault's status if it has no head yet, else an ABORT. Hand in nothing after this. */
void exchange_request_broken(struct exchange *exchange, const struct http_fault *fault);
/* As on_pull of http/h2.h; *trailers may be set with END. */
enum h2_pull exchange_pull(struct exchange *exchange, char *into, size_t *len,
                           const struct header_list **trailers);
/* What a 101 leaves behind. */
struct exchange_switched {
        struct slice request_id, route;   /* in the exchange's memory */
        const struct request_head *asked; /* too: as it came, before any filter */
        struct event_address upstream;
        int64_t valid_until; /* of the pins of route and rule that let the request in… */
        uint64_t generation; /* …in this generation */
        struct buffer came;  /* from the backend, behind its head; the taker's to free */
};
/* After on_head said 101: gives the backend's connection away and ends the exchange. */
void exchange_hand_over(struct exchange *exchange, struct upstream_lease *to,
                        const struct upstream_callbacks *callbacks, void *self,
                        struct exchange_switched *out);
/* The backend side is over and done; nothing of the request is wanted any more (h1: if the request
 * body is not complete by then, the connection can't be reused). */
bool exchange_request_unread(const struct exchange *exchange);
/* Ends it, whole or broken off (client gone), and writes the access record. The exchange's memory
 * is the arena's: reset it only after this. */
void exchange_close(struct exchange *exchange);
