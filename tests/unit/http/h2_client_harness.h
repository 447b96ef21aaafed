/* A caller of h2_client that writes down what it is told, and a backend that speaks raw frames. */
#pragma once

#include "h2_harness.h"

#include "http/h2_client.h"

enum {
        CALLS_MAX = 256,
};

struct told { /* one call, as the caller saw it */
        struct h2_call call;
        struct arena arena;
        unsigned heads; /* 1xx included */
        struct response_head head;
        struct buffer data;
        struct header_list *trailers;
        bool ended, closed;
        enum h2_call_end end;
        struct slice body;
        size_t sent;
        bool body_open; /* more of the body may come */
};

struct world {
        struct http_limits http;
        struct h2_client_limits limits;
        struct h2_client *client;
        struct told *told;
        struct raw backend;
        struct buffer sent;
        uint64_t now_ms;
};

static inline void on_head(const struct response_head *head, void *self)
{
        struct told *told = self;
        assert_false(told->ended || told->closed);
        told->heads++;
        told->head = *head;
}

static inline void on_data(struct slice data, void *self)
{
        struct told *told = self;
        assert_true(told->heads > 0 && !told->ended && !told->closed);
        assert_true(buffer_append(&told->data, data));
}

static inline void on_end(struct header_list *trailers, void *self)
{
        struct told *told = self;
        assert_false(told->ended || told->closed);
        told->ended = true;
        told->trailers = trailers;
}

static inline enum h2_pull on_pull(char *into, size_t *len, const struct header_list **trailers,
                                   void *self)
{
        struct told *told = self;
        struct slice piece = slice_sub(told->body, told->sent, *len);
        (void)trailers;
        *len = piece.len;
        if (piece.len > 0)
                memcpy(into, piece.data, piece.len);
        told->sent += piece.len;
        if (told->sent == told->body.len && !told->body_open)
                return H2_PULL_END;
        return piece.len > 0 ? H2_PULL_DATA : H2_PULL_LATER;
}

static inline void on_closed(enum h2_call_end end, void *self)
{
        struct told *told = self;
        assert_false(told->closed);
        told->closed = true;
        told->end = end;
}

static const struct h2_call_callbacks callbacks = {on_head, on_data, on_end, on_pull, on_closed};

static inline void world_init(struct world *w)
{
        *w = (struct world){.http = http_limits_default(), .now_ms = 1000};
        w->limits = h2_client_limits_default(&w->http);
        w->told = memory_new(CALLS_MAX * sizeof(*w->told));
        for (size_t i = 0; i < CALLS_MAX; i++) {
                arena_init(&w->told[i].arena, 512);
                buffer_init(&w->told[i].data, RAW_MAX);
        }
        buffer_init(&w->backend.bytes, RAW_MAX);
        buffer_init(&w->sent, RAW_MAX);
        assert_int_equal(nghttp2_hd_deflate_new(&w->backend.deflater, 4096), 0);
}

static inline void world_start(struct world *w) /* limits may be changed before */
{
        w->client = h2_client_new(&w->limits);
        raw_frame(&w->backend, NGHTTP2_SETTINGS, 0, 0, SLICE_NONE);
        raw_frame(&w->backend, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, SLICE_NONE);
}

static inline void world_done(struct world *w)
{
        h2_client_free(w->client);
        for (size_t i = 0; i < CALLS_MAX; i++) {
                arena_done(&w->told[i].arena);
                buffer_done(&w->told[i].data);
        }
        raw_done(&w->backend);
        buffer_done(&w->sent);
        free(w->told);
}

static inline void flush(struct world *w)
{
        for (struct slice out; (out = h2_client_send_next(w->client)).len > 0;)
                assert_true(buffer_append(&w->sent, out));
}

/* Says what the backend wrote, and sends what comes of it. */
static inline bool say(struct world *w)
{
        flush(w);
        bool alive = h2_client_receive(w->client, buffer_slice(&w->backend.bytes), w->now_ms);
        buffer_clear(&w->backend.bytes);
        flush(w);
        return alive;
}

/* Behind the preface, as sent_code. */
static inline int64_t said_code(struct world *w, uint8_t type, uint32_t id)
{
        struct app app = {0};
        must(w->sent.len >= H2_PREFACE_BYTES);
        app.sent.data = w->sent.data + H2_PREFACE_BYTES;
        app.sent.len = w->sent.len - H2_PREFACE_BYTES;
        return sent_code(&app, type, id);
}

static inline struct request_head head_of(struct slice method)
{
        return (struct request_head){
                .method = method,
                .target = SLICE("/"),
                .authority = SLICE("a"),
                .framing = FRAMING_NONE,
        };
}

static inline struct told *ask(struct world *w, size_t i, struct slice method, bool end)
{
        struct told *told = &w->told[i];
        struct request_head head = head_of(method);
        const struct h2_request request = {
                .head = &head,
                .scheme = SLICE("http"),
                .end = end,
                .arena = &told->arena,
                .callbacks = &callbacks,
                .self = told,
        };
        if (!end)
                head.framing = FRAMING_CHUNKED;
        assert_true(h2_client_room(w->client) > 0);
        assert_true(h2_call_begin(&told->call, w->client, &request));
        flush(w);
        return told;
}

static inline struct told *get(struct world *w, size_t i)
{
        return ask(w, i, SLICE("GET"), true);
}
