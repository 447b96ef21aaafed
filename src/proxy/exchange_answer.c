#include "proxy/exchange_state.h"

/* ---- as gRPC tells it ---- */

static bool is_grpc(const struct request_head *head)
{
        const struct slice type = SLICE("application/grpc");
        struct slice said = head ? header_value(&head->headers, SLICE("content-type")) : SLICE_NONE;
        char next = said.len > type.len ? said.data[type.len] : ';';
        return slice_equal_nocase(slice_sub(said, 0, type.len), type) &&
               (next == ';' || next == '+' || next == ' ');
}

/* The statuses of gRPC (doc/statuscodes.md) that fit. A 421 stays what it is: it tells the client's
 * HTTP to ask on another connection. */
static int grpc_status_of(int status)
{
        switch (status) {
        case 403:
                return 7; /* PERMISSION_DENIED */
        case 404:
                return 12; /* UNIMPLEMENTED */
        case 408:
        case 504:
                return 4; /* DEADLINE_EXCEEDED */
        case 413:
        case 431:
                return 8; /* RESOURCE_EXHAUSTED */
        case 500:
        case 502:
        case 503:
                return 14; /* UNAVAILABLE */
        default:
                return 13; /* INTERNAL */
        }
}

/* Trailers-Only: a head that ends the response. */
static void grpc_answer_write(struct exchange *exchange, int status)
{
        struct arena *arena = exchange->start.arena;
        struct response_head *response = &exchange->response;
        *response = (struct response_head){
                .status = 200, .framing = FRAMING_LENGTH, .keep_alive = true, .http_minor = 1};
        exchange->answer = SLICE_NONE;
        header_list_init(&response->headers, arena);
        header_append(&response->headers, SLICE("content-type"), SLICE("application/grpc"));
        header_append(&response->headers, SLICE("grpc-status"),
                      arena_decimal(arena, (uint64_t)grpc_status_of(status)));
        header_append(&response->headers, SLICE("grpc-message"),
                      arena_printf(arena, "%d %s, request %.*s", status, status_phrase(status),
                                   SLICE_ARG(exchange->record.request_id)));
        exchange_answer_filter(exchange, &response->headers);
}

/* ---- as HTTP does ---- */

/* Status and request id and nothing else: what is wrong inside is for the log. What went well needs
 * no words. */
static void answer_write(struct exchange *exchange, int status)
{
        struct arena *arena = exchange->start.arena;
        const struct request_head *head = exchange->start.head;
        struct response_head *response = &exchange->response;
        if (exchange->record.fault)
                exchange->answer =
                        arena_printf(arena, "%d %s\nrequest %.*s\n", status, status_phrase(status),
                                     SLICE_ARG(exchange->record.request_id));
        *response = (struct response_head){
                .status = (uint16_t)status,
                .framing = FRAMING_LENGTH,
                .content_length_known = true,
                .content_length = exchange->answer.len,
                .keep_alive = true,
                .http_minor = 1,
        };
        header_list_init(&response->headers, arena);
        if (exchange->answer.len > 0)
                header_append(&response->headers, SLICE("content-type"),
                              SLICE("text/plain; charset=utf-8"));
        exchange_answer_filter(exchange, &response->headers);
        if (head && slice_is(head->method, "HEAD")) {
                response->framing = FRAMING_NONE;
                exchange->answer = SLICE_NONE;
        }
}

void exchange_fail(struct exchange *exchange, int status, const char *fault)
{
        backend_call_close(&exchange->call, false);
        deadline_clear(&exchange->deadline);
        exchange_request_drop(exchange);
        exchange->record.fault = fault;
        if (exchange->head_told) {
                exchange->state = EXCHANGE_BROKEN;
                exchange->news.readable = true;
        } else {
                exchange->state = EXCHANGE_ANSWERING;
                exchange->record.status = (uint16_t)status;
                if (fault && status != 421 && is_grpc(exchange->start.head))
                        grpc_answer_write(exchange, status);
                else
                        answer_write(exchange, status);
        }
        exchange_turn_later(exchange);
}

/* ---- the access record ---- */

enum {
        CLIENT_GONE_STATUS = 499, /* nginx's number, which readers of logs know */
};

static void request_facts_put(const struct exchange *exchange, struct request_facts *facts)
{
        const struct request_head *head = exchange->start.head;
        if (!head)
                return;
        facts->method = head->method;
        facts->path = head->path;
        facts->authority = head->authority;
}

static void place_facts_put(const struct exchange *exchange, struct request_facts *facts)
{
        if (exchange->listener) {
                facts->gateway = exchange->listener->gateway;
                facts->listener = exchange->listener->name;
        } else if (exchange->start.port) {
                facts->gateway = exchange->start.port->gateway;
        }
        if (exchange->rule)
                facts->route = exchange->rule->route;
}

static void outcome_facts_put(const struct exchange *exchange, struct request_facts *facts)
{
        const struct exchange_record *record = &exchange->record;
        const char *fault = record->fault;
        facts->status = record->status ? record->status : CLIENT_GONE_STATUS;
        if (exchange->state != EXCHANGE_ENDED && !fault)
                fault = "client_gone";
        facts->fault = slice_of(fault);
        facts->bytes_in = exchange->out.body_bytes;
        facts->bytes_out = record->bytes_out;
        facts->duration_us = (uv_hrtime() - record->started_ns) / 1000;
        if (record->asked_ns > 0 && record->answered_ns > record->asked_ns)
                facts->upstream_us = (record->answered_ns - record->asked_ns) / 1000;
        facts->retries = record->retries;
        facts->upstream = record->upstream;
}

static void client_facts_put(const struct exchange *exchange, struct request_facts *facts)
{
        const struct standing *standing = exchange->start.client->standing;
        const struct pin_decision *decision = &exchange->decision;
        facts->reason = decision->reason;
        facts->report_only = decision->report_only;
        if (decision->reason != REASON_ACCEPTED)
                facts->scope = decision->scope->source;
        if (decision->report_scope)
                facts->report_scope = decision->report_scope->source;
        if (!standing || !standing->verified)
                return;
        facts->certificate = standing->leaf;
        facts->spki = standing->spki;
        if (exchange->rule && exchange->rule->policy != ROUTE_POLICY_NONE) {
                struct pin_evidence evidence = standing_evidence(standing);
                facts->rule_policy = exchange->rule->policy + 1;
                facts->issuers = slice_from(evidence.issuers, evidence.issuer_count * DIGEST_BYTES);
        }
        if (decision->reason != REASON_ACCEPTED || decision->report_scope)
                facts->subject = slice_of(standing->subject);
}

void exchange_record_write(struct exchange *exchange)
{
        const struct exchange_client *client = exchange->start.client;
        struct request_facts facts = {
                .time_ms = exchange->record.time_ms,
                .protocol = slice_of(client->protocol),
                .client = client->peer,
                .client_name = exchange_client_name(exchange),
                .connection = client->connection,
                .request_id = exchange->record.request_id,
                .generation = exchange->start.snapshot->generation,
        };
        request_facts_put(exchange, &facts);
        client_facts_put(exchange, &facts);
        place_facts_put(exchange, &facts);
        outcome_facts_put(exchange, &facts);
        event_request(exchange->start.env->sink, &facts);
}
