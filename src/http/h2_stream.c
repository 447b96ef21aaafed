#include "http/h2_session.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/must.h"
#include "http/field_rules.h"
#include "http/h2_fields.h"
#include "http/target.h"

struct h2_stream *h2_stream_find(const struct h2_session *session, int32_t id)
{
        return nghttp2_session_get_stream_user_data(session->nghttp2, id);
}

void h2_stream_open(struct h2_session *session, int32_t id)
{
        struct arena *arena = session->callbacks->on_stream_open(id, session->self);
        if (arena == NULL) {
                nghttp2_submit_rst_stream(session->nghttp2, NGHTTP2_FLAG_NONE, id,
                                          NGHTTP2_REFUSED_STREAM);
                return;
        }
        struct h2_stream *stream = NEW(struct h2_stream);
        stream->id = id;
        stream->arena = arena;
        header_list_init(&stream->head.headers, arena);
        header_list_init(&stream->trailers, arena);
        stream->link = &session->streams;
        stream->next = session->streams;
        if (stream->next != NULL)
                stream->next->link = &stream->next;
        session->streams = stream;
        nghttp2_session_set_stream_user_data(session->nghttp2, id, stream);
}

/* The last that the caller hears of it. */
static void caller_tell_end(struct h2_session *session, struct h2_stream *stream, uint32_t code)
{
        if (stream->arena == NULL)
                return;
        stream->arena = NULL;
        session->callbacks->on_stream_closed(stream->id, code, session->self);
}

/* Bytes that nobody will give credit for any more must not shrink the connection's window. */
void h2_stream_close(struct h2_session *session, struct h2_stream *stream, uint32_t code)
{
        if (stream->unconsumed > 0)
                nghttp2_session_consume_connection(session->nghttp2, stream->unconsumed);
        if (stream->state == H2_STREAM_LINGERS)
                session->lingering--;
        nghttp2_session_set_stream_user_data(session->nghttp2, stream->id, NULL);
        *stream->link = stream->next;
        if (stream->next != NULL)
                stream->next->link = stream->link;
        caller_tell_end(session, stream, code);
        free(stream);
}

/* ---- answered before it ended ---- */

bool h2_stream_is_dropped(const struct h2_stream *stream)
{
        return stream->state == H2_STREAM_LINGERS || stream->state == H2_STREAM_REFUSED;
}

static void linger_end(struct h2_session *session, struct h2_stream *stream)
{
        session->lingering--;
        stream->state = H2_STREAM_REFUSED;
        stream->reset_by_us = true;
        nghttp2_submit_rst_stream(session->nghttp2, NGHTTP2_FLAG_NONE, stream->id,
                                  NGHTTP2_NO_ERROR);
}

void h2_stream_drop(struct h2_session *session, struct h2_stream *stream, size_t len)
{
        nghttp2_session_consume(session->nghttp2, stream->id, len);
        if (stream->state != H2_STREAM_LINGERS)
                return;
        if (len > stream->linger_left)
                linger_end(session, stream);
        else
                stream->linger_left -= len;
}

/* It ended by itself. curl 7.88 does not see that its stream is closed by the last frame that it
 * sent itself, and waits for ever: the next one that comes wakes it. */
static void client_wake(struct h2_session *session)
{
        nghttp2_submit_ping(session->nghttp2, NGHTTP2_FLAG_NONE, NULL);
}

/* It counts as a stream of its connection (SETTINGS_MAX_CONCURRENT_STREAMS) and holds nothing but
 * its own struct: the caller's memory goes now. Its window opens in one go, beside the answer's
 * end: curl 7.88 reads no more once it has the answer, and would wait for credit for ever. */
void h2_stream_linger(struct h2_session *session, struct h2_stream *stream)
{
        size_t unconsumed = stream->unconsumed;
        stream->state = H2_STREAM_LINGERS;
        stream->linger_left = session->limits.linger_bytes;
        stream->linger_ends_ms = session->now_ms + session->limits.linger_ms;
        if (session->lingering++ == 0 || stream->linger_ends_ms < session->linger_ends_ms)
                session->linger_ends_ms = stream->linger_ends_ms;
        stream->unconsumed = 0;
        nghttp2_session_set_local_window_size(session->nghttp2, NGHTTP2_FLAG_NONE, stream->id,
                                              (int32_t)session->limits.linger_bytes);
        h2_stream_drop(session, stream, unconsumed);
        caller_tell_end(session, stream, NGHTTP2_NO_ERROR);
}

void h2_linger_sweep(struct h2_session *session)
{
        if (session->lingering == 0 || session->now_ms < session->linger_ends_ms)
                return;
        uint64_t earliest = UINT64_MAX;
        for (struct h2_stream *s = session->streams; s != NULL; s = s->next) {
                if (s->state != H2_STREAM_LINGERS)
                        continue;
                if (s->linger_ends_ms <= session->now_ms)
                        linger_end(session, s);
                else if (s->linger_ends_ms < earliest)
                        earliest = s->linger_ends_ms;
        }
        session->linger_ends_ms = earliest;
}

