/* A caller of h2_session that writes down what it is told, and a peer that speaks raw frames.
 * Shared by the tests of sessions and of budgets. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "base/buffer.h"
#include "base/must.h"
#include "http/h2.h"

enum {
        SEEN_MAX = 4096,
        RAW_MAX = 64 << 20,
};

struct seen { /* one stream, as the caller saw it */
        struct arena arena;
        struct request_head *head;
        struct http_fault fault;
        struct buffer data;
        struct header_list *trailers;
        bool open, ended, closed;
        uint32_t code;
        /* what it answers with */
        struct slice answer;
        size_t answered;
        enum h2_pull at_end; /* LATER: keeps the stream open */
        const struct header_list *answer_trailers;
};

struct app {
        struct http_limits http;
        struct h2_limits limits;
        struct h2_session *session;
        struct seen *seen;  /* by id / 2 */
        struct buffer sent; /* all that h2_send_next gave */
        size_t requests, opens, closes;
        bool refuse_streams;
        int respond_status; /* when set, on_request answers at once, without a body */
        uint64_t now_ms;
};

static inline struct seen *seen_of(struct app *app, int32_t id)
{
        must(id / 2 < SEEN_MAX);
        return &app->seen[id / 2];
}

static inline struct arena *app_on_stream_open(int32_t id, void *self)
{
        struct app *app = self;
        struct seen *seen = seen_of(app, id);
        if (app->refuse_streams)
                return NULL;
        app->opens++;
        assert_false(seen->open);
        seen->open = true;
        arena_init(&seen->arena, 4096);
        buffer_init(&seen->data, 16 << 20);
        return &seen->arena;
}

static inline void app_on_request(int32_t id, struct request_head *head, bool end, void *self)
{
        struct app *app = self;
        (void)end;
        app->requests++;
        assert_null(seen_of(app, id)->head);
        seen_of(app, id)->head = head;
        if (app->respond_status != 0) {
                struct response_head answer = {.status = (uint16_t)app->respond_status,
                                               .framing = FRAMING_LENGTH,
                                               .content_length_known = true};
                assert_true(h2_respond(app->session, id, &answer, true));
        }
}

static inline void app_on_bad_request(int32_t id, const struct http_fault *fault, void *self)
{
        struct app *app = self;
        struct response_head answer = {.status = (uint16_t)fault->status,
                                       .framing = FRAMING_LENGTH,
                                       .content_length_known = true};
        seen_of(app, id)->fault = *fault;
        assert_null(seen_of(app, id)->head);
        assert_true(h2_respond(app->session, id, &answer, true));
}

static inline void app_on_data(int32_t id, struct slice data, void *self)
{
        struct seen *seen = seen_of(self, id);
        assert_non_null(seen->head);
        assert_false(seen->ended || seen->closed);
        assert_true(buffer_append(&seen->data, data));
}

static inline void app_on_request_end(int32_t id, struct header_list *trailers, void *self)
{
        struct seen *seen = seen_of(self, id);
        assert_false(seen->ended || seen->closed);
        seen->ended = true;
        seen->trailers = trailers;
}

static inline enum h2_pull app_on_pull(int32_t id, char *into, size_t *len,
                                       const struct header_list **trailers, void *self)
{
        struct seen *seen = seen_of(self, id);
        struct slice piece = slice_sub(seen->answer, seen->answered, *len);
        *len = piece.len;
        if (piece.len > 0)
                memcpy(into, piece.data, piece.len);
        seen->answered += piece.len;
        if (piece.len > 0 && (seen->answered < seen->answer.len || seen->at_end != H2_PULL_END))
                return H2_PULL_DATA;
        *trailers = seen->answer_trailers;
        return seen->at_end;
}

static inline void app_on_stream_closed(int32_t id, uint32_t code, void *self)
{
        struct app *app = self;
        struct seen *seen = seen_of(app, id);
        assert_true(seen->open);
        assert_false(seen->closed);
        seen->closed = true;
        seen->code = code;
        seen->head = NULL;
        seen->trailers = NULL;
        app->closes++;
        arena_done(&seen->arena); /* from here on a use of it is seen by the address sanitizer */
}

static const struct h2_callbacks app_callbacks = {
        app_on_stream_open, app_on_request, app_on_bad_request,   app_on_data,
        app_on_request_end, app_on_pull,    app_on_stream_closed,
};

static inline struct app *app_new(void)
{
        struct app *app = NEW(struct app);
        app->http = http_limits_default();
        app->limits = h2_limits_default(&app->http);
        app->seen = memory_new(SEEN_MAX * sizeof(*app->seen));
        for (size_t i = 0; i < SEEN_MAX; i++)
                app->seen[i].at_end = H2_PULL_END;
        app->now_ms = 1000;
        buffer_init(&app->sent, RAW_MAX);
        return app;
}

