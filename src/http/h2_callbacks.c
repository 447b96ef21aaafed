#include "http/h2_callbacks.h"

#include "base/must.h"

/* ---- what comes in ---- */

static bool is_ack(const nghttp2_frame_hd *hd)
{
        return (hd->flags & NGHTTP2_FLAG_ACK) != 0;
}

/* Who has the whole answer may well stop the rest of its request, as gRPC does at each stream that
 * its server ends: it cost what any request costs, and no answer was thrown away. */
static bool is_answered(const struct h2_session *session, int32_t id)
{
        const struct h2_stream *stream = h2_stream_find(session, id);
        return stream != NULL && stream->arena == NULL;
}

/* Frames are counted by their first nine bytes, before anything is done for them. */
static int on_begin_frame(nghttp2_session *nghttp2, const nghttp2_frame_hd *hd, void *self)
{
        struct h2_session *session = self;
        if (nghttp2_session_get_outbound_queue_size(nghttp2) > session->limits.queued_frames)
                return h2_overdraw(session, "queued_frames");
        switch (hd->type) {
        case NGHTTP2_DATA:
                if (hd->length > 0 || (hd->flags & NGHTTP2_FLAG_END_STREAM) != 0)
                        return 0;
                return h2_budget_spend(session, H2_BUDGET_EMPTY_DATA);
        case NGHTTP2_RST_STREAM:
                return is_answered(session, hd->stream_id)
                               ? 0
                               : h2_budget_spend(session, H2_BUDGET_PEER_RESETS);
        case NGHTTP2_SETTINGS:
                return is_ack(hd) ? 0 : h2_budget_spend(session, H2_BUDGET_SETTINGS);
        case NGHTTP2_PING:
                return is_ack(hd) ? 0 : h2_budget_spend(session, H2_BUDGET_PINGS);
        case NGHTTP2_PRIORITY: /* told to ignore them, nghttp2 does not look at their stream either
                                */
                return hd->stream_id == 0 ? NGHTTP2_ERR_CALLBACK_FAILURE
                                          : h2_budget_spend(session, H2_BUDGET_PRIORITIES);
        default: /* no answer and no memory comes of the rest; frames of extensions are skipped
                  * before this is called */
                return 0;
        }
}

static int on_begin_headers(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *self)
{
        struct h2_session *session = self;
        (void)nghttp2;
        session->block_bytes = 0;
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
                h2_stream_open(session, frame->hd.stream_id);
                return 0;
        }
        struct h2_stream *stream = h2_stream_find(session, frame->hd.stream_id);
        if (stream != NULL && stream->state == H2_STREAM_BODY)
                stream->state = H2_STREAM_TRAILERS;
        return 0;
}

/* Counted for every block, also of streams that were refused: the table of HPACK makes a byte on
 * the wire into 4 KiB decoded. */
static int on_header(nghttp2_session *nghttp2, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *self)
{
        struct h2_session *session = self;
        nghttp2_vec n = nghttp2_rcbuf_get_buf(name), v = nghttp2_rcbuf_get_buf(value);
        (void)nghttp2;
        (void)flags;
        session->block_bytes += n.len + v.len + 32;
        if (session->block_bytes > session->limits.header_list_bytes)
                return h2_overdraw(session, "header_list");
        struct h2_stream *stream = h2_stream_find(session, frame->hd.stream_id);
        if (stream != NULL && !h2_stream_is_dropped(stream))
                h2_stream_field(session, stream, slice_from(n.base, n.len),
                                slice_from(v.base, v.len));
        return 0;
}

/* nghttp2 would drop the field and go on; a request that said it is refused instead. */
static int on_invalid_header(nghttp2_session *nghttp2, const nghttp2_frame *frame,
                             nghttp2_rcbuf *name, nghttp2_rcbuf *value, uint8_t flags, void *self)
{
        struct h2_session *session = self;
        struct h2_stream *stream = h2_stream_find(session, frame->hd.stream_id);
        (void)name;
        (void)value;
        (void)flags;
        (void)nghttp2;
        if (stream != NULL && stream->fault.status == 0)
                stream->fault = (struct http_fault){400, "field_invalid"};
        return 0;
}

