/* The client side of an HTTP/2 connection over nghttp2: bytes in, bytes out, no I/O, no clock.
 * Owned by one connection to a backend, used on its worker alone. What h2.h promises of clients
 * holds for backends: heads pass the rules of h1.h's responses (I28, I29), a window opens only as
 * bytes are consumed, so that a slow client's response holds one (I36), and every flood has a
 * budget (I35); over it the session sends GOAWAY ENHANCE_YOUR_CALM and is done. A response that
 * breaks a rule ends its own call and no other. Push is off. */
#pragma once

#include "http/h2.h"

struct h2_client;

/* Counts are per budget_ms, refilled evenly. */
struct h2_client_limits {
        const struct http_limits *http;
        uint32_t streams;           /* at once, whatever the backend would take */
        uint32_t stream_window;     /* SETTINGS_INITIAL_WINDOW_SIZE */
        uint32_t header_list_bytes; /* decoded, 32 a field; over it the response is bad */
        uint32_t block_bytes;   /* decoded, of one field block; over it the connection is done */
        uint32_t continuations; /* frames of one field block */
        uint32_t queued_frames; /* control frames waiting for a peer that does not read */
        uint32_t informational; /* 1xx heads of one response */
        uint32_t peer_resets, own_resets, settings, pings, empty_data, priorities;
        uint32_t budget_ms;
};
struct h2_client_limits h2_client_limits_default(const struct http_limits *http);

enum h2_call_end {
        H2_CALL_WHOLE,  /* the response was told to its end */
        H2_CALL_UNSEEN, /* the backend has done nothing about it (RFC 9113, 8.7): it was refused, a
                         * GOAWAY leaves it out, or it never went. Any method may be tried again */
        H2_CALL_RESET,  /* the backend reset it */
        H2_CALL_BROKEN, /* the connection ended */
        H2_CALL_BAD,    /* the response broke a rule: call->fault, of status 502 */
};

/* All run inside h2_client_receive, h2_client_send_next or h2_client_free. Within them the caller
 * may call everything here but those three. */
struct h2_call_callbacks {
        /* 1xx heads, then the final one. What it says lives as long as the arena, *head for the
         * call of this function. */
        void (*on_head)(const struct response_head *head, void *self);
        void (*on_data)(struct slice data, void *self);
        /* The response is complete; trailers are uncleaned and may be empty. The request may still
         * be going out: whoever does not care for its rest cancels the call. */
        void (*on_end)(struct header_list *trailers, void *self);
        /* As on_pull of h2.h, for the request's body. */
        enum h2_pull (*on_pull)(char *into, size_t *len, const struct header_list **trailers,
                                void *self);
        /* Always the last, unless the caller cancelled. */
        void (*on_closed)(enum h2_call_end end, void *self);
};

enum h2_call_state {
        H2_CALL_HEAD,
        H2_CALL_BODY,
        H2_CALL_TRAILERS,
        H2_CALL_ENDED,
};

/* One request and its response. Embedded in the caller's, zeroed when none is under way. */
struct h2_call {
        struct h2_client *client; /* NULL: none is */
        struct h2_call *next, **link;
        const struct h2_call_callbacks *callbacks;
        void *self;
        int32_t id;
        enum h2_call_state state;
        struct arena *arena;
        struct response_head head;
        struct slice status;
        struct header_list trailers;
        struct http_fault fault;
        uint64_t body_bytes;
        size_t unconsumed;
        uint32_t informational;
        bool asked_head; /* the request was HEAD */
        bool sent;       /* its head went out */
};

struct h2_request { /* what it points to lives until the call has begun, the arena until its end */
        const struct request_head *head;
        struct slice scheme;
        bool end; /* no body follows */
        struct arena *arena;
        const struct h2_call_callbacks *callbacks;
        void *self;
};

struct h2_client *h2_client_new(const struct h2_client_limits *limits);
void h2_client_free(struct h2_client *client); /* on_closed runs for calls under way */

/* As h2_receive, h2_send_next and the others of h2.h. */
bool h2_client_receive(struct h2_client *client, struct slice bytes, uint64_t now_ms);
struct slice h2_client_send_next(struct h2_client *client);
bool h2_client_wants_send(const struct h2_client *client);
bool h2_client_finished(const struct h2_client *client);
const char *h2_client_over_budget(const struct h2_client *client);

/* How many calls may be under way at once, by both sides' will. */
size_t h2_client_streams(const struct h2_client *client);
/* How many calls more may begin now: none after a GOAWAY, or when the numbers are used up. */
size_t h2_client_room(const struct h2_client *client);
size_t h2_client_calls(const struct h2_client *client); /* under way */
/* Begins a call; there is room. False: nghttp2 takes no more, and nothing has begun. */
bool h2_call_begin(struct h2_call *call, struct h2_client *client,
                   const struct h2_request *request);
void h2_call_resume(struct h2_call *call);            /* on_pull has bytes again */
void h2_call_consume(struct h2_call *call, size_t n); /* n bytes of on_data went on */
void h2_call_cancel(struct h2_call *call);            /* at any time; no callback comes of it */
void h2_client_goaway(struct h2_client *client);      /* no more calls begin */
/* No more calls begin, for whatever reason; those under way may go on. */
bool h2_client_is_leaving(const struct h2_client *client);
void h2_client_ping(struct h2_client *client);
