#include "proxy/exchange_state.h"
#include "route/host_match.h"

static const struct exchange_gate pass = {0, NULL};

/* gateway-api.md, 2: the listener that the authority belongs to must be the one that SNI chose, on
 * every HTTPS port, or a connection made for one name would serve another's routes with the wrong
 * listener's pins (I20). The same table answers for SNI. Without a listener of its own an HTTPS
 * connection serves nothing. */
static struct exchange_gate listener_gate(struct exchange *exchange)
{
        const struct exchange_start *start = &exchange->start;
        const struct listener *asked = host_table_find(start->port->hosts, start->head->host);
        if (!asked)
                return (struct exchange_gate){404, "no_listener"};
        if (start->port->protocol == PORT_HTTPS && asked != start->listener)
                return (struct exchange_gate){421, "misdirected"};
        exchange->listener = asked;
        return pass;
}

static struct exchange_gate rule_gate(struct exchange *exchange)
{
        const struct route_table *routes = exchange->listener->routes;
        exchange->rule = routes ? route_find(routes, exchange->start.head) : NULL;
        if (!exchange->rule)
                return (struct exchange_gate){404, "no_route"};
        if (exchange->rule->refuses)
                return (struct exchange_gate){500, "rule_unusable"};
        return pass;
}

static struct exchange_gate backend_gate(struct exchange *exchange)
{
        const struct snapshot *snapshot = exchange->start.snapshot;
        uint64_t random = random_next(exchange->start.env->random_state);
        const struct route_backend *picked = route_pick(exchange->rule, random);
        if (!picked || picked->backend >= snapshot->backend_count)
                return (struct exchange_gate){500, picked ? "backend_invalid" : "no_backend"};
        exchange->backend = &snapshot->backends[picked->backend];
        if (exchange->backend->endpoint_count == 0)
                return (struct exchange_gate){503, "no_endpoints"};
        return pass;
}

struct exchange_gate exchange_gate_pass(struct exchange *exchange)
{
        struct exchange_gate gate = listener_gate(exchange);
        if (gate.status == 0)
                gate = rule_gate(exchange);
        if (gate.status == 0)
                gate = backend_gate(exchange);
        return gate;
}
