#include <stdlib.h>

#include "base/memory.h"
#include "base/must.h"
#include "http/field_rules.h"
#include "http/h2_client_session.h"
#include "http/h2_fields.h"

static int overdraw(struct h2_client *client, const char *what)
{
        client->over = what;
        return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int spend(struct h2_client *client, enum h2_budget budget)
{
        static const char *const names[] = {
                [H2_BUDGET_PEER_RESETS] = "backend_resets", [H2_BUDGET_OWN_RESETS] = "own_resets",
                [H2_BUDGET_SETTINGS] = "settings",          [H2_BUDGET_PINGS] = "pings",
                [H2_BUDGET_EMPTY_DATA] = "empty_data",      [H2_BUDGET_PRIORITIES] = "priorities",
        };
        return h2_budgets_spend(&client->budgets, budget) ? 0 : overdraw(client, names[budget]);
}

/* NULL where the caller has cancelled, or was told that it is over. */
static struct h2_call *call_find(const struct h2_client *client, int32_t id)
{
        return nghttp2_session_get_stream_user_data(client->nghttp2, id);
}

/* The response broke a rule: it ends, and only it. */
static int refuse(struct h2_client *client, struct h2_call *call, const char *token)
{
        if (call->fault.status == 0)
                call->fault.token = token;
        call->fault.status = 502;
        nghttp2_submit_rst_stream(client->nghttp2, NGHTTP2_FLAG_NONE, call->id,
                                  NGHTTP2_PROTOCOL_ERROR);
        h2_call_close(call, H2_CALL_BAD);
        return spend(client, H2_BUDGET_OWN_RESETS);
}

/* ---- frames ---- */

/* Frames are counted by their first nine bytes, before anything is done for them. */
static int on_begin_frame(nghttp2_session *nghttp2, const nghttp2_frame_hd *hd, void *self)
{
        struct h2_client *client = self;
        bool ack = (hd->flags & NGHTTP2_FLAG_ACK) != 0;
        if (nghttp2_session_get_outbound_queue_size(nghttp2) > client->limits.queued_frames)
                return overdraw(client, "queued_frames");
        switch (hd->type) {
        case NGHTTP2_DATA:
                if (hd->length > 0 || (hd->flags & NGHTTP2_FLAG_END_STREAM) != 0)
                        return 0;
                return spend(client, H2_BUDGET_EMPTY_DATA);
        case NGHTTP2_RST_STREAM:
                /* Who answers before the request is whole may say so by one (RFC 9113, 8.1), and
                 * who is busy refuses by one: both as often as we ask. */
                if (client->resets_free > 0) {
                        client->resets_free--;
                        return 0;
                }
                return spend(client, H2_BUDGET_PEER_RESETS);
        case NGHTTP2_SETTINGS:
                return ack ? 0 : spend(client, H2_BUDGET_SETTINGS);
        case NGHTTP2_PING:
                return ack ? 0 : spend(client, H2_BUDGET_PINGS);
        case NGHTTP2_PRIORITY:
                return spend(client, H2_BUDGET_PRIORITIES);
        case NGHTTP2_PUSH_PROMISE: /* nghttp2 refuses it once our SETTINGS are acknowledged */
                return NGHTTP2_ERR_CALLBACK_FAILURE;
        default:
                return 0;
        }
}

/* ---- heads ---- */

static int on_begin_headers(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *self)
{
        struct h2_client *client = self;
        struct h2_call *call = call_find(client, frame->hd.stream_id);
        (void)nghttp2;
        client->block_bytes = 0;
        if (call == NULL)
                return 0;
        if (call->state == H2_CALL_BODY) {
                call->state = H2_CALL_TRAILERS;
                return 0;
        }
        call->head = (struct response_head){.http_minor = 1, .keep_alive = true};
        header_list_init(&call->head.headers, call->arena);
        call->status = SLICE_NONE;
        return 0;
}

static void fault_set(struct h2_call *call, const char *token)
{
        if (call->fault.status == 0)
                call->fault = (struct http_fault){502, token};
}

static void status_put(struct h2_call *call, struct slice name, struct slice value)
{
        bool first = call->state == H2_CALL_HEAD && call->head.headers.count == 0;
        if (!slice_is(name, ":status") || call->status.data != NULL || !first)
                fault_set(call, "pseudo_header");
        else
                call->status = arena_slice(call->arena, value);
}

/* Decoded bytes count for every block, also for calls that are over: HPACK's table makes one byte
 * on the wire into 4 KiB. */
static int on_header(nghttp2_session *nghttp2, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *self)
{
        struct h2_client *client = self;
        nghttp2_vec n = nghttp2_rcbuf_get_buf(name), v = nghttp2_rcbuf_get_buf(value);
        struct slice name_text = slice_from(n.base, n.len), value_text = slice_from(v.base, v.len);
        (void)nghttp2;
        (void)flags;
        client->block_bytes += n.len + v.len + 32;
        if (client->block_bytes > client->limits.block_bytes)
                return overdraw(client, "header_list");
        struct h2_call *call = call_find(client, frame->hd.stream_id);
        if (call == NULL || call->fault.status != 0)
                return 0;
        if (client->block_bytes > client->limits.header_list_bytes)
                fault_set(call, "header_list");
        else if (n.len > 0 && n.base[0] == ':')
                status_put(call, name_text, value_text);
        else
                h2_field_take(call->state == H2_CALL_TRAILERS ? &call->trailers
                                                              : &call->head.headers,
                              client->limits.http, name_text, value_text, &call->fault);
        return 0;
}

/* nghttp2 would drop the field and go on; a response that says it is bad instead. */
static int on_invalid_header(nghttp2_session *nghttp2, const nghttp2_frame *frame,
                             nghttp2_rcbuf *name, nghttp2_rcbuf *value, uint8_t flags, void *self)
{
        struct h2_call *call = call_find(self, frame->hd.stream_id);
        (void)name;
        (void)value;
        (void)flags;
        (void)nghttp2;
        if (call != NULL)
                fault_set(call, "field_invalid");
        return 0;
}

/* What h1 says of framing (RFC 9112, 6.3), said of a message whose end is marked. */
static bool framing_check(struct h2_call *call, bool end)
{
        struct response_head *head = &call->head;
        bool known;
        if (!content_length_take(&head->headers, &known, &head->content_length, &call->fault))
                return false;
        bool bodyless_status = head->status < 200 || head->status == 204;
        if (bodyless_status && head->content_length > 0) {
                fault_set(call, "body_not_allowed");
                return false;
        }
        head->content_length_known = known && !bodyless_status;
        if (call->asked_head || bodyless_status || head->status == 304)
                head->framing = FRAMING_NONE;
        else if (known || end)
                head->framing = FRAMING_LENGTH;
        else
                head->framing = FRAMING_CHUNKED;
        if (end && head->framing == FRAMING_LENGTH && head->content_length > 0)
                fault_set(call, "body_under_length");
        return call->fault.status == 0;
}

static bool head_check(struct h2_client *client, struct h2_call *call, bool end)
{
        struct response_head *head = &call->head;
        uint64_t status = 0;
        if (call->fault.status != 0)
                return false;
        if (call->status.len != 3 || !slice_to_u64(call->status, 599, &status) || status < 100) {
                fault_set(call, "status");
                return false;
        }
        head->status = (uint16_t)status;
        head->informational = status < 200;
        if (status == 101) /* there is no such thing here (RFC 9113, 8.6) */
                fault_set(call, "switching_protocols");
        else if (head->informational && end)
                fault_set(call, "informational_end");
        else if (head->informational && ++call->informational > client->limits.informational)
                fault_set(call, "informational_flood");
        header_remove(&head->headers, SLICE("host"));
        return call->fault.status == 0 && framing_check(call, end);
}

static int message_end(struct h2_client *client, struct h2_call *call)
{
        const struct response_head *head = &call->head;
        if (call->fault.status != 0)
                return refuse(client, call, NULL);
        if (head->framing == FRAMING_LENGTH && call->body_bytes != head->content_length)
                return refuse(client, call, "body_under_length");
        call->state = H2_CALL_ENDED;
        call->callbacks->on_end(&call->trailers, call->self);
        return 0;
}

static int head_end(struct h2_client *client, struct h2_call *call, bool end)
{
        if (!head_check(client, call, end))
                return refuse(client, call, NULL);
        if (!call->head.informational)
                call->state = H2_CALL_BODY;
        call->callbacks->on_head(&call->head, call->self);
        /* The callback may have cancelled it. */
        return end && call->client != NULL ? message_end(client, call) : 0;
}

static int on_frame(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *self)
{
        struct h2_client *client = self;
        struct h2_call *call = call_find(client, frame->hd.stream_id);
        bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        bool data = frame->hd.type == NGHTTP2_DATA;
        (void)nghttp2;
        if (data && !end && frame->hd.length > 0 && frame->hd.length <= frame->data.padlen)
                return spend(client, H2_BUDGET_EMPTY_DATA); /* nothing but padding */
        if (call == NULL || (!data && frame->hd.type != NGHTTP2_HEADERS))
                return 0;
        if (call->state == H2_CALL_HEAD)
                return head_end(client, call, end);
        return end && call->state != H2_CALL_ENDED ? message_end(client, call) : 0;
}

/* What nghttp2 finds malformed it resets by itself; not for every fault it tells of it before. */
static int malformed(struct h2_client *client, struct h2_call *call)
{
        fault_set(call, "message_malformed");
        call->fault.status = 502;
        h2_call_close(call, H2_CALL_BAD);
        return spend(client, H2_BUDGET_OWN_RESETS);
}

static int on_invalid_frame(nghttp2_session *nghttp2, const nghttp2_frame *frame, int error,
                            void *self)
{
        struct h2_client *client = self;
        struct h2_call *call = call_find(client, frame->hd.stream_id);
        (void)nghttp2;
        (void)error;
        return call == NULL ? 0 : malformed(client, call);
}

/* ---- bodies ---- */

static int on_data_chunk(nghttp2_session *nghttp2, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t len, void *self)
{
        struct h2_client *client = self;
        struct h2_call *call = call_find(client, id);
        (void)flags;
        if (call == NULL || call->state != H2_CALL_BODY) {
                nghttp2_session_consume(nghttp2, id, len);
                return 0;
        }
        const struct response_head *head = &call->head;
        call->body_bytes += len;
        call->unconsumed += len;
        if (head->framing == FRAMING_NONE)
                return refuse(client, call, "body_not_allowed");
        if (head->framing == FRAMING_LENGTH && call->body_bytes > head->content_length)
                return refuse(client, call, "body_over_length");
        call->callbacks->on_data(slice_from(data, len), call->self);
        return 0;
}

static size_t trailers_submit(struct h2_client *client, int32_t id,
                              const struct header_list *trailers)
{
        nghttp2_nv *fields = memory_new((trailers->count + 1) * sizeof(*fields));
        size_t count = h2_fields_put(fields, 0, trailers);
        if (count > 0 && nghttp2_submit_trailer(client->nghttp2, id, fields, count) != 0)
                count = 0;
        free(fields);
        return count;
}

ssize_t h2_client_pull_hook(nghttp2_session *nghttp2, int32_t id, uint8_t *into, size_t room,
                            uint32_t *flags, nghttp2_data_source *source, void *self)
{
        struct h2_client *client = self;
        struct h2_call *call = call_find(client, id);
        const struct header_list *trailers = NULL;
        size_t len = room;
        (void)nghttp2;
        (void)source;
        if (call == NULL)
                return NGHTTP2_ERR_DEFERRED; /* its reset is on the way */
        switch (call->callbacks->on_pull((char *)into, &len, &trailers, call->self)) {
        case H2_PULL_DATA:
                must(len > 0 && len <= room);
                return (ssize_t)len;
        case H2_PULL_LATER:
                return NGHTTP2_ERR_DEFERRED;
        case H2_PULL_END:
                must(len <= room);
                *flags |= NGHTTP2_DATA_FLAG_EOF;
                if (trailers != NULL && trailers_submit(client, id, trailers) > 0)
                        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
                return (ssize_t)len;
        case H2_PULL_ABORT:
                break;
        }
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* ---- the end ---- */

static int on_stream_close(nghttp2_session *nghttp2, int32_t id, uint32_t code, void *self)
{
        struct h2_call *call = call_find(self, id);
        (void)nghttp2;
        if (call == NULL)
                return 0;
        if (code == NGHTTP2_REFUSED_STREAM && call->state == H2_CALL_HEAD &&
            call->informational == 0)
                h2_call_close(call, H2_CALL_UNSEEN);
        else
                h2_call_close(call, H2_CALL_RESET);
        return 0;
}

static int on_frame_sent(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *self)
{
        struct h2_call *call = call_find(self, frame->hd.stream_id);
        (void)nghttp2;
        if (call != NULL && frame->hd.type == NGHTTP2_HEADERS)
                call->sent = true;
        if (call != NULL && frame->hd.type == NGHTTP2_RST_STREAM)
                return malformed(self, call);
        return 0;
}

/* A request that waited for its turn when the GOAWAY came: nghttp2 opens no stream for it. */
static int on_frame_not_sent(nghttp2_session *nghttp2, const nghttp2_frame *frame, int error,
                             void *self)
{
        struct h2_client *client = self;
        struct h2_call *call = client->calls;
        (void)nghttp2;
        (void)error;
        if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
                return 0;
        while (call != NULL && call->id != frame->hd.stream_id)
                call = call->next;
        if (call != NULL)
                h2_call_close(call, H2_CALL_UNSEEN);
        return 0;
}

nghttp2_session_callbacks *h2_client_hooks_new(void)
{
        nghttp2_session_callbacks *hooks = NULL;
        must(nghttp2_session_callbacks_new(&hooks) == 0);
        nghttp2_session_callbacks_set_on_begin_frame_callback(hooks, on_begin_frame);
        nghttp2_session_callbacks_set_on_begin_headers_callback(hooks, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback2(hooks, on_header);
        nghttp2_session_callbacks_set_on_invalid_header_callback2(hooks, on_invalid_header);
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(hooks, on_invalid_frame);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(hooks, on_data_chunk);
        nghttp2_session_callbacks_set_on_frame_recv_callback(hooks, on_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(hooks, on_stream_close);
        nghttp2_session_callbacks_set_on_frame_send_callback(hooks, on_frame_sent);
        nghttp2_session_callbacks_set_on_frame_not_send_callback(hooks, on_frame_not_sent);
        return hooks;
}
