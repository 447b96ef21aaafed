/* PinningEnforced of each listener: said only where somebody asked for pins. */
#include "control/translate/stages.h"

bool pins_are_required(const struct work *w, const struct gateway_work *gateway)
{
        return w->request->require_pinning || gateway->api->requires_pinning;
}

static const struct policy_target *set_policy(const struct listener_work *listener)
{
        return listener->set ? listener->set->policy : NULL;
}

static void say(struct listener_work *listener, bool holds, const char *reason,
                struct slice message)
{
        listener->pinning = reason;
        listener->pinning_holds = holds;
        listener->pinning_message = message;
}

static bool has_faults(const struct policy_target *target)
{
        return target && policy_enforces(target) && target->policy->fault_count > 0;
}

/* Is a client let in by this listener, and only if it is pinned? */
static void usable_decide(struct work *w, const struct gateway_work *gateway,
                          struct listener_work *listener)
{
        const struct client_policy *policy = listener->client->policy;
        uint32_t index = listener->index;
        const struct pin_scope *empty = NULL;
        struct slice why;
        size_t pins = client_policy_pin_count(policy, index);
        char hex[DIGEST_HEX_SIZE];
        bool refuses = client_policy_refuses_listener(policy, index, &empty) != REASON_ACCEPTED;
        if (!policy->cas)
                say(listener, false, "NoValidCACertificate", listener->client->refusal_message);
        else if (refuses && pins == 0 && !empty && policy->pins_required)
                say(listener, false, "NoPins",
                    SLICE("pins are required and there are none, so nobody is admitted"));
        else if (client_policy_is_closed(policy, &why))
                say(listener, false, "NoUsablePin",
                    tell(w, "%.*s, so nobody is admitted", SLICE_ARG(why)));
        else if (refuses)
                say(listener, false, "NoUsablePin",
                    tell(w, "%.*s has no usable pin, so nobody is admitted",
                         SLICE_ARG(empty ? empty->source : SLICE("the policy"))));
        else if (policy->mode == ALLOW_INSECURE_FALLBACK)
                say(listener, false, "InsecureFallback",
                    SLICE("mode AllowInsecureFallback admits who is not pinned, without identity"));
        else if (pins == 0)
                say(listener, false, "ReportOnly",
                    SLICE("the policy records whom it would refuse, and refuses nobody"));
        else
                say(listener, true,
                    has_faults(gateway->policy) || has_faults(set_policy(listener)) ||
                                    has_faults(listener->policy)
                            ? "InvalidPin"
                            : "Enforced",
                    tell(w, "%zu %s in force, trust digest %s", pins, pins == 1 ? "pin" : "pins",
                         digest_hex(&policy->digest, hex)));
}

static bool scope_holds(const struct client_policy *policy, uint32_t index)
{
        for (size_t i = 0; i < policy->scope_count; i++)
                if (pin_scope_holds(&policy->scopes[i], index))
                        return true;
        return false;
}

void pinning_decide(struct work *w, struct gateway_work *gateway, struct listener_work *listener)
{
        const struct client_policy *policy = listener->client->policy;
        bool asked = gateway->policy || set_policy(listener) || listener->policy;
        if (!listener->client->validation) {
                bool closed = policy_enforces(gateway->policy) || listener->closed.len > 0;
                if (asked)
                        say(listener, false, "NoClientCertificateValidation",
                            closed ? SLICE("a policy demands pins, but spec.tls.frontend validates "
                                           "no client on this port, so nobody is admitted")
                                   : SLICE("a policy would report on pins, but spec.tls.frontend "
                                           "validates no client on this port"));
        } else if (policy->pins_required || scope_holds(policy, listener->index))
                usable_decide(w, gateway, listener);
}
