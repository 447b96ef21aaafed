#include "base/must.h"
#include "http/h1_write.h"
#include "proxy/client_identity.h"
#include "proxy/exchange_state.h"

enum {
        OUT_KEPT_BYTES_MAX = EXCHANGE_WINDOW_BYTES, /* for a second try */
};

/* ---- the head ---- */

/* Of the rule, the route, or its connection. */
struct slice exchange_client_name(const struct exchange *exchange)
{
        const struct pin_decision *decision = &exchange->decision;
        if (decision->reason == REASON_ACCEPTED && decision->match.name.len > 0)
                return decision->match.name;
        return exchange->start.client->client_name;
}

/* What the connection has built says it, unless policies of the route want another name or other
 * fields: those are built anew, by the same function. */
static const struct header_list *identity_of(struct exchange *exchange)
{
        const struct exchange_start *start = &exchange->start;
        const struct exchange_client *client = start->client;
        const struct rule_policy *policy = rule_policy_find(start->snapshot, exchange->rule);
        if (!start->port->client) /* it asks nobody any more, and looks after nobody's identity */
                return NULL;
        if (!client->identity || !client->standing || !client->standing->verified)
                return client->identity;
        const struct client_shown shown = {
                .standing = client->standing,
                .chain = client->chain,
                .name = exchange_client_name(exchange),
                .forward = policy && policy->forward_given ? policy->forward
                                                           : exchange->listener->forward,
        };
        if (shown.forward == client->forward && slice_equal(shown.name, client->client_name))
                return client->identity;
        struct header_list *identity = ARENA_NEW(start->arena, struct header_list);
        client_identity_build(&shown, start->arena, identity);
        return identity;
}

/* The order is the law of header_rules.h: what Connection lists goes first, identity comes last, so
 * nothing that a client or a filter says can make or unmake it (I23, I24). */
static void headers_make(struct exchange *exchange)
{
        const struct exchange_start *start = &exchange->start;
        struct header_list *headers = &start->head->headers;
        char ip[EVENT_ADDRESS_SIZE];
        const struct forwarded forwarded = {
                .client_ip =
                        arena_slice(start->arena,
                                    slice_of(event_address_print(&start->client->peer, false, ip))),
                .scheme = start->client->scheme,
                .host = start->head->authority,
                .port = arena_decimal(start->arena, start->port->number),
                .request_id = exchange->record.request_id,
        };
        request_headers_clean(headers, &forwarded);
        header_remove(headers, SLICE("expect"));
        for (size_t i = 0; i < exchange->rule->filters.request_count; i++)
                headers_filter(headers, &exchange->rule->filters.request[i]);
        request_headers_finish(headers, identity_of(exchange), false);
}

void exchange_request_start(struct exchange *exchange)
{
        struct exchange_out *out = &exchange->out;
        headers_make(exchange);
        struct request_head head = *exchange->start.head;
        head.upgrade = SLICE_NONE; /* hop by hop; tunnels are not offered yet */
        head.keep_alive = true;
        if (exchange->start.end && head.framing == FRAMING_CHUNKED)
                head.framing = FRAMING_NONE;
        out->replayable = true;
        if (!h1_write_request(&head, &out->bytes))
                exchange_fail(exchange, 431, "head_too_big");
}

/* ---- the body ---- */

/* Credit is given for what can't be among the bytes that wait: framing only makes those more. */
static void acknowledge(struct exchange *exchange)
{
        struct exchange_out *out = &exchange->out;
        size_t waiting = out->bytes.len - out->sent;
        if (out->unacked <= waiting)
                return;
        exchange->news.consumed += out->unacked - waiting;
        out->unacked = waiting;
        exchange_turn_later(exchange);
}

void exchange_request_drop(struct exchange *exchange)
{
        struct exchange_out *out = &exchange->out;
        out->dead = true;
        out->replayable = false;
        out->sent = 0;
        buffer_release(&out->bytes);
        acknowledge(exchange);
}