/* ---- fields ---- */

/* The first fault is the one that is told. */
static void fault(struct h2_stream *stream, int status, const char *token)
{
        if (stream->fault.status == 0)
                stream->fault = (struct http_fault){status, token};
}

static void pseudo_put(struct h2_stream *stream, struct slice name, struct slice value)
{
        struct slice *place = NULL;
        if (slice_is(name, ":method"))
                place = &stream->head.method;
        else if (slice_is(name, ":scheme"))
                place = &stream->head.scheme;
        else if (slice_is(name, ":path"))
                place = &stream->path;
        else if (slice_is(name, ":authority"))
                place = &stream->authority;
        bool first = stream->head.headers.count == 0 && stream->state == H2_STREAM_HEAD;
        if (place == NULL || place->data != NULL || !first || value.len == 0)
                fault(stream, 400, "pseudo_header");
        else
                *place = arena_slice(stream->arena, value);
}

void h2_stream_field(struct h2_session *session, struct h2_stream *stream, struct slice name,
                     struct slice value)
{
        bool trailer = stream->state == H2_STREAM_TRAILERS;
        if (name.len > 0 && name.data[0] == ':')
                pseudo_put(stream, name, value);
        else
                h2_field_take(trailer ? &stream->trailers : &stream->head.headers,
                              session->limits.http, name, value, &stream->fault);
}

/* ---- the head ---- */

/* RFC 9113, 8.2.3: h2 splits Cookie into crumbs, and h1 backends expect them in one line. */
static void cookies_join(struct header_list *headers)
{
        struct slice joined = header_value(headers, SLICE("cookie"));
        size_t at = 0;
        if (header_next(headers, SLICE("cookie"), &at) == NULL)
                return;
        size_t crumbs = 1, len = joined.len;
        size_t rest = at;
        for (const struct header *h; (h = header_next(headers, SLICE("cookie"), &rest)); crumbs++)
                len += 2 + h->value.len;
        if (crumbs == 1)
                return;
        struct buffer line;
        buffer_init(&line, len);
        must(buffer_append(&line, joined));
        while (crumbs-- > 1) {
                must(buffer_append(&line, SLICE("; ")));
                must(buffer_append(&line, header_next(headers, SLICE("cookie"), &at)->value));
        }
        header_set(headers, SLICE("cookie"), arena_slice(headers->arena, buffer_slice(&line)));
        buffer_done(&line);
}

static bool target_check(const struct http_limits *limits, struct h2_stream *stream)
{
        struct request_head *head = &stream->head;
        if (!slice_is(head->scheme, "http") && !slice_is(head->scheme, "https")) {
                fault(stream, 400, "scheme");
                return false;
        }
        if (slice_is(stream->path, "*") && slice_is(head->method, "OPTIONS")) {
                head->target = head->path = head->plain_path = SLICE("*");
                return true;
        }
        return target_parse(stream->path, limits, stream->arena, head, &stream->fault);
}

static bool head_check(const struct http_limits *limits, struct h2_stream *stream, bool end)
{
        struct request_head *head = &stream->head;
        bool known;
        if (stream->fault.status != 0 || !method_check(head->method, limits, &stream->fault) ||
            !target_check(limits, stream) ||
            !content_length_take(&head->headers, &known, &head->content_length, &stream->fault) ||
            !authority_take(head, stream->authority, false, &stream->fault))
                return false;
        if (known)
                head->framing = FRAMING_LENGTH;
        else
                head->framing = end ? FRAMING_NONE : FRAMING_CHUNKED;
        head->http_minor = 1;
        head->keep_alive = true;
        cookies_join(&head->headers);
        return request_rules_check(head, &stream->fault);
}

void h2_stream_head_end(struct h2_session *session, struct h2_stream *stream, bool end)
{
        if (!head_check(session->limits.http, stream, end)) {
                stream->state = H2_STREAM_REFUSED;
                session->callbacks->on_bad_request(stream->id, &stream->fault, session->self);
                return;
        }
        stream->state = H2_STREAM_BODY;
        session->callbacks->on_request(stream->id, &stream->head, end, session->self);
        if (end)
                h2_stream_end(session, stream);
}

void h2_stream_end(struct h2_session *session, struct h2_stream *stream)
{
        if (stream->state == H2_STREAM_LINGERS)
                client_wake(session);
        if (h2_stream_is_dropped(stream))
                return;
        if (stream->fault.status != 0) { /* of a trailer: the head is long gone to the caller */
                stream->state = H2_STREAM_REFUSED;
                nghttp2_submit_rst_stream(session->nghttp2, NGHTTP2_FLAG_NONE, stream->id,
                                          NGHTTP2_PROTOCOL_ERROR);
                return;
        }
        stream->state = H2_STREAM_ENDED;
        session->callbacks->on_request_end(stream->id, &stream->trailers, session->self);
}
