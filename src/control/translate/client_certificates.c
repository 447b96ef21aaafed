/* A Gateway's own certificate towards backends (spec.tls.backend.clientCertificateRef). Routes are
 * compiled once for all Gateways; of a Gateway that has a certificate to show, those of their rules
 * that lead to a backend by TLS are its own, with backends of its own. */
#include <string.h>

#include "base/must.h"
#include "control/translate/stages.h"
#include "trust/policy.h"

void client_certificates_resolve(struct work *w)
{
        for (size_t i = 0; i < w->gateway_count; i++) {
                struct gateway_work *gateway = &w->gateways[i];
                const struct gateway_tls *tls = gateway->api->tls;
                if (!tls || !tls->backend || !tls->backend->client_certificate)
                        continue;
                const char *reason;
                struct slice message;
                gateway->shows_certificate = true;
                gateway->client_certificate =
                        certificate_resolve(w, &gateway->api->object,
                                            tls->backend->client_certificate, &reason, &message);
                if (gateway->client_certificate)
                        continue;
                bool forbidden = strcmp(reason, "RefNotPermitted") == 0;
                gateway->certificate_reason = forbidden ? reason : "InvalidClientCertificateRef";
                gateway->certificate_message =
                        tell(w, "tls.backend.clientCertificateRef: %.*s", SLICE_ARG(message));
        }
}

/* The backend's certificate was to be seen by us with ours in hand: without it, nobody. */
static const struct client_policy *peer_refuse(struct work *w, const struct client_policy *peer)
{
        struct client_policy *closed = ARENA_NEW(w->frozen, struct client_policy);
        *closed = *peer;
        if (!closed->refuses_all)
                closed->refuses_why = SLICE("the Gateway's client certificate is not usable");
        closed->refuses_all = true;
        client_policy_seal(closed);
        return closed;
}

static const struct backend_tls *tls_with(struct work *w, const struct gateway_work *gateway,
                                          const struct backend_tls *from)
{
        struct backend_tls *tls = ARENA_NEW(w->frozen, struct backend_tls);
        *tls = *from;
        tls->certificate = gateway->client_certificate;
        if (!tls->certificate)
                tls->peer = peer_refuse(w, from->peer);
        backend_tls_seal(tls);
        vec_each (kept, &w->backend_tls)
                if (digest_equal(&(*kept)->digest, &tls->digest) &&
                    slice_equal((*kept)->source, tls->source))
                        return *kept;
        backend_tls_keep(w, tls);
        return tls;
}

uint32_t backend_of_gateway(struct work *w, const struct gateway_work *gateway, uint32_t index)
{
        if (!gateway->shows_certificate || index == ROUTE_BACKEND_INVALID ||
            !w->backends.items[index].tls)
                return index;
        struct slice whose = gateway->client_certificate ? gateway->client_certificate->source
                                                         : SLICE("nobody's");
        struct slice key = tell(w, "%u#%.*s", index, SLICE_ARG(whose));
        uintptr_t known = (uintptr_t)map_find(&w->backend_index, key);
        if (known)
                return (uint32_t)(known - 1);
        struct backend backend = w->backends.items[index];
        backend.tls = tls_with(w, gateway, backend.tls);
        vec_push(&w->backends, backend);
        map_set(&w->backend_index, key, (void *)(uintptr_t)w->backends.count);
        return (uint32_t)(w->backends.count - 1);
}

/* --- rules --- */

static bool leads_to_tls(const struct work *w, uint32_t index)
{
        return index != ROUTE_BACKEND_INVALID && w->backends.items[index].tls;
}

static bool mirrors_lead_to_tls(const struct work *w, const struct route_filters *filters)
{
        for (size_t i = 0; filters && i < filters->mirror_count; i++)
                if (leads_to_tls(w, filters->mirrors[i].backend))
                        return true;
        return false;
}

static bool rule_leads_to_tls(const struct work *w, const struct route_rule *rule)
{
        for (size_t i = 0; i < rule->backend_count; i++)
                if (leads_to_tls(w, rule->backends[i].backend) ||
                    mirrors_lead_to_tls(w, rule->backends[i].filters))
                        return true;
        return mirrors_lead_to_tls(w, &rule->filters);
}

static void mirrors_take(struct work *w, const struct gateway_work *gateway,
                         struct route_filters *filters)
{
        struct route_mirror *mirrors =
                ARENA_ARRAY(w->frozen, struct route_mirror, filters->mirror_count);
        for (size_t i = 0; i < filters->mirror_count; i++) {
                mirrors[i] = filters->mirrors[i];
                mirrors[i].backend = backend_of_gateway(w, gateway, mirrors[i].backend);
        }
        filters->mirrors = mirrors;
}

static void target_take(struct work *w, const struct gateway_work *gateway,
                        struct route_backend *target)
{
        target->backend = backend_of_gateway(w, gateway, target->backend);
        if (!mirrors_lead_to_tls(w, target->filters))
                return;
        struct route_filters *filters = ARENA_NEW(w->frozen, struct route_filters);
        *filters = *target->filters;
        mirrors_take(w, gateway, filters);
        target->filters = filters;
}

static void rule_take(struct work *w, const struct gateway_work *gateway, struct route_rule *rule)
{
        struct route_backend *targets =
                ARENA_ARRAY(w->frozen, struct route_backend, rule->backend_count);
        for (size_t i = 0; i < rule->backend_count; i++) {
                targets[i] = rule->backends[i];
                target_take(w, gateway, &targets[i]);
        }
        rule->backends = targets;
        if (mirrors_lead_to_tls(w, &rule->filters))
                mirrors_take(w, gateway, &rule->filters);
}

static bool route_leads_to_tls(const struct work *w, const struct route_work *route)
{
        for (size_t i = 0; i < route->rule_count; i++)
                if (rule_leads_to_tls(w, &route->rules[i]))
                        return true;
        return false;
}

const struct route_rule *route_rules_of_gateway(struct work *w, struct gateway_work *gateway,
                                                const struct route_work *route)
{
        if (!gateway->shows_certificate || w->backend_tls.count == 0)
                return route->rules;
        const struct route_rule *known = map_find(&gateway->own_rules, route->api->object.id);
        if (known || !route_leads_to_tls(w, route))
                return known ? known : route->rules;
        struct route_rule *rules = ARENA_ARRAY(w->frozen, struct route_rule, route->rule_count);
        for (size_t i = 0; i < route->rule_count; i++) {
                rules[i] = route->rules[i];
                if (rule_leads_to_tls(w, &rules[i]))
                        rule_take(w, gateway, &rules[i]);
        }
        map_set(&gateway->own_rules, route->api->object.id, rules);
        return rules;
}