bool exchange_request_is_sent(const struct exchange *exchange)
{
        return !exchange->out.dead && exchange->out.sent == exchange->out.bytes.len;
}

/* Lets go of what went on, once there can be no second try. */
static void forget_sent(struct exchange_out *out)
{
        if (out->bytes.len > OUT_KEPT_BYTES_MAX)
                out->replayable = false;
        if (out->replayable || out->sent == 0)
                return;
        buffer_consume(&out->bytes, out->sent);
        out->sent = 0;
}

void exchange_request_send(struct exchange *exchange)
{
        struct exchange_out *out = &exchange->out;
        while (!out->dead && out->sent < out->bytes.len) {
                struct slice rest = slice_skip(buffer_slice(&out->bytes), out->sent);
                ssize_t n = upstream_send(&exchange->lease, rest);
                if (n == UPSTREAM_LATER)
                        break;
                if (n < 0) {
                        /* It may have answered before it stopped reading: reading will tell. */
                        if (!out->replayable)
                                exchange_request_drop(exchange);
                        out->dead = true;
                        return;
                }
                out->sent += (size_t)n;
                exchange_deadline_renew(exchange);
        }
        acknowledge(exchange);
        if (exchange->in.any)
                out->replayable = false;
        forget_sent(out);
}

static bool body_append(struct exchange *exchange, struct slice data)
{
        struct buffer *bytes = &exchange->out.bytes;
        char head[CHUNK_HEAD_MAX];
        if (exchange->start.head->framing != FRAMING_CHUNKED)
                return buffer_append(bytes, data);
        return buffer_append(bytes, chunk_head_print(data.len, head)) &&
               buffer_append(bytes, data) && buffer_append(bytes, SLICE("\r\n"));
}

/* More, or less, than Content-Length said must never reach a backend as a message (I28). */
static bool body_is_over_length(const struct exchange *exchange)
{
        const struct request_head *head = exchange->start.head;
        return head->framing == FRAMING_NONE ||
               (head->framing == FRAMING_LENGTH && exchange->out.body_bytes > head->content_length);
}

static void send_now(struct exchange *exchange)
{
        if (exchange->state != EXCHANGE_WAITING && exchange->state != EXCHANGE_RELAYING)
                return;
        exchange_request_send(exchange);
        exchange_poll_update(exchange);
}

void exchange_request_data(struct exchange *exchange, struct slice data)
{
        struct exchange_out *out = &exchange->out;
        if (data.len == 0)
                return;
        out->body_bytes += data.len;
        out->unacked += data.len;
        if (exchange_request_unread(exchange) || (out->dead && !out->replayable)) {
                acknowledge(exchange);
                return;
        }
        if (out->ended || body_is_over_length(exchange)) {
                exchange_fail(exchange, 400, "body_over_length");
                return;
        }
        if (!body_append(exchange, data)) {
                exchange_fail(exchange, 500, "request_window_overrun");
                return;
        }
        exchange_deadline_renew(exchange);
        send_now(exchange);
}

void exchange_request_end(struct exchange *exchange, struct header_list *trailers)
{
        struct exchange_out *out = &exchange->out;
        const struct request_head *head = exchange->start.head;
        if (out->ended)
                return;
        out->ended = true;
        if (exchange_request_unread(exchange) || (out->dead && !out->replayable))
                return;
        if (head->framing == FRAMING_LENGTH && out->body_bytes < head->content_length) {
                exchange_fail(exchange, 400, "body_under_length");
                return;
        }
        if (trailers)
                trailers_clean(trailers);
        if (head->framing == FRAMING_CHUNKED && !h1_write_last_chunk(trailers, &out->bytes)) {
                exchange_fail(exchange, 500, "request_window_overrun");
                return;
        }
        exchange_deadline_renew(exchange); /* from here on the backend is waited for */
        send_now(exchange);
}

void exchange_request_broken(struct exchange *exchange, const struct http_fault *fault)
{
        if (!exchange_request_unread(exchange))
                exchange_fail(exchange, fault->status, fault->token);
}
