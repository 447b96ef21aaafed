#include "http/h2.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/must.h"
#include "http/h2_callbacks.h"
#include "http/h2_fields.h"
#include "http/h2_session.h"

const char h2_preface[H2_PREFACE_BYTES + 1] = NGHTTP2_CLIENT_MAGIC;

struct h2_limits h2_limits_default(const struct http_limits *http)
{
        return (struct h2_limits){
                .http = http,
                .streams = 100,
                .stream_window = 64 * 1024,
                .connection_window = 256 * 1024,
                .header_table_bytes = 4096,
                .header_list_bytes = 64 * 1024,
                .continuations = 8,
                .queued_frames = 1000,
                .client_resets = 200,
                .server_resets = 100,
                .settings = 32,
                .pings = 200, /* gRPC measures bandwidth by pings */
                .empty_data = 100,
                .priorities = 400,
                .budget_ms = 10 * 1000,
                .linger_bytes = 256 * 1024,
                .linger_ms = 1000,
        };
}

/* ---- budgets ---- */

static void budgets_init(struct h2_budgets *budgets, const struct h2_limits *limits)
{
        *budgets = (struct h2_budgets){
                .window_ms = limits->budget_ms,
                .sizes =
                        {
                                [H2_BUDGET_PEER_RESETS] = limits->client_resets,
                                [H2_BUDGET_OWN_RESETS] = limits->server_resets,
                                [H2_BUDGET_SETTINGS] = limits->settings,
                                [H2_BUDGET_PINGS] = limits->pings,
                                [H2_BUDGET_EMPTY_DATA] = limits->empty_data,
                                [H2_BUDGET_PRIORITIES] = limits->priorities,
                        },
        };
}

int h2_overdraw(struct h2_session *session, const char *what)
{
        session->over = what;
        return NGHTTP2_ERR_CALLBACK_FAILURE;
}

int h2_budget_spend(struct h2_session *session, enum h2_budget budget)
{
        static const char *const names[] = {
                [H2_BUDGET_PEER_RESETS] = "client_resets", [H2_BUDGET_OWN_RESETS] = "server_resets",
                [H2_BUDGET_SETTINGS] = "settings",         [H2_BUDGET_PINGS] = "pings",
                [H2_BUDGET_EMPTY_DATA] = "empty_data",     [H2_BUDGET_PRIORITIES] = "priorities",
        };
        return h2_budgets_spend(&session->budgets, budget) ? 0
                                                           : h2_overdraw(session, names[budget]);
}

/* ---- life ---- */

static nghttp2_option *options_new(const struct h2_limits *limits)
{
        nghttp2_option *options = NULL;
        must(nghttp2_option_new(&options) == 0);
        nghttp2_option_set_no_auto_window_update(options, 1);
        nghttp2_option_set_no_closed_streams(options, 1);
        nghttp2_option_set_max_continuations(options, limits->continuations);
        nghttp2_option_set_max_outbound_ack(options, limits->queued_frames);
        /* ours is the budget that counts, and it ends the session with a code of our choosing */
        nghttp2_option_set_stream_reset_rate_limit(options, UINT32_MAX, UINT32_MAX);
        return options;
}

