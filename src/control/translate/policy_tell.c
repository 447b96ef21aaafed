/* What each ClientCertificatePolicy is told, of each of its targets. */
#include "control/translate/stages.h"

/* "listener https of Gateway edge/edge", for messages. */
static struct slice target_text(struct work *w, const struct policy_target *target)
{
        const struct target_ref *api = target->api;
        struct slice namespace = target->policy->api->object.namespace;
        const char *kind = target_kind_name(api->kind);
        bool listener = api->kind == TARGET_GATEWAY || api->kind == TARGET_LISTENER_SET;
        if (api->section_name.len == 0)
                return tell(w, "%s %.*s/%.*s", kind, SLICE_ARG(namespace), SLICE_ARG(api->name));
        return tell(w, "%s %.*s of %s %.*s/%.*s", listener ? "listener" : "rule",
                    SLICE_ARG(api->section_name), kind, SLICE_ARG(namespace), SLICE_ARG(api->name));
}

/* --- PinningEnforced --- */

static void enforced_set(struct work *w, const struct policy_target *target,
                         struct condition_list *conditions)
{
        const struct policy_work *policy = target->policy;
        condition_set(conditions, CONDITION_PINNING, true,
                      policy->fault_count ? "InvalidPin" : "Enforced",
                      tell(w, "%zu %s in force on %.*s", policy->pin_count,
                           policy->pin_count == 1 ? "pin" : "pins",
                           SLICE_ARG(target_text(w, target))));
}

/* Of the listeners that it is meant for, the first where it does not hold. */
static void gateway_enforced_tell(struct work *w, const struct policy_target *target,
                                  struct condition_list *conditions)
{
        const struct gateway_work *gateway = target->gateway;
        size_t asked = 0;
        for (size_t i = 0; i < gateway->listener_count; i++) {
                const struct listener_work *listener = &gateway->listeners[i];
                if (!listener->client || !target_covers(target, listener))
                        continue;
                asked++;
                if (!listener->pinning || listener->pinning_holds)
                        continue;
                condition_set(conditions, CONDITION_PINNING, false, listener->pinning,
                              tell(w, "listener %.*s: %.*s", SLICE_ARG(listener->api->name),
                                   SLICE_ARG(listener->pinning_message)));
                return;
        }
        if (asked == 0 && target->section != WHOLE_TARGET)
                condition_set(conditions, CONDITION_PINNING, false, "NoClientCertificateValidation",
                              tell(w,
                                   "%.*s can't ask for certificates, so it serves no request: "
                                   "wants protocol HTTPS",
                                   SLICE_ARG(target_text(w, target))));
        else if (asked == 0)
                condition_set(conditions, CONDITION_PINNING, false, "NoClientCertificateValidation",
                              tell(w,
                                   "the %s has no HTTPS listener in service, so no client is asked "
                                   "for a certificate",
                                   target_kind_name(target->api->kind)));
        else
                enforced_set(w, target, conditions);
}

static bool route_is_validated(const struct route_work *route)
{
        for (const struct listener_link *link = route->listeners; link; link = link->next)
                if (link->listener->client && link->listener->client->policy)
                        return true;
        return false;
}

/* A route's scope refuses whoever is not verified, by whatever door. */
static void route_enforced_tell(struct work *w, const struct policy_target *target,
                                struct condition_list *conditions)
{
        const struct policy_work *policy = target->policy;
        if (policy->deny_broken || policy->pin_count == 0)
                condition_set(
                        conditions, CONDITION_PINNING, false, "NoUsablePin",
                        tell(w, "%.*s; every request gets 403", SLICE_ARG(policy->ref_message)));
        else if (!route_is_validated(target->route))
                condition_set(conditions, CONDITION_PINNING, false, "NoClientCertificateValidation",
                              tell(w,
                                   "no listener that serves %.*s validates clients, so every "
                                   "request gets 403",
                                   SLICE_ARG(target_text(w, target))));
        else
                enforced_set(w, target, conditions);
}

static void enforced_tell(struct work *w, const struct policy_target *target,
                          struct condition_list *conditions)
{
        if (!policy_enforces(target))
                condition_set(conditions, CONDITION_PINNING, false, "ReportOnly",
                              SLICE("records whom it would refuse, and refuses nobody"));
        else if (target->route)
                route_enforced_tell(w, target, conditions);
        else
                gateway_enforced_tell(w, target, conditions);
}

/* --- warnings --- */

static void warn(struct work *w, struct condition_list *conditions, const char *reason,
                 struct slice message)
{
        for (size_t i = 0; i < conditions->count; i++) {
                struct condition *former = &conditions->items[i];
                if (!slice_is(slice_of(CONDITION_WARNING), former->type))
                        continue;
                former->message =
                        tell(w, "%.*s; %.*s", SLICE_ARG(former->message), SLICE_ARG(message));
                return;
        }
        condition_set(conditions, CONDITION_WARNING, true, reason, message);
}

