/* ClientCertificatePolicies: their pins, which Gateway each holds on, and what each is told. */
#include <stdlib.h>

#include "control/translate/stages.h"
#include "control/translate/refs.h"
#include "control/translate/sets.h"

enum {
        EXPIRED_WALK_MAX = 65536
};

static int by_age(const void *a, const void *b)
{
        const struct policy_work *left = a, *right = b;
        return object_age_compare(&left->api->object, &right->api->object);
}

static void fault_note(struct policy_work *policy, const char *reason, struct slice message)
{
        if (policy->ref_reason)
                return;
        policy->ref_reason = reason;
        policy->ref_message = message;
}

/* --- pins --- */

static struct pin_set *inline_pins_build(struct work *w,
                                         const struct client_certificate_policy *api)
{
        struct pin_set_builder *builder = pin_set_builder_new();
        for (size_t i = 0; i < api->pins.count; i++)
                pin_set_builder_add(builder, &api->pins.items[i].pin, i + 1);
        struct pin_set *set = pin_set_build(builder);
        vec_push(&w->pin_sets, set);
        return set;
}

/* The text that a pinSetRef leads to; NULL with the fault noted. */
static const struct slice *pin_text_resolve(struct work *w, struct policy_work *policy,
                                            const struct pin_set_ref *ref, struct slice *id)
{
        if (pin_set_ref_is_file(ref)) {
                *id = tell(w, "File %.*s", SLICE_ARG(ref->name));
                if (ref->file && ref->file->fault.len == 0)
                        return &ref->file->text;
                if (ref->file)
                        fault_note(policy, "InvalidPinSetRef",
                                   tell(w, "pinSetRefs: %.*s", SLICE_ARG(ref->file->fault)));
                else
                        fault_note(policy, "InvalidKind",
                                   SLICE("pinSetRefs: File works in files mode only"));
                return NULL;
        }
        struct object_ref data = {ref->node, ref->group, ref->kind, ref->name, ref->namespace};
        struct ref_target target = {0};
        const struct slice *text = NULL;
        switch (data_ref_resolve(w, &policy->api->object, &data,
                                 BIT(KIND_SECRET) | BIT(KIND_CONFIG_MAP), &target)) {
        case REF_WRONG_KIND:
                fault_note(policy, "InvalidKind",
                           tell(w, "pinSetRefs: %.*s is not supported, wants a ConfigMap or Secret",
                                SLICE_ARG(target.id)));
                break;
        case REF_NOT_PERMITTED:
                fault_note(policy, "RefNotPermitted",
                           tell(w, "pinSetRefs: no ReferenceGrant permits %.*s",
                                SLICE_ARG(target.id)));
                break;
        case REF_MISSING:
                fault_note(policy, "InvalidPinSetRef",
                           tell(w, "pinSetRefs: %.*s does not exist", SLICE_ARG(target.id)));
                break;
        case REF_FOUND:
                text = data_find(target.object, "pins.txt");
                if (!text)
                        fault_note(policy, "InvalidPinSetRef",
                                   tell(w, "pinSetRefs: %.*s has no key pins.txt",
                                        SLICE_ARG(target.id)));
        }
        *id = target.id;
        return text;
}

static void faults_note(struct work *w, struct policy_work *policy, const struct pin_set *set,
                        struct slice id)
{
        const struct pin_faults *faults = pin_set_faults(set);
        policy->fault_count += faults->count;
        if (faults->count == 0)
                return;
        struct slice lines = SLICE_NONE;
        for (size_t i = 0; i < faults->count && i < PIN_FAULTS_KEPT; i++)
                lines = tell(w, "%.*s%s%zu", SLICE_ARG(lines), i ? ", " : "", faults->kept[i].line);
        fault_note(policy, "InvalidPin",
                   tell(w, "%.*s: %zu bad %s nobody (line %.*s%s); the first: %s", SLICE_ARG(id),
                        faults->count, faults->count == 1 ? "entry matches" : "entries match",
                        SLICE_ARG(lines), faults->count > PIN_FAULTS_KEPT ? ", …" : "",
                        faults->kept[0].text));
}

