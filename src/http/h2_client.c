#include "http/h2_client.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/must.h"
#include "http/h2_client_session.h"
#include "http/h2_fields.h"

struct h2_client_limits h2_client_limits_default(const struct http_limits *http)
{
        return (struct h2_client_limits){
                .http = http,
                .streams = 100,
                .stream_window = 64 * 1024,
                .header_list_bytes = 64 * 1024,
                .block_bytes = 256 * 1024,
                .continuations = 8,
                .queued_frames = 1000,
                .informational = 16,
                .peer_resets = 200, /* beyond one a request */
                .own_resets = 200,
                .settings = 32,
                .pings = 200,
                .empty_data = 400,
                .priorities = 100,
                .budget_ms = 10 * 1000,
        };
}

/* ---- life ---- */

static nghttp2_option *options_new(const struct h2_client_limits *limits)
{
        nghttp2_option *options = NULL;
        must(nghttp2_option_new(&options) == 0);
        nghttp2_option_set_no_auto_window_update(options, 1);
        nghttp2_option_set_no_closed_streams(options, 1);
        nghttp2_option_set_max_continuations(options, limits->continuations);
        nghttp2_option_set_max_outbound_ack(options, limits->queued_frames);
        nghttp2_option_set_peer_max_concurrent_streams(options, limits->streams);
        return options;
}

/* The connection's window has room for all of the streams': one client that reads nothing must not
 * keep the others' responses back. */
static void settings_submit(struct h2_client *client)
{
        const struct h2_client_limits *limits = &client->limits;
        const nghttp2_settings_entry entries[] = {
                {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits->stream_window},
                {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->header_list_bytes},
        };
        must(nghttp2_submit_settings(client->nghttp2, NGHTTP2_FLAG_NONE, entries,
                                     COUNT_OF(entries)) == 0);
        must(nghttp2_session_set_local_window_size(
                     client->nghttp2, NGHTTP2_FLAG_NONE, 0,
                     (int32_t)(limits->streams * limits->stream_window)) == 0);
}

static void budgets_init(struct h2_budgets *budgets, const struct h2_client_limits *limits)
{
        *budgets = (struct h2_budgets){
                .window_ms = limits->budget_ms,
                .sizes =
                        {
                                [H2_BUDGET_PEER_RESETS] = limits->peer_resets,
                                [H2_BUDGET_OWN_RESETS] = limits->own_resets,
                                [H2_BUDGET_SETTINGS] = limits->settings,
                                [H2_BUDGET_PINGS] = limits->pings,
                                [H2_BUDGET_EMPTY_DATA] = limits->empty_data,
                                [H2_BUDGET_PRIORITIES] = limits->priorities,
                        },
        };
}

struct h2_client *h2_client_new(const struct h2_client_limits *limits)
{
        must(limits->streams > 0 && limits->budget_ms > 0);
        must((uint64_t)limits->streams * limits->stream_window <= INT32_MAX);
        struct h2_client *client = NEW(struct h2_client);
        client->limits = *limits;
        budgets_init(&client->budgets, limits);
        nghttp2_option *options = options_new(limits);
        nghttp2_session_callbacks *hooks = h2_client_hooks_new();
        must(nghttp2_session_client_new2(&client->nghttp2, hooks, client, options) == 0);
        nghttp2_session_callbacks_del(hooks);
        nghttp2_option_del(options);
        settings_submit(client);
        return client;
}

void h2_client_free(struct h2_client *client)
{
        if (client == NULL)
                return;
        while (client->calls != NULL)
                h2_call_close(client->calls, client->calls->sent ? H2_CALL_BROKEN : H2_CALL_UNSEEN);
        nghttp2_session_del(client->nghttp2);
        free(client);
}

/* ---- bytes ---- */

bool h2_client_receive(struct h2_client *client, struct slice bytes, uint64_t now_ms)
{
        if (client->over != NULL || nghttp2_session_want_read(client->nghttp2) == 0)
                return false;
        h2_budgets_refill(&client->budgets, now_ms);
        ssize_t taken =
                nghttp2_session_mem_recv(client->nghttp2, (const uint8_t *)bytes.data, bytes.len);
        if (taken == NGHTTP2_ERR_FLOODED)
                client->over = "queued_frames";
        if (taken < 0) {
                uint32_t code = client->over ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR;
                nghttp2_session_terminate_session(client->nghttp2, code);
                return false;
        }
        return nghttp2_session_want_read(client->nghttp2) != 0;
}

struct slice h2_client_send_next(struct h2_client *client)
{
        const uint8_t *bytes = NULL;
        bool was_within = client->over == NULL;
        ssize_t len = nghttp2_session_mem_send(client->nghttp2, &bytes);
        if (len < 0 && was_within && client->over != NULL) { /* resets that it provoked */
                nghttp2_session_terminate_session(client->nghttp2, NGHTTP2_ENHANCE_YOUR_CALM);
                len = nghttp2_session_mem_send(client->nghttp2, &bytes);
        }
        return len > 0 ? slice_from(bytes, (size_t)len) : SLICE_NONE;
}