/* A whole Gateway or ListenerSet is told where its pins can't hold. */
static void unjudged_warn(struct work *w, const struct policy_target *target,
                          struct condition_list *conditions)
{
        if (target->outcome != TARGET_ATTACHED || !target->gateway ||
            target->section != WHOLE_TARGET)
                return;
        for (size_t i = 0; i < target->gateway->listener_count; i++) {
                const struct listener_work *listener = &target->gateway->listeners[i];
                if (!listener_is_served(listener) || (target->set && listener->set != target->set))
                        continue;
                if (listener->kind == LISTENER_TLS_PASSTHROUGH)
                        warn(w, conditions, "NotJudgedHere",
                             tell(w,
                                  "listener %.*s passes TLS through: its clients are judged by "
                                  "the backend alone",
                                  SLICE_ARG(listener->api->name)));
                else if (listener->kind == LISTENER_TCP)
                        warn(w, conditions, "NotJudgedHere",
                             tell(w, "listener %.*s is for TCP: its clients are judged by nobody",
                                  SLICE_ARG(listener->api->name)));
        }
}

static void warnings_tell(struct work *w, const struct policy_target *target,
                          struct condition_list *conditions)
{
        const struct policy_work *policy = target->policy;
        const struct client_certificate_policy *api = policy->api;
        if (target->outcome == TARGET_ATTACHED && api->trust == TRUST_PINNED_ONLY &&
            target->invalid.len == 0)
                warn(w, conditions, "PinnedOnly",
                     SLICE("its leaf pins let clients in without a CA: no CRL can take them back"));
        if (target->outcome == TARGET_ATTACHED && api->extended_key_usage != USE_CLIENT_AUTH &&
            target->invalid.len == 0)
                warn(w, conditions, "RelaxedKeyUsage",
                     SLICE("pinned certificates that are not for client authentication are "
                           "admitted"));
        unjudged_warn(w, target, conditions);
        if (policy->expired_count)
                warn(w, conditions, "ExpiredPins",
                     tell(w, "%zu of %zu pins are past their not-after and match nobody",
                          policy->expired_count, policy->pin_count));
        else if (policy->pin_count == 1)
                warn(w, conditions, "SolePin",
                     SLICE("there is one pin and no backup: the day its key is replaced, nobody "
                           "gets in"));
}

/* --- all of it --- */

static void accepted_tell(struct work *w, const struct policy_target *target,
                          struct condition_list *conditions)
{
        switch (target->outcome) {
        case TARGET_MISSING:
        case TARGET_FOREIGN:
                condition_set(conditions, "Accepted", false, "TargetNotFound",
                              tell(w, "%.*s does not exist; this target has no effect",
                                   SLICE_ARG(target_text(w, target))));
                break;
        case TARGET_CONFLICTED:
                condition_set(conditions, "Accepted", false, "Conflicted",
                              tell(w, "%.*s is older and holds on %.*s; this one has no effect",
                                   SLICE_ARG(target->holder->policy->api->object.id),
                                   SLICE_ARG(target_text(w, target))));
                break;
        case TARGET_ATTACHED:
                condition_set(conditions, "Accepted", target->invalid.len == 0,
                              target->invalid.len ? "Invalid" : "Accepted",
                              target->invalid.len ? target->invalid : SLICE("holds"));
                break;
        }
}

static void target_tell(struct work *w, const struct policy_target *target,
                        struct parent_status *status)
{
        const struct policy_work *policy = target->policy;
        struct condition_list *conditions = &status->conditions;
        accepted_tell(w, target, conditions);
        condition_set(conditions, "ResolvedRefs", !policy->ref_reason,
                      policy->ref_reason ? policy->ref_reason : "ResolvedRefs",
                      policy->ref_reason ? policy->ref_message
                                         : SLICE("all references are resolved"));
        if (target->outcome == TARGET_ATTACHED)
                enforced_tell(w, target, conditions);
        warnings_tell(w, target, conditions);
}

static void policy_tell(struct work *w, const struct policy_work *policy)
{
        const struct client_certificate_policy *api = policy->api;
        struct arena *arena = &w->out->arena;
        policy->status->parents.items =
                ARENA_ARRAY(arena, struct parent_status, api->targets.count);
        for (size_t t = 0; t < api->targets.count; t++) {
                const struct policy_target *target = &policy->targets[t];
                if (target->outcome == TARGET_FOREIGN) {
                        work_warn(w, "%.*s: targetRefs[%zu]: %s %.*s is not ours",
                                  SLICE_ARG(api->object.id), t, target_kind_name(target->api->kind),
                                  SLICE_ARG(target->api->name));
                        continue;
                }
                struct parent_status *status =
                        &policy->status->parents.items[policy->status->parents.count++];
                *status = (struct parent_status){
                        .group = SLICE(GROUP_GATEWAY),
                        .kind = slice_of(target_kind_name(target->api->kind)),
                        .namespace = arena_slice(arena, api->object.namespace),
                        .name = arena_slice(arena, target->api->name),
                        .section_name = arena_slice(arena, target->api->section_name)};
                target_tell(w, target, status);
        }
}

void policies_tell(struct work *w)
{
        for (size_t i = 0; i < w->policy_count; i++)
                policy_tell(w, &w->policies[i]);
}
