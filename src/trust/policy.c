#include "trust/policy.h"

#include "trust/hash.h"

struct path_rules path_rules_default(void)
{
        return (struct path_rules){.max_depth = PATH_DEPTH_MAX};
}

static void hash_scope(struct hasher *hasher, const struct pin_scope *scope)
{
        hasher_number(hasher, scope->kind);
        hasher_bytes(hasher, scope->source);
        hasher_number(hasher, (int64_t)scope->listener_count);
        for (size_t i = 0; i < scope->listener_count; i++)
                hasher_number(hasher, scope->listeners[i]);
        hasher_number(hasher, (int64_t)scope->set_count);
        for (size_t i = 0; i < scope->set_count; i++)
                hasher_digest(hasher, pin_set_digest(scope->sets[i]));
}

static void hash_cas(struct hasher *hasher, const struct ca_set *cas)
{
        hasher_number(hasher, cas != NULL);
        if (!cas)
                return;
        hasher_digest(hasher, ca_set_digest(cas));
        hasher_digest(hasher, ca_set_crl_digest(cas));
}

void path_rules_hash(const struct path_rules *rules, struct hasher *hasher)
{
        const struct certificate_policy_inputs *inputs = &rules->policies;
        hasher_number(hasher, rules->profile);
        hasher_number(hasher, rules->use);
        hasher_number(hasher, rules->max_depth);
        hasher_number(hasher, inputs->explicit_policy);
        hasher_number(hasher, inputs->inhibit_mapping);
        hasher_number(hasher, inputs->inhibit_any);
        hasher_number(hasher, (int64_t)inputs->oid_count);
        for (size_t i = 0; i < inputs->oid_count; i++)
                hasher_bytes(hasher, slice_of(inputs->oids[i]));
}

void client_policy_seal(struct client_policy *policy)
{
        struct hasher hasher;
        hasher_init(&hasher, "client_policy 1");
        hasher_number(&hasher, policy->mode);
        hash_cas(&hasher, policy->cas);
        path_rules_hash(&policy->rules, &hasher);
        hasher_number(&hasher, (int64_t)policy->scope_count);
        for (size_t i = 0; i < policy->scope_count; i++)
                hash_scope(&hasher, &policy->scopes[i]);
        hasher_number(&hasher, policy->refuses_all);
        hasher_bytes(&hasher, policy->refuses_why);
        policy->digest = hasher_done(&hasher);
}

void client_policy_ref(const struct client_policy *policy)
{
        if (policy->cas)
                ca_set_ref(policy->cas);
        for (size_t i = 0; i < policy->scope_count; i++) {
                for (size_t k = 0; k < policy->scopes[i].set_count; k++)
                        pin_set_ref(policy->scopes[i].sets[k]);
        }
}

void client_policy_unref(const struct client_policy *policy)
{
        ca_set_unref(policy->cas);
        for (size_t i = 0; i < policy->scope_count; i++) {
                for (size_t k = 0; k < policy->scopes[i].set_count; k++)
                        pin_set_unref(policy->scopes[i].sets[k]);
        }
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

bool pin_scope_holds(const struct pin_scope *scope, uint32_t listener)
{
        if (scope->listener_count == 0 || listener == LISTENER_UNKNOWN)
                return true;
        for (size_t i = 0; i < scope->listener_count; i++) {
                if (scope->listeners[i] == listener)
                        return true;
        }
        return false;
}

size_t pin_scope_count(const struct pin_scope *scope)
{
        size_t count = 0;
        for (size_t i = 0; i < scope->set_count; i++)
                count += pin_set_count(scope->sets[i]);
        return count;
}

size_t client_policy_pin_count(const struct client_policy *policy, uint32_t listener)
{
        size_t count = 0;
        for (size_t i = 0; i < policy->scope_count; i++) {
                if (pin_scope_holds(&policy->scopes[i], listener))
                        count += pin_scope_count(&policy->scopes[i]);
        }
        return count;
}
