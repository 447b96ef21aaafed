/* One request to a backend and its response, over whatever the pool gives: the backend's side of an
 * exchange. It knows leases and framing and nothing of gates, filters, records, deadlines or second
 * tries; those are the exchange's (exchange.h), which knows no protocol. Embedded in the exchange,
 * zeroed when there is none. Bodies are handed over without framing: the request's waits in
 * `struct request_body` until it went, the response's is pulled. */
#pragma once

#include "base/buffer.h"
#include "proxy/backend_call_parts.h"

struct backend_call;
struct call_kind; /* backend_call_kind.h: HTTP/1.1, HTTP/2 */

/* What the client said behind its head. The exchange appends, the call moves `sent`; bytes in front
 * of it stay there until the exchange lets go of them: for a second try. */
struct request_body {
        struct buffer bytes;
        size_t sent;                  /* of bytes: taken by the call */
        bool ended;                   /* nothing more comes */
        struct header_list *trailers; /* cleaned; NULL: none */
};

enum call_moved { /* ORed */
        CALL_SENT = 1,
        CALL_CAME = 2 /* bytes, or the end of them: ask for heads, pull */
};

/* None runs before backend_call_open has returned. on_ready and on_failed may close the call;
 * on_moved may not, it can come out of the middle of reading. */
struct backend_call_callbacks {
        void (*on_ready)(void *self); /* connected: call->lease says to whom */
        void (*on_failed)(enum upstream_failure failure, void *self); /* the call is over */
        void (*on_moved)(unsigned moved, void *self);
};

struct backend_call_start { /* what it points to outlives the call */
        struct upstream_pool *pool;
        const struct backend *backend;
        const struct request_head *head; /* as the backend is to have it */
        struct request_body *body;
        const struct http_limits *limits; /* for what the backend says */
        struct arena *arena;              /* gets heads and trailers */
        size_t window_bytes; /* of a response body that nobody pulls; over HTTP/2 h2_client.h says
                              */
        const struct backend_call_callbacks *callbacks;
        void *self;
        bool fresh;                   /* take no kept connection */
        const struct endpoint *avoid; /* another endpoint, if there is one; NULL: any */
};

struct backend_call {
        struct backend_call_start start;
        const struct call_kind *kind; /* NULL: not connected */
        struct upstream_lease lease;
        struct http_fault fault; /* why a head or a pull was bad */
        bool any;                /* a byte came: the backend has seen the request */
        bool sent;               /* a byte of the request went */
        bool deaf;               /* the backend takes no more of it */
        bool unseen;             /* it did nothing about the request: any may be tried again */
        union {                  /* by kind */
                struct call_h1 h1;
                struct call_h2 h2;
        };
};

void backend_call_open(struct backend_call *call, const struct backend_call_start *start);
bool backend_call_is_open(const struct backend_call *call);
/* Connected: sends the head. False: it is too big for anybody. */
bool backend_call_begin(struct backend_call *call);
/* Whether the endpoint did its part: what is wrong with connecting is known without. */
void backend_call_tell(const struct backend_call *call, bool well);
/* Not one byte of the request went. */
bool backend_call_is_unsent(const struct backend_call *call);
/* As much of the request as goes now. True: something went. */
bool backend_call_send(struct backend_call *call);
/* Bytes that the call took and that still wait to go. */
size_t backend_call_unsent(const struct backend_call *call);

enum call_head {
        CALL_HEAD_LATER,
        CALL_HEAD_DONE,   /* *head is one: informational, or the final one */
        CALL_HEAD_BAD,    /* call->fault, of status 502 */
        CALL_HEAD_CLOSED, /* the backend closed before the head was whole */
};
enum call_head backend_call_head(struct backend_call *call, struct response_head *head);
/* As on_pull of http/h2.h. ABORT: call->fault says why; what was put before it is in *len. */
enum h2_pull backend_call_pull(struct backend_call *call, char *into, size_t *len,
                               struct header_list **trailers);
/* Whether response bytes wait that were not pulled. */
bool backend_call_has_input(const struct backend_call *call);
/* Tells the loop what to wait for; behind everything that sent, asked for heads or pulled. */
void backend_call_watch(struct backend_call *call);
/* Behind a 101: its connection is somebody else's from here on, as is what came on it behind the
 * head. */
void backend_call_hand_over(struct backend_call *call, struct upstream_lease *to,
                            const struct upstream_callbacks *callbacks, void *self,
                            struct buffer *came);
/* Ends it, at any time; none is fine. `whole`: the response was read to its end. The connection is
 * kept if the request ended cleanly as well (I30). */
void backend_call_close(struct backend_call *call, bool whole);
