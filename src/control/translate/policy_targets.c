/* Where each ClientCertificatePolicy holds: Gateways, listeners, routes and rules, one policy each
 * (the oldest), and what it demands there. */
#include "base/must.h"
#include "control/translate/stages.h"
#include "http/identity_headers.h"

/* --- finding --- */

bool target_covers(const struct policy_target *target, const struct listener_work *listener)
{
        if (target->section != WHOLE_TARGET)
                return listener == &target->gateway->listeners[target->section];
        return !target->set || listener->set == target->set;
}

/* The listener of that name among its target's own. False: none has it. */
static bool listener_section_find(struct policy_target *target)
{
        const struct gateway_work *gateway = target->gateway;
        size_t first = target->set ? target->set->first : 0;
        size_t count = target->set ? target->set->count : gateway->own_count;
        for (size_t i = first; i < first + count; i++)
                if (slice_equal(gateway->listeners[i].api->name, target->api->section_name)) {
                        target->section = i;
                        return true;
                }
        return false;
}

static bool rule_section_find(struct policy_target *target)
{
        const struct route_work *route = target->route;
        for (size_t i = 0; i < route->rule_count; i++)
                if (slice_equal(route->rule_names[i], target->api->section_name)) {
                        target->section = i;
                        return true;
                }
        return false;
}

static enum object_kind object_kind_of(enum target_kind kind)
{
        static const enum object_kind kinds[] = {
                [TARGET_GATEWAY] = KIND_GATEWAY,
                [TARGET_LISTENER_SET] = KIND_LISTENER_SET,
                [TARGET_HTTP_ROUTE] = KIND_HTTP_ROUTE,
                [TARGET_GRPC_ROUTE] = KIND_GRPC_ROUTE,
        };
        return kinds[kind];
}

static enum target_outcome target_find(struct work *w, struct policy_target *target)
{
        struct slice namespace = target->policy->api->object.namespace;
        enum object_kind kind = object_kind_of(target->api->kind);
        void *found = work_find(w, kind, namespace, target->api->name);
        bool whole = target->api->section_name.len == 0;
        if (!found)
                return objects_find(w->objects, kind, namespace, target->api->name)
                               ? TARGET_FOREIGN
                               : TARGET_MISSING;
        switch (target->api->kind) {
        case TARGET_GATEWAY:
                target->gateway = found;
                return whole || listener_section_find(target) ? TARGET_ATTACHED : TARGET_MISSING;
        case TARGET_LISTENER_SET:
                target->set = found;
                target->gateway = target->set->gateway;
                return whole || listener_section_find(target) ? TARGET_ATTACHED : TARGET_MISSING;
        case TARGET_HTTP_ROUTE:
        case TARGET_GRPC_ROUTE:
                target->route = found;
                break;
        }
        return whole || rule_section_find(target) ? TARGET_ATTACHED : TARGET_MISSING;
}

/* The place where the one policy of a target, or of its section, stands. */
static const struct policy_target **target_slot(const struct policy_target *target)
{
        bool whole = target->section == WHOLE_TARGET;
        if (target->route)
                return whole ? &target->route->policy
                             : &target->route->rule_policies[target->section];
        if (!whole)
                return &target->gateway->listeners[target->section].policy;
        return target->set ? &target->set->policy : &target->gateway->policy;
}

/* --- what a target can't have --- */

/* PinnedOnly would open the port's other listeners, too: SNI is the client's to choose. */
static bool terminates_alone(const struct policy_target *target)
{
        const struct gateway_work *gateway = target->gateway;
        for (size_t start = 0, end; start < gateway->listener_count; start = end) {
                end = port_group_end(gateway, start);
                for (size_t i = start; i < end; i++)
                        if (target_covers(target, gateway->by_port[i]) && end - start > 1)
                                return false;
        }
        return true;
}

/* Nobody here sees its clients' certificates: closed, where pins are demanded all the same. */
static struct slice target_unjudged(const struct policy_target *target)
{
        if (!target->gateway || target->section == WHOLE_TARGET)
                return SLICE_NONE;
        const struct listener_work *listener = &target->gateway->listeners[target->section];
        if (listener->protocol_known && listener->kind == LISTENER_TLS_PASSTHROUGH)
                return SLICE("the listener passes TLS through, so its clients prove themselves to "
                             "the backend and not here: no pin can hold");
        if (listener->protocol_known && listener->kind == LISTENER_TCP)
                return SLICE("the listener is for TCP, so its clients show no certificate: no pin "
                             "can hold");
        return SLICE_NONE;
}

static struct slice target_invalid(struct work *w, const struct policy_target *target)
{
        const struct client_certificate_policy *api = target->policy->api;
        bool pinned_only = api->trust == TRUST_PINNED_ONLY;
        if (api->object.fault.len > 0)
                return tell(w, "%.*s%s", SLICE_ARG(api->object.fault),
                            policy_enforces(target) ? "; nobody is admitted" : "");
        if (target->route && pinned_only)
                return SLICE("trust: PinnedOnly acts in the handshake, before any route is known, "
                             "wants a Gateway as target; without it, its pins hold all the same");
        if (target->route && api->extended_key_usage != USE_CLIENT_AUTH)
                return SLICE("extendedKeyUsage acts in the handshake, before any route is known, "
                             "wants a Gateway as target; without it, its pins hold all the same");
        if (pinned_only && (target->set || target->section != WHOLE_TARGET) &&
            !terminates_alone(target))
                return SLICE("trust: PinnedOnly is for a whole Gateway, or the only listener of "
                             "its port, and this one shares its port; without it, its pins hold "
                             "all the same");
        return target_unjudged(target);
}