static void settings_submit(struct h2_session *session)
{
        const struct h2_limits *limits = &session->limits;
        const nghttp2_settings_entry entries[] = {
                {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->streams},
                {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits->stream_window},
                {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, limits->header_table_bytes},
                {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->header_list_bytes},
                {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
        };
        must(nghttp2_submit_settings(session->nghttp2, NGHTTP2_FLAG_NONE, entries,
                                     COUNT_OF(entries)) == 0);
        must(nghttp2_session_set_local_window_size(session->nghttp2, NGHTTP2_FLAG_NONE, 0,
                                                   (int32_t)limits->connection_window) == 0);
}

struct h2_session *h2_session_new(const struct h2_limits *limits,
                                  const struct h2_callbacks *callbacks, void *self)
{
        must(limits->connection_window >= limits->stream_window);
        must(limits->connection_window <= INT32_MAX && limits->budget_ms > 0);
        must(limits->linger_bytes <= INT32_MAX);
        struct h2_session *session = NEW(struct h2_session);
        session->limits = *limits;
        budgets_init(&session->budgets, limits);
        session->callbacks = callbacks;
        session->self = self;
        nghttp2_option *options = options_new(limits);
        nghttp2_session_callbacks *hooks = h2_hooks_new();
        must(nghttp2_session_server_new2(&session->nghttp2, hooks, session, options) == 0);
        nghttp2_session_callbacks_del(hooks);
        nghttp2_option_del(options);
        settings_submit(session);
        return session;
}

void h2_session_free(struct h2_session *session)
{
        if (session == NULL)
                return;
        while (session->streams != NULL)
                h2_stream_close(session, session->streams, NGHTTP2_CANCEL);
        nghttp2_session_del(session->nghttp2);
        free(session);
}

const char *h2_over_budget(const struct h2_session *session)
{
        return session->over;
}

/* ---- bytes ---- */

bool h2_receive(struct h2_session *session, struct slice bytes, uint64_t now_ms)
{
        if (session->over != NULL || nghttp2_session_want_read(session->nghttp2) == 0)
                return false;
        session->now_ms = now_ms;
        h2_budgets_refill(&session->budgets, now_ms);
        h2_frames_take(&session->frames, bytes, now_ms);
        ssize_t taken =
                nghttp2_session_mem_recv(session->nghttp2, (const uint8_t *)bytes.data, bytes.len);
        if (taken == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS)
                session->over = "continuations";
        else if (taken == NGHTTP2_ERR_FLOODED)
                session->over = "queued_frames";
        if (taken < 0) {
                uint32_t code = session->over ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR;
                nghttp2_session_terminate_session(session->nghttp2, code);
                return false;
        }
        return nghttp2_session_want_read(session->nghttp2) != 0;
}

struct slice h2_send_next(struct h2_session *session, uint64_t now_ms)
{
        const uint8_t *bytes = NULL;
        session->now_ms = now_ms;
        h2_linger_sweep(session);
        bool was_within = session->over == NULL;
        ssize_t len = nghttp2_session_mem_send(session->nghttp2, &bytes);
        if (len < 0 && was_within && session->over != NULL) { /* the server's own resets */
                nghttp2_session_terminate_session(session->nghttp2, NGHTTP2_ENHANCE_YOUR_CALM);
                len = nghttp2_session_mem_send(session->nghttp2, &bytes);
        }
        return len > 0 ? slice_from(bytes, (size_t)len) : SLICE_NONE;
}

bool h2_unfinished(const struct h2_session *session, uint64_t *since_ms)
{
        *since_ms = session->frames.since_ms;
        return session->frames.unfinished;
}

bool h2_lingers(const struct h2_session *session, uint64_t *until_ms)
{
        *until_ms = session->linger_ends_ms;
        return session->lingering > 0;
}

bool h2_wants_send(const struct h2_session *session)
{
        return nghttp2_session_want_write(session->nghttp2) != 0;
}

bool h2_finished(const struct h2_session *session)
{
        return nghttp2_session_want_write(session->nghttp2) == 0 &&
               nghttp2_session_want_read(session->nghttp2) == 0;
}

/* ---- responses ---- */

/* To the caller a stream that lingers is closed. */
static struct h2_stream *caller_stream(const struct h2_session *session, int32_t id)
{
        struct h2_stream *stream = h2_stream_find(session, id);
        return stream != NULL && stream->arena != NULL ? stream : NULL;
}

size_t h2_trailers_submit(struct h2_session *session, int32_t id,
                          const struct header_list *trailers)
{
        nghttp2_nv *fields = memory_new((trailers->count + 1) * sizeof(*fields));
        size_t count = h2_fields_put(fields, 0, trailers);
        if (count > 0 && nghttp2_submit_trailer(session->nghttp2, id, fields, count) != 0)
                count = 0;
        free(fields);
        return count;
}

bool h2_respond(struct h2_session *session, int32_t id, const struct response_head *head, bool end)
{
        struct h2_stream *stream = caller_stream(session, id);
        must(head->status >= 100 && head->status <= 599 && head->status != 101);
        if (stream == NULL)
                return false;
        struct slice status = arena_decimal(stream->arena, (uint64_t)head->status);
        nghttp2_nv *fields = memory_new((head->headers.count + 2) * sizeof(*fields));
        size_t count = 0;
        fields[count++] = h2_field(SLICE(":status"), status);
        /* Not known, a body of no bytes is one whose end the head marks: gRPC answers so. */
        bool unsaid = end && head->content_length == 0 && !head->content_length_known;
        if ((head->framing == FRAMING_LENGTH && !unsaid) ||
            (head->framing == FRAMING_NONE && head->content_length_known))
                fields[count++] = h2_field(SLICE("content-length"),
                                           arena_decimal(stream->arena, head->content_length));
        count = h2_fields_put(fields, count, &head->headers);
        nghttp2_data_provider provider = {.read_callback = h2_pull_hook};
        int error = head->status < 200 ? nghttp2_submit_headers(session->nghttp2, NGHTTP2_FLAG_NONE,
                                                                id, NULL, fields, count, NULL)
                                       : nghttp2_submit_response(session->nghttp2, id, fields,
                                                                 count, end ? NULL : &provider);
        free(fields);
        return error == 0;
}

void h2_resume(struct h2_session *session, int32_t id)
{
        nghttp2_session_resume_data(session->nghttp2, id); /* nothing deferred: nothing to do */
}

void h2_consume(struct h2_session *session, int32_t id, size_t n)
{
        struct h2_stream *stream = caller_stream(session, id);
        if (stream == NULL)
                return; /* closed: its bytes were credited then */
        must(n <= stream->unconsumed);
        stream->unconsumed -= n;
        nghttp2_session_consume(session->nghttp2, id, n);
}

void h2_reset(struct h2_session *session, int32_t id, enum h2_code code)
{
        struct h2_stream *stream = caller_stream(session, id);
        if (stream == NULL)
                return;
        stream->reset_by_us = true;
        nghttp2_submit_rst_stream(session->nghttp2, NGHTTP2_FLAG_NONE, id, (uint32_t)code);
}

void h2_goaway_notice(struct h2_session *session)
{
        nghttp2_submit_shutdown_notice(session->nghttp2);
}

void h2_goaway(struct h2_session *session, enum h2_code code)
{
        if (code != H2_NO_ERROR) {
                nghttp2_session_terminate_session(session->nghttp2, (uint32_t)code);
                return;
        }
        int32_t last = nghttp2_session_get_last_proc_stream_id(session->nghttp2);
        nghttp2_submit_goaway(session->nghttp2, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
}
