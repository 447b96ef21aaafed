#include "proxy/exchange_filters.h"

#include "proxy/exchange_state.h"
#include "route/cors.h"

struct filter_answer filters_answer(const struct route_filters *filters,
                                    const struct redirect_request *request, struct arena *arena)
{
        if (filters && filters->cors && cors_is_preflight(request->head))
                return (struct filter_answer){.status = 200, .preflight = true};
        if (!filters || !filters->redirect)
                return (struct filter_answer){0};
        return (struct filter_answer){
                .status = filters->redirect->status,
                .location = redirect_location(filters->redirect, request, arena),
        };
}

static const struct route_rewrite *rewrite_of(const struct route_filters *filters)
{
        static const struct route_rewrite none;
        return filters && filters->rewrite ? filters->rewrite : &none;
}

void filters_rewrite(const struct route_filters *rule, const struct route_filters *backend,
                     const struct route_match *match, struct request_head *head,
                     struct arena *arena)
{
        const struct route_rewrite *outer = rewrite_of(rule), *inner = rewrite_of(backend);
        const struct path_modifier *path =
                inner->path.change != PATH_KEEP ? &inner->path : &outer->path;
        struct slice hostname = inner->hostname.len > 0 ? inner->hostname : outer->hostname;
        if (path->change != PATH_KEEP)
                path_rewrite(head, path_modify(path, match, head->path, arena), arena);
        if (hostname.len > 0)
                head->authority = hostname;
}

/* ---- of an exchange ---- */

static const struct route_filters *backend_filters(const struct exchange *exchange)
{
        return exchange->filters.target ? exchange->filters.target->filters : NULL;
}

struct exchange_gate exchange_filters_pass(struct exchange *exchange,
                                           const struct route_filters *filters)
{
        const struct exchange_start *start = &exchange->start;
        const struct redirect_request request = {
                .head = start->head,
                .match = exchange->filters.match,
                .scheme = start->client->scheme,
                .listener_port = start->port->number,
        };
        exchange->filters.asked = true;
        exchange->filters.origin = cors_origin_of(start->head);
        exchange->filters.answer = filters_answer(filters, &request, start->arena);
        return (struct exchange_gate){exchange->filters.answer.status, NULL};
}

static void list_filter(struct header_list *headers, const struct header_filter *filters,
                        size_t count)
{
        for (size_t i = 0; i < count; i++)
                headers_filter(headers, &filters[i]);
}

void exchange_request_filter(const struct exchange *exchange, struct header_list *headers)
{
        const struct route_filters *rule = &exchange->rule->filters;
        const struct route_filters *backend = backend_filters(exchange);
        list_filter(headers, rule->request, rule->request_count);
        if (backend)
                list_filter(headers, backend->request, backend->request_count);
}

static const struct route_cors *cors_of(const struct exchange *exchange)
{
        const struct route_filters *backend = backend_filters(exchange);
        return backend && backend->cors ? backend->cors : exchange->rule->filters.cors;
}

void exchange_response_filter(const struct exchange *exchange, struct header_list *headers)
{
        const struct route_filters *rule = &exchange->rule->filters;
        const struct route_filters *backend = backend_filters(exchange);
        list_filter(headers, rule->response, rule->response_count);
        if (backend)
                list_filter(headers, backend->response, backend->response_count);
        response_headers_clean(headers); /* a filter frames no message */
        if (cors_of(exchange))
                cors_answer(cors_of(exchange), exchange->filters.origin, headers);
}

void exchange_request_rewrite(struct exchange *exchange)
{
        struct exchange_filters *filters = &exchange->filters;
        filters->head = *exchange->start.head;
        filters_rewrite(&exchange->rule->filters, backend_filters(exchange), filters->match,
                        &filters->head, exchange->start.arena);
}

/* A page may read the faults of a backend that it may read, and nothing of who may not come in. */
void exchange_answer_filter(const struct exchange *exchange, struct header_list *headers)
{
        const struct filter_answer *answer = &exchange->filters.answer;
        const struct route_cors *cors = exchange->filters.asked ? cors_of(exchange) : NULL;
        if (answer->location.len > 0) {
                header_append(headers, SLICE("location"), answer->location);
                exchange_response_filter(exchange, headers);
        } else if (cors && answer->preflight) {
                cors_answer_preflight(cors, exchange->start.head, headers);
        } else if (cors) {
                cors_answer(cors, exchange->filters.origin, headers);
        }
}
