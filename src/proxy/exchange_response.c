#include <string.h>

#include "base/must.h"
#include "proxy/exchange_state.h"

enum {
        FIRST_READ_BYTES = 4 * 1024,
        READ_BYTES = 16 * 1024,
        INFORMATIONAL_MAX = 16, /* 1xx heads before the final one */
};

void exchange_response_start(struct exchange *exchange)
{
        h1_reader_init(&exchange->in.reader, &exchange->limits, exchange->start.arena);
}

/* ---- bytes ---- */

/* A head may need all the room there is; of a body no more than a window waits for the client. */
static bool in_is_full(const struct exchange *exchange)
{
        const struct exchange_in *in = &exchange->in;
        if (exchange->state == EXCHANGE_WAITING)
                return in->bytes.len >= in->bytes.max;
        return in->bytes.len - in->taken >= EXCHANGE_WINDOW_BYTES;
}

void exchange_poll_update(struct exchange *exchange)
{
        const struct exchange_in *in = &exchange->in;
        const struct exchange_out *out = &exchange->out;
        if (exchange->state != EXCHANGE_WAITING && exchange->state != EXCHANGE_RELAYING)
                return;
        if (!upstream_leased(&exchange->lease))
                return;
        upstream_want(&exchange->lease, !in->eof && !in_is_full(exchange),
                      !out->dead && out->sent < out->bytes.len);
}

static void compact(struct exchange_in *in)
{
        if (in->taken == 0)
                return;
        buffer_consume(&in->bytes, in->taken);
        in->taken = 0;
}

void exchange_response_receive(struct exchange *exchange)
{
        struct exchange_in *in = &exchange->in;
        if (in->eof || in_is_full(exchange))
                return;
        if (exchange->state == EXCHANGE_RELAYING)
                compact(in);
        size_t room = in->any ? READ_BYTES : FIRST_READ_BYTES;
        if (room > in->bytes.max - in->bytes.len)
                room = in->bytes.max - in->bytes.len;
        if (room == 0)
                return;
        ssize_t n = upstream_receive(&exchange->lease, buffer_reserve(&in->bytes, room), room);
        if (n == UPSTREAM_LATER)
                return;
        if (n > 0) {
                in->bytes.len += (size_t)n;
                in->any = true;
                exchange->out.replayable = false;
                exchange_deadline_renew(exchange);
        } else {
                in->eof = true;
        }
        exchange->news.readable = true;
        exchange_turn_later(exchange);
}

/* ---- the end ---- */

/* Kept for reuse only if both messages ended cleanly and nothing came behind the response (I30). */
static void backend_done(struct exchange *exchange)
{
        const struct exchange_in *in = &exchange->in;
        bool reusable = exchange->out.ended && exchange_request_is_sent(exchange) &&
                        in->keep_alive && in->body.framing != FRAMING_UNTIL_CLOSE && !in->eof &&
                        in->taken == in->bytes.len;
        upstream_release(&exchange->lease, reusable);
        deadline_clear(&exchange->deadline);
        exchange_request_drop(exchange);
        buffer_release(&exchange->in.bytes);
        exchange->in.taken = 0;
        exchange->state = EXCHANGE_ENDED;
}

/* ---- heads ---- */

static void final_head(struct exchange *exchange, bool *end)
{
        struct response_head *head = &exchange->response;
        struct exchange_in *in = &exchange->in;
        exchange->head_told = true;
        exchange->record.status = head->status;
        exchange->record.answered_ns = uv_hrtime();
        in->keep_alive = head->keep_alive;
        body_reader_init(&in->body, head->framing, head->content_length, &exchange->limits,
                         exchange->start.arena);
        response_headers_clean(&head->headers);
        for (size_t i = 0; i < exchange->rule->filters.response_count; i++)
                headers_filter(&head->headers, &exchange->rule->filters.response[i]);
        response_headers_clean(&head->headers); /* a filter frames no message */
        if (head->framing == FRAMING_UNTIL_CLOSE || head->framing == FRAMING_CHUNKED)
                head->framing = exchange->start.head->http_minor == 0 ? FRAMING_UNTIL_CLOSE
                                                                      : FRAMING_CHUNKED;
        head->keep_alive = true; /* of the client's connection; it knows better */
        *end = head->framing == FRAMING_NONE ||
               (head->framing == FRAMING_LENGTH && head->content_length == 0);
        exchange->state = EXCHANGE_RELAYING;
        if (*end)
                backend_done(exchange);
        else
                exchange_deadline_renew(exchange);
}