static inline void app_start(struct app *app) /* limits may be changed before */
{
        app->session = h2_session_new(&app->limits, &app_callbacks, app);
}

static inline void app_free(struct app *app)
{
        h2_session_free(app->session);
        assert_int_equal(app->opens, app->closes);
        for (size_t i = 0; i < SEEN_MAX; i++)
                buffer_done(&app->seen[i].data);
        buffer_done(&app->sent);
        free(app->seen);
        free(app);
}

static inline void app_send_all(struct app *app)
{
        for (struct slice out; (out = h2_send_next(app->session, app->now_ms)).len > 0;)
                assert_true(buffer_append(&app->sent, out));
}

/* ---- raw frames ---- */

struct raw {
        struct buffer bytes;
        nghttp2_hd_deflater *deflater;
};

static inline void raw_frame(struct raw *raw, uint8_t type, uint8_t flags, uint32_t id,
                             struct slice payload)
{
        const unsigned char head[9] = {(unsigned char)(payload.len >> 16),
                                       (unsigned char)(payload.len >> 8),
                                       (unsigned char)payload.len,
                                       type,
                                       flags,
                                       (unsigned char)(id >> 24),
                                       (unsigned char)(id >> 16),
                                       (unsigned char)(id >> 8),
                                       (unsigned char)id};
        assert_true(buffer_append(&raw->bytes, slice_from(head, sizeof(head))));
        assert_true(buffer_append(&raw->bytes, payload));
}

/* The preface and empty SETTINGS. */
static inline void raw_init(struct raw *raw)
{
        buffer_init(&raw->bytes, RAW_MAX);
        assert_int_equal(nghttp2_hd_deflate_new(&raw->deflater, 4096), 0);
        assert_true(buffer_append(&raw->bytes, slice_from(h2_preface, H2_PREFACE_BYTES)));
        raw_frame(raw, NGHTTP2_SETTINGS, 0, 0, SLICE_NONE);
}

static inline void raw_done(struct raw *raw)
{
        buffer_done(&raw->bytes);
        nghttp2_hd_deflate_del(raw->deflater);
}

/* "name: value\n" lines, encoded exactly as they are; a name may start with ":". */
static inline void raw_headers(struct raw *raw, uint32_t id, uint8_t flags, struct slice lines)
{
        nghttp2_nv fields[512];
        uint8_t block[128 * 1024];
        size_t count = 0;
        while (lines.len > 0) {
                size_t end = slice_find(lines, '\n');
                struct slice line = slice_sub(lines, 0, end);
                size_t colon = 1 + slice_find(slice_skip(line, 1), ':');
                struct slice value = slice_skip(line, colon + 2);
                fields[count++] = (nghttp2_nv){(uint8_t *)(uintptr_t)line.data,
                                               (uint8_t *)(uintptr_t)value.data, colon, value.len,
                                               NGHTTP2_NV_FLAG_NONE};
                lines = slice_skip(lines, end + 1);
        }
        ssize_t len = nghttp2_hd_deflate_hd(raw->deflater, block, sizeof(block), fields, count);
        assert_true(len >= 0);
        raw_frame(raw, NGHTTP2_HEADERS, flags | NGHTTP2_FLAG_END_HEADERS, id,
                  slice_from(block, (size_t)len));
}

#define GET_LINES ":method: GET\n:scheme: https\n:path: /\n:authority: a\n"

static inline void raw_get(struct raw *raw, uint32_t id)
{
        raw_headers(raw, id, NGHTTP2_FLAG_END_STREAM, SLICE(GET_LINES));
}

/* Hands over what was written, and empties it. */
static inline bool raw_send(struct raw *raw, struct app *app)
{
        bool alive = h2_receive(app->session, buffer_slice(&raw->bytes), app->now_ms);
        buffer_clear(&raw->bytes);
        return alive;
}

/* The error code of the last frame of that type (RST_STREAM, GOAWAY) that was sent; -1: none. */
static inline int64_t sent_code(struct app *app, uint8_t type, uint32_t id)
{
        struct slice rest = buffer_slice(&app->sent);
        int64_t code = -1;
        while (rest.len >= 9) {
                const unsigned char *b = (const unsigned char *)rest.data;
                size_t len = (size_t)b[0] << 16 | (size_t)b[1] << 8 | b[2];
                uint32_t stream =
                        (uint32_t)b[5] << 24 | (uint32_t)b[6] << 16 | (uint32_t)b[7] << 8 | b[8];
                const unsigned char *p = b + 9 + (type == NGHTTP2_GOAWAY ? 4 : 0);
                if (b[3] == type && stream == id)
                        code = (int64_t)p[0] << 24 | (int64_t)p[1] << 16 | (int64_t)p[2] << 8 |
                               p[3];
                rest = slice_skip(rest, 9 + len);
        }
        return code;
}
