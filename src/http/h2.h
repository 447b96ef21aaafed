/* The server side of an HTTP/2 connection over nghttp2: bytes in, bytes out, no I/O, no clock.
 * Owned by one connection, used on its worker alone. Requests pass the same rules as in h1.h before
 * they come out. No window opens by itself: h2_consume gives credit once the bytes went on, and
 * response bytes are pulled frame by frame when the caller asks for output, so that a slow peer
 * holds at most one window (I36). Every flood has a budget (I35); over it the session sends GOAWAY
 * ENHANCE_YOUR_CALM and is done. CONNECT, extended CONNECT and push do not exist here. */
#pragma once

#include "http/message.h"

enum {
        H2_PREFACE_BYTES = 24,
};
extern const char h2_preface[H2_PREFACE_BYTES + 1]; /* RFC 9113, 3.4: for prior knowledge */

enum h2_code { /* RFC 9113, 7: what proxies send */
        H2_NO_ERROR = 0,
        H2_PROTOCOL_ERROR = 1,
        H2_INTERNAL_ERROR = 2,
        H2_REFUSED_STREAM = 7,
        H2_CANCEL = 8,
        H2_ENHANCE_YOUR_CALM = 11,
};

/* Counts are per budget_ms, refilled evenly. */
struct h2_limits {
        const struct http_limits *http;
        uint32_t streams;            /* SETTINGS_MAX_CONCURRENT_STREAMS */
        uint32_t stream_window;      /* SETTINGS_INITIAL_WINDOW_SIZE */
        uint32_t connection_window;  /* >= stream_window */
        uint32_t header_table_bytes; /* SETTINGS_HEADER_TABLE_SIZE */
        uint32_t header_list_bytes;  /* decoded, 32 a field (RFC 9113, 6.5.2) */
        uint32_t continuations;      /* frames of one header block */
        uint32_t queued_frames;      /* control frames waiting for a peer that does not read */
        uint32_t client_resets, server_resets, settings, pings, empty_data, priorities;
        uint32_t budget_ms;
        /* What still comes of a request behind the end of its answer, before it is reset. */
        uint32_t linger_bytes, linger_ms;
};
struct h2_limits h2_limits_default(const struct http_limits *http);

enum h2_pull {
        H2_PULL_DATA,  /* *len bytes were put */
        H2_PULL_LATER, /* none now: call h2_resume when there are */
        H2_PULL_END,   /* *len last bytes (or 0) were put; trailers may be set */
        H2_PULL_ABORT, /* the backend broke off: the stream is reset with INTERNAL_ERROR */
};

struct h2_session;

/* None runs before the call that caused it: h2_receive or h2_send_next. Within them the caller may
 * call every h2_ function but h2_receive, h2_send_next and h2_session_free.
 * A response that ends before its request is the stream's end to the caller, not to the session: it
 * lingers. What comes of the request is dropped, with credit, until it ends (answered by a PING) or
 * is over linger_bytes or linger_ms; then RST_STREAM(NO_ERROR) stops it (RFC 9113, 8.1). Right
 * behind the answer that reset makes clients lose it: curl 7.88 in half of the tries. */
struct h2_callbacks {
        /* A stream opens: the arena for its head and trailers, to live until on_stream_closed.
         * NULL refuses it (REFUSED_STREAM). */
        struct arena *(*on_stream_open)(int32_t id, void *self);
        /* The head is complete and lawful. `end`: no body follows (on_request_end still comes). */
        void (*on_request)(int32_t id, struct request_head *head, bool end, void *self);
        /* The head is not: answer with fault->status. No further request callback for this id. */
        void (*on_bad_request)(int32_t id, const struct http_fault *fault, void *self);
        void (*on_data)(int32_t id, struct slice data, void *self);
        /* The body is complete; trailers are uncleaned and may be empty. */
        void (*on_request_end)(int32_t id, struct header_list *trailers, void *self);
        /* Puts up to *len response bytes at `into`, sets *len, and with END may set *trailers. */
        enum h2_pull (*on_pull)(int32_t id, char *into, size_t *len,
                                const struct header_list **trailers, void *self);
        /* Always the last for its id, once for each on_stream_open; code 0 when all went well. */
        void (*on_stream_closed)(int32_t id, uint32_t code, void *self);
};

struct h2_session *h2_session_new(const struct h2_limits *limits,
                                  const struct h2_callbacks *callbacks, void *self);
void h2_session_free(struct h2_session *session); /* on_stream_closed runs for open streams */

/* Takes all bytes. False: feed nothing more, send what h2_send_next gives (the GOAWAY), close.
 * After a connection error that nghttp2 answers by itself it is still true, what comes is ignored,
 * and h2_finished turns true once the GOAWAY was sent: so look at both. */
bool h2_receive(struct h2_session *session, struct slice bytes, uint64_t now_ms);
/* Whether the preface, a frame but DATA or a field block has begun and not ended, and since which
 * now_ms: what a peer drips in must have a deadline (I34). */
bool h2_unfinished(const struct h2_session *session, uint64_t *since_ms);
/* The next bytes to send, empty when there are none now; they live until the next h2_ call. */
struct slice h2_send_next(struct h2_session *session, uint64_t now_ms);
/* Whether a stream lingers, and when to call h2_send_next at the latest so that it is reset. */
bool h2_lingers(const struct h2_session *session, uint64_t *until_ms);
bool h2_wants_send(const struct h2_session *session);
bool h2_finished(const struct h2_session *session);           /* nothing to read or write: close */
const char *h2_over_budget(const struct h2_session *session); /* "pings" and so on; NULL: none */

/* A final head with end false makes on_pull run; 1xx heads may precede it. False: no such stream.
 */
bool h2_respond(struct h2_session *session, int32_t id, const struct response_head *head, bool end);
void h2_resume(struct h2_session *session, int32_t id);            /* on_pull has bytes again */
void h2_consume(struct h2_session *session, int32_t id, size_t n); /* n bytes of on_data went on */
void h2_reset(struct h2_session *session, int32_t id, enum h2_code code);
/* Graceful: first the notice, a round trip later the final one, which refuses later streams. */
void h2_goaway_notice(struct h2_session *session);
void h2_goaway(struct h2_session *session, enum h2_code code);
