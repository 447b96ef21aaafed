#include "proxy/exchange_gate.h"

#include "proxy/exchange_state.h"
#include "route/host_match.h"

static const struct exchange_gate pass = {0, NULL};

/* gateway-api.md, 2: the listener that the authority belongs to must be the one that SNI chose, on
 * every HTTPS port, or a connection made for one name would serve another's routes with the wrong
 * listener's pins (I20). The same table answers for SNI. Without a listener of its own an HTTPS
 * connection serves nothing. */
static struct exchange_gate listener_gate(const struct port *port, const struct listener *chosen,
                                          struct slice host, const struct listener **listener)
{
        const struct listener *asked = host_table_find(port->hosts, host);
        if (!asked)
                return (struct exchange_gate){404, "no_listener"};
        if (port->protocol == PORT_HTTPS && asked != chosen)
                return (struct exchange_gate){421, "misdirected"};
        *listener = asked;
        return pass;
}

struct exchange_gate exchange_gate_route(const struct port *port, const struct listener *chosen,
                                         const struct request_head *head,
                                         const struct listener **listener,
                                         const struct route_rule **rule)
{
        struct exchange_gate gate = listener_gate(port, chosen, head->host, listener);
        if (gate.status != 0)
                return gate;
        /* RFC 9110, 9.3.7: it asks the server, not a resource, so it meets no route and no backend:
         * we are the server, and it is answered as the ping that it is. */
        if (slice_is(head->path, "*"))
                return (struct exchange_gate){200, NULL};
        const struct route_table *routes = (*listener)->routes;
        *rule = routes ? route_find(routes, head) : NULL;
        if (!*rule)
                return (struct exchange_gate){404, "no_route"};
        if ((*rule)->refuses)
                return (struct exchange_gate){500, "rule_unusable"};
        return pass;
}

struct exchange_gate exchange_gate_backend(const struct snapshot *snapshot,
                                           const struct route_rule *rule, uint64_t random,
                                           const struct backend **backend)
{
        const struct route_backend *picked = route_pick(rule, random);
        if (!picked || picked->backend >= snapshot->backend_count)
                return (struct exchange_gate){500, picked ? "backend_invalid" : "no_backend"};
        *backend = &snapshot->backends[picked->backend];
        if ((*backend)->endpoint_count == 0)
                return (struct exchange_gate){503, "no_endpoints"};
        return pass;
}

struct exchange_gate exchange_gate_pass(struct exchange *exchange)
{
        const struct exchange_start *start = &exchange->start;
        struct exchange_gate gate = exchange_gate_route(start->port, start->listener, start->head,
                                                        &exchange->listener, &exchange->rule);
        if (gate.status != 0)
                return gate;
        uint64_t random = random_next(start->env->random_state);
        return exchange_gate_backend(start->snapshot, exchange->rule, random, &exchange->backend);
}
