/* A call over HTTP/1.1: a connection of its own, one message each way. */
#include <string.h>

#include "base/must.h"
#include "http/h1_write.h"
#include "proxy/backend_call_kind.h"

enum {
        WIRE_BYTES_MAX = 1024 * 1024,
        IN_BYTES_MAX = 80 * 1024, /* the largest head, and the last read over a window */
        PIECE_BYTES = 16 * 1024,  /* of a body, framed or sent along with the head */
        FIRST_READ_BYTES = 4 * 1024,
        READ_BYTES = 16 * 1024,
};

/* ---- the request ---- */

static bool h1_begin(struct backend_call *call)
{
        struct call_h1 *h1 = &call->h1;
        struct request_head head = *call->start.head;
        buffer_init(&h1->wire, WIRE_BYTES_MAX);
        buffer_init(&h1->in, IN_BYTES_MAX);
        h1_reader_init(&h1->reader, call->start.limits, call->start.arena);
        head.keep_alive = true;
        return h1_write_request(&head, &h1->wire);
}

static struct slice waiting_body(const struct backend_call *call)
{
        const struct request_body *body = call->start.body;
        return slice_skip(buffer_slice(&body->bytes), body->sent);
}

static bool piece_frame(struct call_h1 *h1, struct slice piece)
{
        char head[CHUNK_HEAD_MAX];
        return buffer_append(&h1->wire, chunk_head_print(piece.len, head)) &&
               buffer_append(&h1->wire, piece) && buffer_append(&h1->wire, SLICE("\r\n"));
}

/* Puts behind what waits there what fits into the same packet; all of it is below WIRE_BYTES_MAX,
 * but for trailers that are out of all bounds. False: those. */
static bool wire_fill(struct backend_call *call)
{
        struct call_h1 *h1 = &call->h1;
        struct request_body *body = call->start.body;
        bool chunked = call->start.head->framing == FRAMING_CHUNKED;
        struct slice piece = slice_sub(waiting_body(call), 0, PIECE_BYTES);
        if (piece.len > 0 && h1->wire.len < PIECE_BYTES * 2) {
                must(chunked ? piece_frame(h1, piece) : buffer_append(&h1->wire, piece));
                body->sent += piece.len;
        }
        if (!body->ended || body->sent < body->bytes.len || h1->framed_end)
                return true;
        h1->framed_end = true;
        return !chunked || h1_write_last_chunk(body->trailers, &h1->wire);
}

/* What goes next: the wire, or a body as it lies there where its length was announced. */
static struct slice next_bytes(struct backend_call *call)
{
        struct call_h1 *h1 = &call->h1;
        bool chunked = call->start.head->framing == FRAMING_CHUNKED;
        if (h1->wire_sent == h1->wire.len) {
                buffer_clear(&h1->wire);
                h1->wire_sent = 0;
        }
        if ((chunked || h1->wire.len > 0) && !wire_fill(call))
                return SLICE_NONE;
        if (h1->wire.len > 0)
                return slice_skip(buffer_slice(&h1->wire), h1->wire_sent);
        return waiting_body(call);
}

/* Whether it broke: it may have answered before it stopped reading, which reading will tell. */
static bool h1_send(struct backend_call *call)
{
        struct call_h1 *h1 = &call->h1;
        bool moved = false;
        for (;;) {
                struct slice bytes = next_bytes(call);
                if (bytes.len == 0)
                        break;
                ssize_t n = upstream_send(&call->lease, bytes);
                call->deaf = n < 0 && n != UPSTREAM_LATER;
                if (n < 0)
                        break;
                moved = true;
                if (h1->wire.len > 0)
                        h1->wire_sent += (size_t)n;
                else
                        call->start.body->sent += (size_t)n;
        }
        return moved;
}

static size_t h1_unsent(const struct backend_call *call)
{
        return call->h1.wire.len - call->h1.wire_sent;
}

/* ---- the response ---- */

/* A head may need all the room there is; of a body no more than a window waits for the client. */
static bool in_is_full(const struct backend_call *call)
{
        const struct call_h1 *h1 = &call->h1;
        if (!h1->in_body)
                return h1->in.len >= h1->in.max;
        return h1->in.len - h1->taken >= call->start.window_bytes;
}

static void compact(struct call_h1 *h1)
{
        if (h1->taken == 0)
                return;
        buffer_consume(&h1->in, h1->taken);
        h1->taken = 0;
}

static bool h1_receive(struct backend_call *call)
{
        struct call_h1 *h1 = &call->h1;
        if (h1->eof || in_is_full(call))
                return false;
        if (h1->in_body)
                compact(h1);
        size_t room = call->any ? READ_BYTES : FIRST_READ_BYTES;
        if (room > h1->in.max - h1->in.len)
                room = h1->in.max - h1->in.len;
        if (room == 0)
                return false;
        ssize_t n = upstream_receive(&call->lease, buffer_reserve(&h1->in, room), room);
        if (n == UPSTREAM_LATER)
                return false;
        if (n > 0) {
                h1->in.len += (size_t)n;
                call->any = true;
        } else {
                h1->eof = true;
                h1->broken = n < 0;
        }
        return true;
}