/* True: the client is to see it. A 100 is for us, who promised the client one already, and a client
 * of HTTP/1.0 knows none (RFC 9110, 15.2). */
static bool informational_head(struct exchange *exchange)
{
        struct exchange_in *in = &exchange->in;
        h1_reader_init(&in->reader, &exchange->limits, exchange->start.arena);
        if (++in->informational > INFORMATIONAL_MAX) {
                exchange_fail(exchange, 502, "informational_flood");
                return false;
        }
        response_headers_clean(&exchange->response.headers);
        return exchange->response.status != 100 && exchange->start.head->http_minor > 0;
}

/* The backend closed, or its head has no end. */
static void head_missing(struct exchange *exchange)
{
        if (!exchange->in.eof && exchange->in.bytes.len < exchange->in.bytes.max) {
                exchange_poll_update(exchange);
                return;
        }
        if (exchange->in.eof && exchange_request_retry(exchange))
                return;
        exchange_fail(exchange, 502, exchange->in.any ? "backend_head_cut_off" : "backend_closed");
}

bool exchange_response_head(struct exchange *exchange, bool *end)
{
        struct exchange_in *in = &exchange->in;
        const struct h1_asked asked = {.head = slice_is(exchange->start.head->method, "HEAD")};
        while (exchange->state == EXCHANGE_WAITING) {
                struct slice bytes = slice_skip(buffer_slice(&in->bytes), in->taken);
                size_t consumed = 0;
                enum h1_status status =
                        h1_response_read(&in->reader, bytes, asked, &consumed, &exchange->response);
                if (status == H1_MORE) {
                        head_missing(exchange);
                        return false;
                }
                if (status == H1_BAD) {
                        exchange_fail(exchange, 502, in->reader.fault.token);
                        return false;
                }
                in->taken += consumed;
                if (!exchange->response.informational) {
                        final_head(exchange, end);
                        return true;
                }
                *end = false;
                if (informational_head(exchange))
                        return true;
        }
        return false;
}

/* ---- the body ---- */

static enum h2_pull pull_end(struct exchange *exchange, const struct header_list **trailers)
{
        struct header_list *got = &exchange->in.body.trailers;
        trailers_clean(got);
        if (got->count > 0)
                *trailers = got;
        backend_done(exchange);
        return H2_PULL_END;
}

static enum h2_pull pull_none(struct exchange *exchange, size_t len)
{
        exchange_poll_update(exchange);
        if (len > 0)
                return H2_PULL_DATA;
        exchange->pull_waits = true;
        return H2_PULL_LATER;
}

/* No more bytes than there is room for are shown to the reader, so all data it finds fits. */
enum h2_pull exchange_response_pull(struct exchange *exchange, char *into, size_t *len,
                                    const struct header_list **trailers)
{
        struct exchange_in *in = &exchange->in;
        size_t room = *len;
        enum body_status status;
        *len = 0;
        do {
                struct slice bytes = slice_sub(buffer_slice(&in->bytes), in->taken, room - *len);
                struct slice data;
                size_t consumed;
                status = body_read(&in->body, bytes, &consumed, &data);
                in->taken += consumed;
                if (data.len > 0)
                        memcpy(into + *len, data.data, data.len);
                *len += data.len;
        } while (status == BODY_DATA ||
                 (status == BODY_MORE && *len < room && in->taken < in->bytes.len));
        exchange->record.bytes_out += *len;
        if (status == BODY_MORE && in->eof && in->taken == in->bytes.len)
                status = body_read_eof(&in->body);
        if (status == BODY_END)
                return pull_end(exchange, trailers);
        if (status != BODY_BAD)
                return pull_none(exchange, *len);
        exchange_fail(exchange, 502, in->body.fault.token);
        /* What was put before the fault goes out first; the next pull aborts. */
        return *len > 0 ? H2_PULL_DATA : H2_PULL_ABORT;
}