/* Only of sets that a walk costs little of: the count is advice, and a translation follows every
 * endpoint that comes and goes. */
static size_t expired_count(const struct pin_set *set, int64_t now)
{
        size_t at = 0, expired = 0;
        struct pin pin;
        while (pin_set_count(set) <= EXPIRED_WALK_MAX && pin_set_next(set, &at, &pin))
                expired += pin.not_after <= now;
        return expired;
}

static void pins_build(struct work *w, struct policy_work *policy)
{
        const struct client_certificate_policy *api = policy->api;
        policy->sets = ARENA_ARRAY(w->frozen, struct pin_set *, api->pin_sets.count + 1);
        if (api->pins.count) {
                policy->sets[0] = inline_pins_build(w, api);
                faults_note(w, policy, policy->sets[policy->set_count++], SLICE("pins"));
        }
        for (size_t i = 0; i < api->pin_sets.count; i++) {
                struct slice id;
                const struct slice *text =
                        pin_text_resolve(w, policy, &api->pin_sets.items[i], &id);
                if (!text)
                        continue;
                struct pin_set *set = pin_set_of_text(w, *text);
                policy->sets[policy->set_count++] = set;
                faults_note(w, policy, set, id);
        }
        for (size_t i = 0; i < policy->set_count; i++) {
                policy->pin_count += pin_set_count(policy->sets[i]);
                policy->expired_count += expired_count(policy->sets[i], w->request->now);
        }
        if (policy->pin_count == 0 && policy->ref_reason)
                policy->ref_message = tell(w, "%.*s; no usable pin is left, so nobody is admitted",
                                           SLICE_ARG(policy->ref_message));
        else if (policy->pin_count == 0)
                fault_note(policy, "NoUsablePin", SLICE("no pin is listed, so nobody is admitted"));
}

/* --- targets --- */

static struct gateway_work *gateway_find(struct work *w, struct slice namespace, struct slice name)
{
        for (size_t i = 0; i < w->gateway_count; i++)
                if (slice_equal(w->gateways[i].api->object.name, name) &&
                    slice_equal(w->gateways[i].api->object.namespace, namespace))
                        return &w->gateways[i];
        return NULL;
}

static void target_attach(struct work *w, struct policy_work *policy, size_t index)
{
        struct policy_target *target = &policy->targets[index];
        struct slice namespace = policy->api->object.namespace;
        struct slice name = policy->api->targets.items[index].name;
        target->gateway = gateway_find(w, namespace, name);
        if (!target->gateway) {
                bool there = objects_find(w->objects, KIND_GATEWAY, namespace, name) != NULL;
                target->outcome = there ? TARGET_FOREIGN : TARGET_MISSING;
        } else if (target->gateway->policy) { /* older: policies come in the order of age */
                target->outcome = TARGET_CONFLICTED;
        } else {
                target->outcome = TARGET_ATTACHED;
                target->gateway->policy = policy;
        }
}

void policies_collect(struct work *w)
{
        const struct object_list *list = &w->objects->kinds[KIND_POLICY];
        w->policies = memory_new(sizeof(*w->policies) * (list->count + 1));
        for (size_t i = 0; i < list->count; i++)
                w->policies[w->policy_count++].api =
                        (const struct client_certificate_policy *)list->items[i];
        qsort(w->policies, w->policy_count, sizeof(*w->policies), by_age);
        for (size_t i = 0; i < w->policy_count; i++) {
                struct policy_work *policy = &w->policies[i];
                policy->targets = ARENA_ARRAY(&w->out->arena, struct policy_target,
                                              policy->api->targets.count);
                pins_build(w, policy);
                for (size_t t = 0; t < policy->api->targets.count; t++)
                        target_attach(w, policy, t);
        }
}

/* --- what they are told --- */