static void target_attach(struct work *w, struct policy_target *target)
{
        target->section = WHOLE_TARGET;
        target->outcome = target_find(w, target);
        if (target->outcome != TARGET_ATTACHED)
                return;
        const struct policy_target **slot = target_slot(target);
        if (*slot) { /* older: policies come in the order of age */
                target->outcome = TARGET_CONFLICTED;
                target->holder = *slot;
                return;
        }
        target->invalid = target_invalid(w, target);
        *slot = target;
}

void policies_attach(struct work *w)
{
        for (size_t i = 0; i < w->route_count; i++)
                w->routes[i].rule_policies = ARENA_ARRAY(
                        &w->out->arena, const struct policy_target *, w->routes[i].rule_count + 1);
        for (size_t i = 0; i < w->policy_count; i++) {
                struct policy_work *policy = &w->policies[i];
                size_t count = policy->api->targets.count;
                policy->targets = ARENA_ARRAY(&w->out->arena, struct policy_target, count);
                for (size_t t = 0; t < count; t++) {
                        policy->targets[t].policy = policy;
                        policy->targets[t].api = &policy->api->targets.items[t];
                        target_attach(w, &policy->targets[t]);
                }
        }
}

/* --- what it demands --- */

bool policy_enforces(const struct policy_target *target)
{
        return target && target->policy->api->enforcement == ENFORCEMENT_ENFORCE;
}

struct pin_scope policy_scope(struct work *w, const struct policy_target *target,
                              enum pin_scope_kind kind)
{
        const struct policy_work *policy = target->policy;
        const struct client_certificate_policy *api = policy->api;
        bool valid = target->invalid.len == 0;
        return (struct pin_scope){
                .kind = kind,
                .source = freeze(w, api->object.id),
                .sets = policy->sets,
                .set_count = policy->set_count,
                .set_sources = policy->set_sources,
                .deny = policy->deny,
                .unusable = policy->deny_broken || api->object.fault.len > 0,
                .report_only = !policy_enforces(target),
                .pinned_only = valid && api->trust == TRUST_PINNED_ONLY,
                .use = valid ? api->extended_key_usage : USE_CLIENT_AUTH,
                .removal = api->removal,
        };
}

unsigned policy_forward(const struct policy_target *const *targets, size_t count, bool *given)
{
        *given = false;
        for (size_t i = 0; i < count; i++) {
                if (!targets[i] || !targets[i]->policy->api->forward_given)
                        continue;
                unsigned forward = targets[i]->policy->api->forward;
                *given = true;
                return (forward & FORWARD_CLIENT_CERT ? IDENTITY_CLIENT_CERT : 0U) |
                       (forward & FORWARD_CLIENT_CERT_CHAIN ? IDENTITY_CLIENT_CERT_CHAIN : 0U) |
                       (forward & FORWARD_XFCC ? IDENTITY_XFCC : 0U);
        }
        return 0;
}

/* --- routes and rules --- */

static uint32_t rule_policy_build(struct work *w, const struct policy_target *of_rule,
                                  const struct policy_target *of_route)
{
        const struct policy_target *targets[] = {of_rule, of_route};
        struct pin_scope *scopes = ARENA_ARRAY(w->frozen, struct pin_scope, 2);
        struct rule_policy policy = {.pins = {.scopes = scopes}};
        if (of_route)
                scopes[policy.pins.scope_count++] = policy_scope(w, of_route, SCOPE_ROUTE);
        if (of_rule)
                scopes[policy.pins.scope_count++] = policy_scope(w, of_rule, SCOPE_RULE);
        if (policy.pins.scope_count == 0)
                return ROUTE_POLICY_NONE;
        for (size_t i = 0; i < policy.pins.scope_count; i++)
                pin_scope_ref(&scopes[i]); /* snapshot_reap gives it back */
        policy.forward = policy_forward(targets, COUNT_OF(targets), &policy.forward_given);
        vec_push(&w->rule_policies, policy);
        must(w->rule_policies.count < ROUTE_POLICY_NONE);
        return (uint32_t)(w->rule_policies.count - 1);
}

/* Nothing forbids two rules of one name: a policy that names it holds on both. */
static const struct policy_target *rule_policy_find(const struct route_work *route, size_t rule)
{
        struct slice name = route->rule_names[rule];
        for (size_t i = 0; name.len > 0 && i <= rule; i++)
                if (slice_equal(route->rule_names[i], name))
                        return route->rule_policies[i];
        return NULL;
}

void rule_policies_build(struct work *w)
{
        for (size_t i = 0; i < w->route_count; i++) {
                struct route_work *route = &w->routes[i];
                uint32_t of_route = rule_policy_build(w, NULL, route->policy);
                for (size_t r = 0; r < route->rule_count; r++) {
                        const struct policy_target *of_rule = rule_policy_find(route, r);
                        route->rules[r].policy =
                                of_rule ? rule_policy_build(w, of_rule, route->policy) : of_route;
                }
        }
}
