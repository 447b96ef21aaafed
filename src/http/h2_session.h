/* The insides of an HTTP/2 session, shared by h2.c (the connection) and h2_stream.c (what one
 * stream says); private to http/. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "http/h2.h"
#include "http/h2_budget.h"
#include "http/h2_frames.h"

enum h2_stream_state {
        H2_STREAM_HEAD,     /* its first field block comes in */
        H2_STREAM_BODY,     /* the caller has the head; data goes to it */
        H2_STREAM_TRAILERS, /* the last field block comes in */
        H2_STREAM_ENDED,    /* the caller has the whole request */
        H2_STREAM_LINGERS,  /* answered before it ended: dropped with credit, within limits */
        H2_STREAM_REFUSED,  /* told of a fault, or to be reset; what still comes is dropped */
};

struct h2_stream {
        struct h2_stream *next, **link; /* in session->streams */
        int32_t id;
        enum h2_stream_state state;
        struct arena *arena; /* the caller's, until on_stream_closed; NULL behind it */
        struct request_head head;
        struct header_list trailers;
        struct slice path, authority; /* pseudo-headers that the head has other words for */
        struct http_fault fault;      /* of the head; status 0 while there is none */
        size_t unconsumed;            /* DATA bytes the caller has not given credit for */
        size_t linger_left;           /* DATA bytes that may still come, lingering */
        uint64_t linger_ends_ms;
        bool reset_by_us; /* the reset to come was not made by the client's doing */
};

struct h2_session {
        nghttp2_session *nghttp2;
        struct h2_limits limits;
        const struct h2_callbacks *callbacks;
        void *self;
        struct h2_stream *streams;
        struct h2_frames frames;
        struct h2_budgets budgets;
        uint64_t now_ms;         /* of the last h2_receive or h2_send_next */
        size_t lingering;        /* streams that do */
        uint64_t linger_ends_ms; /* of none of them earlier */
        size_t block_bytes;      /* of the field block that comes in, decoded */
        const char *over;        /* the budget that was overdrawn, or NULL */
};

/* 0, or NGHTTP2_ERR_CALLBACK_FAILURE with session->over set: made to be returned by callbacks. */
int h2_budget_spend(struct h2_session *session, enum h2_budget budget);
int h2_overdraw(struct h2_session *session, const char *what);

/* h2_stream.c. `stream` NULL where nghttp2 knows a stream that the caller refused. */
struct h2_stream *h2_stream_find(const struct h2_session *session, int32_t id);
void h2_stream_open(struct h2_session *session, int32_t id);
void h2_stream_close(struct h2_session *session, struct h2_stream *stream, uint32_t code);
void h2_stream_field(struct h2_session *session, struct h2_stream *stream, struct slice name,
                     struct slice value);
void h2_stream_head_end(struct h2_session *session, struct h2_stream *stream, bool end);
void h2_stream_end(struct h2_session *session, struct h2_stream *stream);
bool h2_stream_is_dropped(const struct h2_stream *stream);
/* The answer is out and the request is not whole: the caller is done with it. */
void h2_stream_linger(struct h2_session *session, struct h2_stream *stream);
/* len bytes of DATA that nobody wants. */
void h2_stream_drop(struct h2_session *session, struct h2_stream *stream, size_t len);
void h2_linger_sweep(struct h2_session *session); /* resets those whose time is over */
