#include "base/must.h"
#include "proxy/client_identity.h"
#include "proxy/exchange_try.h"

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
        exchange_request_filter(exchange, headers);
        request_headers_finish(headers, identity_of(exchange), start->head->te_trailers);
}

/* What is asked to become another protocol can't be said twice. */
static void mirror(struct exchange *exchange)
{
        const struct exchange_start *start = &exchange->start;
        const struct route_backend *target = exchange->filters.target;
        const struct mirror_start copy = {
                .env = start->env,
                .snapshot = start->snapshot,
                .head = &exchange->filters.head,
                .end = start->end,
        };
        if (start->head->upgrade.len > 0)
                return;
        mirrors_begin(&exchange->mirrors, &copy, &exchange->rule->filters);
        mirrors_begin(&exchange->mirrors, &copy, target ? target->filters : NULL);
}

void exchange_request_start(struct exchange *exchange)
{
        struct request_head *head = exchange->start.head;
        headers_make(exchange);
        if (exchange->start.end && head->framing == FRAMING_CHUNKED)
                head->framing = FRAMING_NONE;
        if (exchange->backend->protocol != BACKEND_HTTP) /* RFC 8441 is not offered */
                head->upgrade = SLICE_NONE;
        exchange->out.replayable = true;
        exchange_request_rewrite(exchange);
        mirror(exchange);
}

/* ---- the body ---- */

/* Credit is given for what can't be among the bytes that wait: framing only makes those more. */
static void acknowledge(struct exchange *exchange)
{
        struct exchange_out *out = &exchange->out;
        size_t waiting =
                out->body.bytes.len - out->body.sent + backend_call_unsent(&exchange->call);
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
        out->body.sent = 0;
        buffer_release(&out->body.bytes);
        acknowledge(exchange);
}

bool exchange_request_is_sent(const struct exchange *exchange)
{
        const struct request_body *body = &exchange->out.body;
        return !exchange->out.dead && body->sent == body->bytes.len &&
               backend_call_unsent(&exchange->call) == 0;
}

/* Lets go of what went on, once there can be no second try. */
static void forget_sent(struct exchange_out *out)
{
        if (out->body.bytes.len > OUT_KEPT_BYTES_MAX)
                out->replayable = false;
        if (out->replayable || out->body.sent == 0)
                return;
        buffer_consume(&out->body.bytes, out->body.sent);
        out->body.sent = 0;
}

void exchange_request_sent(struct exchange *exchange)
{
        struct exchange_out *out = &exchange->out;
        if (exchange->head_told || (exchange->call.any && !exchange->rule->retry))
                out->replayable = false;
        if (exchange->call.deaf) {
                if (!out->replayable && !out->dead)
                        exchange_request_drop(exchange);
                out->dead = true;
                return;
        }
        acknowledge(exchange);
        forget_sent(out);
}

void exchange_request_send(struct exchange *exchange)
{
        if (backend_call_send(&exchange->call))
                exchange_deadline_renew(exchange);
        exchange_request_sent(exchange);
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
        backend_call_watch(&exchange->call);
}

void exchange_request_data(struct exchange *exchange, struct slice data)
{
        struct exchange_out *out = &exchange->out;
        if (data.len == 0)
                return;
        mirror_group_data(&exchange->mirrors, data);
        out->body_bytes += data.len;
        out->unacked += data.len;
        if (exchange_request_unread(exchange) || (out->dead && !out->replayable)) {
                acknowledge(exchange);
                return;
        }
        if (out->body.ended || body_is_over_length(exchange)) {
                exchange_fail(exchange, 400, "body_over_length");
                return;
        }
        if (!buffer_append(&out->body.bytes, data)) {
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
        if (out->body.ended)
                return;
        out->body.ended = true;
        mirror_group_end(&exchange->mirrors);
        if (exchange_request_unread(exchange) || (out->dead && !out->replayable))
                return;
        if (head->framing == FRAMING_LENGTH && out->body_bytes < head->content_length) {
                exchange_fail(exchange, 400, "body_under_length");
                return;
        }
        if (trailers)
                trailers_clean(trailers);
        out->body.trailers = trailers;
        exchange_deadline_renew(exchange); /* from here on the backend is waited for */
        send_now(exchange);
}

void exchange_request_broken(struct exchange *exchange, const struct http_fault *fault)
{
        mirror_group_break(&exchange->mirrors);
        if (!exchange_request_unread(exchange))
                exchange_fail(exchange, fault->status, fault->token);
}