static int on_data_chunk(nghttp2_session *nghttp2, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t len, void *self)
{
        struct h2_session *session = self;
        struct h2_stream *stream = h2_stream_find(session, id);
        (void)flags;
        if (stream == NULL) {
                nghttp2_session_consume(nghttp2, id, len);
                return 0;
        }
        if (stream->state != H2_STREAM_BODY) {
                h2_stream_drop(session, stream, len);
                return 0;
        }
        stream->unconsumed += len;
        session->callbacks->on_data(id, slice_from(data, len), session->self);
        return 0;
}

static int on_frame(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *self)
{
        struct h2_session *session = self;
        struct h2_stream *stream = h2_stream_find(session, frame->hd.stream_id);
        bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        bool data = frame->hd.type == NGHTTP2_DATA;
        (void)nghttp2;
        if (data && !end && frame->hd.length > 0 && frame->hd.length <= frame->data.padlen)
                return h2_budget_spend(session, H2_BUDGET_EMPTY_DATA); /* nothing but padding */
        if (stream == NULL || (!data && frame->hd.type != NGHTTP2_HEADERS))
                return 0;
        if (stream->state == H2_STREAM_HEAD)
                h2_stream_head_end(session, stream, end);
        else if (end)
                h2_stream_end(session, stream);
        return 0;
}

static int on_stream_close(nghttp2_session *nghttp2, int32_t id, uint32_t code, void *self)
{
        struct h2_session *session = self;
        struct h2_stream *stream = h2_stream_find(session, id);
        (void)nghttp2;
        if (stream != NULL)
                h2_stream_close(session, stream, code);
        return 0;
}

/* ---- what goes out ---- */

/* A response that ended before its request. */
static bool request_is_unwanted(const struct h2_session *session, const struct h2_stream *stream)
{
        return stream != NULL && stream->state != H2_STREAM_ENDED &&
               nghttp2_session_get_stream_remote_close(session->nghttp2, stream->id) == 0;
}

/* Resets that a client provokes from us cost as much as its own and are not counted by nghttp2
 * 1.52 (MadeYouReset, CVE-2025-8671). */
static int on_frame_sent(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *self)
{
        struct h2_session *session = self;
        struct h2_stream *stream = h2_stream_find(session, frame->hd.stream_id);
        (void)nghttp2;
        if (frame->hd.type == NGHTTP2_RST_STREAM) {
                bool ours = stream != NULL && stream->reset_by_us;
                return ours ? 0 : h2_budget_spend(session, H2_BUDGET_OWN_RESETS);
        }
        bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        bool answer = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
        if (end && answer && request_is_unwanted(session, stream))
                h2_stream_linger(session, stream);
        return 0;
}

ssize_t h2_pull_hook(nghttp2_session *nghttp2, int32_t id, uint8_t *into, size_t room,
                     uint32_t *flags, nghttp2_data_source *source, void *self)
{
        struct h2_session *session = self;
        struct h2_stream *stream = h2_stream_find(session, id);
        const struct header_list *trailers = NULL;
        size_t len = room;
        (void)nghttp2;
        (void)source;
        if (stream == NULL)
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        enum h2_pull pull =
                session->callbacks->on_pull(id, (char *)into, &len, &trailers, session->self);
        must(len <= room);
        switch (pull) {
        case H2_PULL_DATA:
                must(len > 0);
                return (ssize_t)len;
        case H2_PULL_LATER:
                return NGHTTP2_ERR_DEFERRED;
        case H2_PULL_END:
                *flags |= NGHTTP2_DATA_FLAG_EOF;
                if (trailers != NULL && h2_trailers_submit(session, id, trailers) > 0)
                        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
                return (ssize_t)len;
        case H2_PULL_ABORT:
                break;
        }
        stream->reset_by_us = true;
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

nghttp2_session_callbacks *h2_hooks_new(void)
{
        nghttp2_session_callbacks *hooks = NULL;
        must(nghttp2_session_callbacks_new(&hooks) == 0);
        nghttp2_session_callbacks_set_on_begin_frame_callback(hooks, on_begin_frame);
        nghttp2_session_callbacks_set_on_begin_headers_callback(hooks, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback2(hooks, on_header);
        nghttp2_session_callbacks_set_on_invalid_header_callback2(hooks, on_invalid_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(hooks, on_data_chunk);
        nghttp2_session_callbacks_set_on_frame_recv_callback(hooks, on_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(hooks, on_stream_close);
        nghttp2_session_callbacks_set_on_frame_send_callback(hooks, on_frame_sent);
        return hooks;
}