static enum call_head bad_head(struct backend_call *call, struct http_fault fault)
{
        call->fault = fault;
        return CALL_HEAD_BAD;
}

static enum call_head h1_head(struct backend_call *call, struct response_head *head)
{
        struct call_h1 *h1 = &call->h1;
        const struct request_head *request = call->start.head;
        const struct h1_asked asked = {.head = slice_is(request->method, "HEAD"),
                                       .websocket = request->upgrade.len > 0};
        struct slice bytes = slice_skip(buffer_slice(&h1->in), h1->taken);
        size_t consumed = 0;
        switch (h1_response_read(&h1->reader, bytes, asked, &consumed, head)) {
        case H1_MORE:
                if (!h1->eof && h1->in.len < h1->in.max)
                        return CALL_HEAD_LATER;
                if (h1->eof)
                        return CALL_HEAD_CLOSED;
                return bad_head(call, (struct http_fault){502, "backend_head_cut_off"});
        case H1_BAD:
                return bad_head(call, h1->reader.fault);
        case H1_DONE:
                break;
        }
        h1->taken += consumed;
        if (head->informational) {
                h1_reader_init(&h1->reader, call->start.limits, call->start.arena);
                return CALL_HEAD_DONE;
        }
        h1->in_body = true;
        h1->keep_alive = head->keep_alive;
        body_reader_init(&h1->body, head->framing, head->content_length, call->start.limits,
                         call->start.arena);
        return CALL_HEAD_DONE;
}

/* No more bytes than there is room for are shown to the reader, so all data it finds fits. */
static enum h2_pull h1_pull(struct backend_call *call, char *into, size_t *len,
                            struct header_list **trailers)
{
        struct call_h1 *h1 = &call->h1;
        size_t room = *len;
        enum body_status status;
        *len = 0;
        do {
                struct slice bytes = slice_sub(buffer_slice(&h1->in), h1->taken, room - *len);
                struct slice data;
                size_t consumed;
                status = body_read(&h1->body, bytes, &consumed, &data);
                h1->taken += consumed;
                if (data.len > 0)
                        memcpy(into + *len, data.data, data.len);
                *len += data.len;
        } while (status == BODY_DATA ||
                 (status == BODY_MORE && *len < room && h1->taken < h1->in.len));
        bool over = status == BODY_MORE && h1->eof && h1->taken == h1->in.len;
        /* Who cuts a connection off must not be able to end a body that its close would end (RFC
         * 9112, 9.8). */
        if (over && h1->broken && h1->body.framing == FRAMING_UNTIL_CLOSE) {
                call->fault = (struct http_fault){502, "backend_broke_off"};
                return H2_PULL_ABORT;
        }
        if (over)
                status = body_read_eof(&h1->body);
        if (status == BODY_END) {
                *trailers = &h1->body.trailers;
                return H2_PULL_END;
        }
        if (status != BODY_BAD)
                return *len > 0 ? H2_PULL_DATA : H2_PULL_LATER;
        call->fault = (struct http_fault){502, h1->body.fault.token};
        return H2_PULL_ABORT;
}

static bool h1_has_input(const struct backend_call *call)
{
        return call->h1.in.len > call->h1.taken;
}

/* ---- both ---- */

static void h1_watch(struct backend_call *call)
{
        bool waiting = h1_unsent(call) > 0 || waiting_body(call).len > 0;
        upstream_want(&call->lease, !call->h1.eof && !in_is_full(call), !call->deaf && waiting);
}

/* And nothing came behind the response. */
static bool h1_is_reusable(const struct backend_call *call)
{
        const struct call_h1 *h1 = &call->h1;
        const struct request_body *body = call->start.body;
        bool sent = body->ended && body->sent == body->bytes.len && h1_unsent(call) == 0 &&
                    (h1->framed_end || call->start.head->framing != FRAMING_CHUNKED);
        return sent && !call->deaf && h1->keep_alive && h1->body.framing != FRAMING_UNTIL_CLOSE &&
               !h1->eof && h1->taken == h1->in.len;
}

static void h1_done(struct backend_call *call)
{
        buffer_done(&call->h1.wire);
        buffer_done(&call->h1.in);
}

static struct buffer h1_leftover(struct backend_call *call)
{
        struct call_h1 *h1 = &call->h1;
        compact(h1);
        struct buffer came = h1->in;
        buffer_init(&h1->in, IN_BYTES_MAX);
        return came;
}

const struct call_kind call_h1_kind = {
        .begin = h1_begin,
        .send = h1_send,
        .unsent = h1_unsent,
        .receive = h1_receive,
        .head = h1_head,
        .pull = h1_pull,
        .has_input = h1_has_input,
        .watch = h1_watch,
        .is_reusable = h1_is_reusable,
        .leftover = h1_leftover,
        .done = h1_done,
};
