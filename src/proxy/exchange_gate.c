#include "proxy/exchange_gate.h"

#include "base/must.h"
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
        if (port->protocol == PORT_TLS && asked != chosen)
                return (struct exchange_gate){421, "misdirected"};
        *listener = asked;
        return asked->closed.len > 0 ? (struct exchange_gate){403, "listener_closed"} : pass;
}

/* "/admin;x/y" is /admin/y to a backend of the Java kind, which cuts off parameters, and a name of
 * its own to others. Which rule holds must not depend on who serves it, or a route's pins could be
 * walked around. False: the two readings meet different rules. */
static bool rule_find(const struct route_table *routes, const struct request_head *head,
                      struct route_found *found)
{
        if (!routes)
                return true;
        *found = route_find(routes, head);
        if (head->plain_path.len == head->path.len || found->too_costly)
                return true;
        struct request_head plain = *head;
        plain.path = head->plain_path;
        struct route_found other = route_find(routes, &plain);
        found->too_costly = other.too_costly;
        return other.too_costly || other.rule == found->rule;
}

struct exchange_gate exchange_gate_route(const struct port *port, const struct listener *chosen,
                                         const struct request_head *head,
                                         const struct listener **listener,
                                         struct route_found *found)
{
        struct exchange_gate gate = listener_gate(port, chosen, head->host, listener);
        if (gate.status != 0)
                return gate;
        /* RFC 9110, 9.3.7: it asks the server, not a resource, so it meets no route and no backend:
         * we are the server, and it is answered as the ping that it is. */
        if (slice_is(head->path, "*"))
                return (struct exchange_gate){200, NULL};
        *found = (struct route_found){0};
        if (!rule_find((*listener)->routes, head, found))
                return (struct exchange_gate){400, "path_parameters"};
        /* Whose it is could not be found out in time; a wider rule must not get it for that. */
        if (found->too_costly)
                return (struct exchange_gate){400, "pattern_too_costly"};
        if (!found->rule)
                return (struct exchange_gate){404, "no_route"};
        return pass;
}

const struct rule_policy *rule_policy_find(const struct snapshot *snapshot,
                                           const struct route_rule *rule)
{
        if (rule->policy == ROUTE_POLICY_NONE)
                return NULL;
        must(rule->policy < snapshot->rule_policy_count);
        return &snapshot->rule_policies[rule->policy];
}

/* Which gate said no is for the audit; the client learns the status alone. */
static void judge_rule(const struct rule_policy *policy, const struct standing *standing,
                       int64_t now, struct pin_decision *decision)
{
        if (!standing || !standing->verified) {
                enum reason reason = standing ? standing->reason : REASON_NO_CLIENT_AUTH;
                must(reason != REASON_ACCEPTED);
                refuse_unverified_request(&policy->pins, reason, decision);
                return;
        }
        struct pin_evidence evidence = standing_evidence(standing);
        judge_request_pins(&policy->pins, &evidence, now, decision);
}

struct exchange_gate exchange_gate_rule(const struct snapshot *snapshot,
                                        const struct route_rule *rule,
                                        const struct standing *standing, int64_t now,
                                        struct pin_decision *decision)
{
        const struct rule_policy *policy = rule_policy_find(snapshot, rule);
        *decision = (struct pin_decision){.reason = REASON_ACCEPTED};
        if (policy)
                judge_rule(policy, standing, now, decision);
        if (decision->reason != REASON_ACCEPTED)
                return (struct exchange_gate){403, "refused_by_policy"};
        if (rule->filters.refuses)
                return (struct exchange_gate){500, "rule_unusable"};
        return pass;
}

struct exchange_gate exchange_gate_backend(const struct snapshot *snapshot,
                                           const struct route_backend *picked,
                                           const struct backend **backend)
{
        struct slice why;
        if (!picked || picked->backend >= snapshot->backend_count)
                return (struct exchange_gate){500, picked ? "backend_invalid" : "no_backend"};
        *backend = &snapshot->backends[picked->backend];
        if ((*backend)->endpoint_count == 0)
                return (struct exchange_gate){503, "no_endpoints"};
        if ((*backend)->tls && client_policy_is_closed((*backend)->tls->peer, &why))
                return (struct exchange_gate){502, "backend_tls_unusable"};
        return pass;
}

/* Its filters may answer in its place, but not where it is none at all. */
static struct exchange_gate backend_pass(struct exchange *exchange)
{
        const struct exchange_start *start = &exchange->start;
        exchange->filters.target =
                route_pick(exchange->rule, random_next(start->env->random_state));
        struct exchange_gate gate = exchange_gate_backend(start->snapshot, exchange->filters.target,
                                                          &exchange->backend);
        if (!exchange->backend)
                return gate;
        struct exchange_gate answer =
                exchange_filters_pass(exchange, exchange->filters.target->filters);
        return answer.status != 0 ? answer : gate;
}

struct exchange_gate exchange_gate_pass(struct exchange *exchange)
{
        const struct exchange_start *start = &exchange->start;
        struct route_found found = {0};
        struct exchange_gate gate = exchange_gate_route(start->port, start->listener, start->head,
                                                        &exchange->listener, &found);
        if (gate.status != 0)
                return gate;
        exchange->rule = found.rule;
        exchange->filters.match = found.match;
        /* A port that asks nobody any more vouches for nobody, whoever came in before. */
        const struct standing *standing = start->port->client ? start->client->standing : NULL;
        gate = exchange_gate_rule(start->snapshot, exchange->rule, standing,
                                  exchange->record.time_ms / 1000, &exchange->decision);
        if (gate.status == 0)
                gate = exchange_filters_pass(exchange, &exchange->rule->filters);
        return gate.status != 0 ? gate : backend_pass(exchange);
}