bool h2_client_wants_send(const struct h2_client *client)
{
        return nghttp2_session_want_write(client->nghttp2) != 0;
}

bool h2_client_finished(const struct h2_client *client)
{
        return nghttp2_session_want_write(client->nghttp2) == 0 &&
               nghttp2_session_want_read(client->nghttp2) == 0;
}

const char *h2_client_over_budget(const struct h2_client *client)
{
        return client->over;
}

/* ---- calls ---- */

size_t h2_client_calls(const struct h2_client *client)
{
        return client->call_count;
}

bool h2_client_is_leaving(const struct h2_client *client)
{
        return client->over != NULL || client->leaving ||
               nghttp2_session_check_request_allowed(client->nghttp2) == 0;
}

size_t h2_client_streams(const struct h2_client *client)
{
        uint32_t peer = nghttp2_session_get_remote_settings(
                client->nghttp2, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
        return peer < client->limits.streams ? peer : client->limits.streams;
}

size_t h2_client_room(const struct h2_client *client)
{
        size_t max = h2_client_streams(client);
        if (h2_client_is_leaving(client))
                return 0;
        return max > client->call_count ? max - client->call_count : 0;
}

static void call_link(struct h2_call *call, struct h2_client *client)
{
        call->client = client;
        call->next = client->calls;
        call->link = &client->calls;
        if (call->next != NULL)
                call->next->link = &call->next;
        client->calls = call;
        client->call_count++;
}

static int32_t request_submit(struct h2_client *client, struct h2_call *call,
                              const struct h2_request *request)
{
        const struct request_head *head = request->head;
        nghttp2_nv *fields = memory_new((head->headers.count + 5) * sizeof(*fields));
        size_t count = 0;
        fields[count++] = h2_field(SLICE(":method"), head->method);
        fields[count++] = h2_field(SLICE(":scheme"), request->scheme);
        fields[count++] = h2_field(SLICE(":authority"), head->authority);
        fields[count++] = h2_field(SLICE(":path"), head->target);
        if (head->framing == FRAMING_LENGTH)
                fields[count++] = h2_field(SLICE("content-length"),
                                           arena_decimal(request->arena, head->content_length));
        count = h2_fields_put(fields, count, &head->headers);
        nghttp2_data_provider provider = {.read_callback = h2_client_pull_hook};
        int32_t id = nghttp2_submit_request(client->nghttp2, NULL, fields, count,
                                            request->end ? NULL : &provider, call);
        free(fields);
        return id;
}

bool h2_call_begin(struct h2_call *call, struct h2_client *client, const struct h2_request *request)
{
        must(call->client == NULL);
        *call = (struct h2_call){
                .callbacks = request->callbacks,
                .self = request->self,
                .arena = request->arena,
                .asked_head = slice_is(request->head->method, "HEAD"),
        };
        header_list_init(&call->head.headers, call->arena);
        header_list_init(&call->trailers, call->arena);
        call->id = request_submit(client, call, request);
        if (call->id < 0)
                return false;
        client->resets_free++;
        call_link(call, client);
        return true;
}

/* Bytes that nobody will give credit for any more must not shrink the connection's window. */
static void call_forget(struct h2_call *call)
{
        struct h2_client *client = call->client;
        must(client);
        if (call->unconsumed > 0)
                nghttp2_session_consume_connection(client->nghttp2, call->unconsumed);
        nghttp2_session_set_stream_user_data(client->nghttp2, call->id, NULL);
        *call->link = call->next;
        if (call->next != NULL)
                call->next->link = call->link;
        client->call_count--;
        call->client = NULL;
}

void h2_call_close(struct h2_call *call, enum h2_call_end end)
{
        call_forget(call);
        /* What comes behind a whole response takes nothing from it. */
        call->callbacks->on_closed(call->state == H2_CALL_ENDED ? H2_CALL_WHOLE : end, call->self);
}

void h2_call_cancel(struct h2_call *call)
{
        if (call->client == NULL)
                return;
        nghttp2_submit_rst_stream(call->client->nghttp2, NGHTTP2_FLAG_NONE, call->id,
                                  NGHTTP2_CANCEL);
        call_forget(call);
}

void h2_call_resume(struct h2_call *call)
{
        if (call->client != NULL) /* nothing deferred: nothing to do */
                nghttp2_session_resume_data(call->client->nghttp2, call->id);
}

void h2_call_consume(struct h2_call *call, size_t n)
{
        if (call->client == NULL)
                return; /* closed: its bytes were credited then */
        must(n <= call->unconsumed);
        call->unconsumed -= n;
        nghttp2_session_consume(call->client->nghttp2, call->id, n);
}

void h2_client_ping(struct h2_client *client)
{
        nghttp2_submit_ping(client->nghttp2, NGHTTP2_FLAG_NONE, NULL);
}

void h2_client_goaway(struct h2_client *client)
{
        client->leaving = true;
        nghttp2_submit_goaway(client->nghttp2, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0);
}
