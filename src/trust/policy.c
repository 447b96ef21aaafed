#include "trust/policy.h"

#include "trust/hash.h"

static void hash_cas(struct hasher *hasher, const struct ca_set *cas)
{
        hasher_number(hasher, cas != NULL);
        if (!cas)
                return;
        hasher_digest(hasher, ca_set_digest(cas));
        hasher_digest(hasher, ca_set_crl_digest(cas));
}

void client_policy_seal(struct client_policy *policy)
{
        struct hasher hasher;
        hasher_init(&hasher, policy->name_count ? "peer_policy 1" : "client_policy 2");
        hasher_number(&hasher, policy->mode);
        hash_cas(&hasher, policy->cas);
        path_rules_hash(&policy->rules, &hasher);
        hasher_number(&hasher, (int64_t)policy->scope_count);
        for (size_t i = 0; i < policy->scope_count; i++)
                pin_scope_hash(&policy->scopes[i], &hasher);
        for (size_t i = 0; i < policy->name_count; i++) {
                hasher_number(&hasher, (int64_t)policy->name_count);
                hasher_number(&hasher, policy->names[i].kind);
                hasher_bytes(&hasher, policy->names[i].text);
        }
        hasher_number(&hasher, policy->pins_required);
        hasher_number(&hasher, policy->refuses_all);
        hasher_bytes(&hasher, policy->refuses_why);
        policy->digest = hasher_done(&hasher);
}

void client_policy_ref(const struct client_policy *policy)
{
        if (policy->cas)
                ca_set_ref(policy->cas);
        for (size_t i = 0; i < policy->scope_count; i++)
                pin_scope_ref(&policy->scopes[i]);
}

void client_policy_unref(const struct client_policy *policy)
{
        ca_set_unref(policy->cas);
        for (size_t i = 0; i < policy->scope_count; i++)
                pin_scope_unref(&policy->scopes[i]);
}

bool client_policy_is_closed(const struct client_policy *policy, struct slice *why)
{
        if (policy->cas && !policy->refuses_all)
                return false;
        *why = policy->refuses_why;
        if (why->len == 0)
                *why = policy->cas ? SLICE("nobody is admitted") : SLICE("no usable CA");
        return true;
}

size_t client_policy_pin_count(const struct client_policy *policy, uint32_t listener)
{
        size_t count = 0;
        for (size_t i = 0; i < policy->scope_count; i++) {
                const struct pin_scope *scope = &policy->scopes[i];
                if (pin_scope_holds(scope, listener) && !scope->report_only)
                        count += pin_scope_count(scope);
        }
        return count;
}

enum reason client_policy_refuses_listener(const struct client_policy *policy, uint32_t listener,
                                           const struct pin_scope **scope)
{
        size_t in_force = 0;
        *scope = NULL;
        struct slice why;
        if (client_policy_is_closed(policy, &why))
                return REASON_PORT_NOT_USABLE;
        for (size_t i = 0; i < policy->scope_count; i++) {
                const struct pin_scope *here = &policy->scopes[i];
                if (here->report_only || !pin_scope_holds(here, listener))
                        continue;
                in_force++;
                *scope = here;
                if (!pin_scope_is_usable(here))
                        return REASON_NO_USABLE_PIN;
        }
        *scope = NULL;
        return policy->pins_required && in_force == 0 ? REASON_NO_USABLE_PIN : REASON_ACCEPTED;
}