static void enforced_tell(struct work *w, const struct policy_work *policy,
                          const struct gateway_work *gateway, struct condition_list *conditions)
{
        if (gateway->client_count == 0) {
                condition_set(conditions, CONDITION_PINNING, false, "NoClientCertificateValidation",
                              SLICE("the Gateway has no HTTPS listener, so no client is asked for "
                                    "a certificate"));
                return;
        }
        for (size_t i = 0; i < gateway->client_count; i++) {
                const struct client_work *client = &gateway->clients[i];
                if (client->pinning && !client->pinning_holds) {
                        condition_set(conditions, CONDITION_PINNING, false, client->pinning,
                                      tell(w, "port %lld: %.*s", (long long)client->port,
                                           SLICE_ARG(client->pinning_message)));
                        return;
                }
        }
        condition_set(conditions, CONDITION_PINNING, true,
                      policy->fault_count ? "InvalidPin" : "Enforced",
                      tell(w, "%zu %s in force on %.*s", policy->pin_count,
                           policy->pin_count == 1 ? "pin" : "pins",
                           SLICE_ARG(gateway->api->object.id)));
}

static void target_tell(struct work *w, const struct policy_work *policy,
                        const struct policy_target *target, struct parent_status *status)
{
        struct condition_list *conditions = &status->conditions;
        switch (target->outcome) {
        case TARGET_MISSING:
        case TARGET_FOREIGN:
                condition_set(conditions, "Accepted", false, "TargetNotFound",
                              tell(w, "Gateway %.*s/%.*s does not exist",
                                   SLICE_ARG(status->namespace), SLICE_ARG(status->name)));
                break;
        case TARGET_CONFLICTED:
                condition_set(conditions, "Accepted", false, "Conflicted",
                              tell(w,
                                   "%.*s is older and holds on this Gateway; this one has no "
                                   "effect",
                                   SLICE_ARG(target->gateway->policy->api->object.id)));
                break;
        case TARGET_ATTACHED:
                condition_set(conditions, "Accepted", true, "Accepted", SLICE("holds"));
                break;
        }
        condition_set(conditions, "ResolvedRefs", !policy->ref_reason,
                      policy->ref_reason ? policy->ref_reason : "ResolvedRefs",
                      policy->ref_reason ? policy->ref_message
                                         : SLICE("all references are resolved"));
        if (target->outcome == TARGET_ATTACHED)
                enforced_tell(w, policy, target->gateway, conditions);
        if (policy->expired_count)
                condition_set(conditions, CONDITION_WARNING, true, "ExpiredPins",
                              tell(w, "%zu of %zu pins are past their not-after and match nobody",
                                   policy->expired_count, policy->pin_count));
        else if (policy->pin_count == 1)
                condition_set(conditions, CONDITION_WARNING, true, "SolePin",
                              SLICE("there is one pin and no backup: the day its key is replaced, "
                                    "nobody gets in"));
}

void policies_tell(struct work *w)
{
        for (size_t i = 0; i < w->policy_count; i++) {
                const struct policy_work *policy = &w->policies[i];
                const struct client_certificate_policy *api = policy->api;
                struct arena *arena = &w->out->arena;
                policy->status->parents.items =
                        ARENA_ARRAY(arena, struct parent_status, api->targets.count);
                for (size_t t = 0; t < api->targets.count; t++) {
                        if (policy->targets[t].outcome == TARGET_FOREIGN) {
                                work_warn(w, "%.*s: targetRefs[%zu]: Gateway %.*s is not ours",
                                          SLICE_ARG(api->object.id), t,
                                          SLICE_ARG(api->targets.items[t].name));
                                continue;
                        }
                        struct parent_status *status =
                                &policy->status->parents.items[policy->status->parents.count++];
                        *status = (struct parent_status){
                                .group = SLICE(GROUP_GATEWAY),
                                .kind = SLICE("Gateway"),
                                .namespace = arena_slice(arena, api->object.namespace),
                                .name = arena_slice(arena, api->targets.items[t].name)};
                        target_tell(w, policy, &policy->targets[t], status);
                }
        }
}
