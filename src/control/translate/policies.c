/* ClientCertificatePolicies: their pins and denials. */
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

static struct pin_set *written_pins_build(struct work *w, const struct policy_pin *pins,
                                          size_t count)
{
        struct pin_set_builder *builder = pin_set_builder_new();
        for (size_t i = 0; i < count; i++)
                pin_set_builder_add(builder, &pins[i].pin, i + 1);
        struct pin_set *set = pin_set_build(builder);
        vec_push(&w->pin_sets, set);
        return set;
}

/* The set that a pinSetRef leads to; NULL with the fault noted. */
static struct pin_set *pin_set_resolve(struct work *w, struct policy_work *policy,
                                       const struct pin_set_ref *ref, struct slice *id)
{
        if (pin_set_ref_is_file(ref)) {
                *id = tell(w, "File %.*s", SLICE_ARG(ref->name));
                if (ref->file && ref->file->set)
                        return ref->file->set;
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
        struct pin_set *set = NULL;
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
                           tell(w, "pinSetRefs: %.*s %.*s", SLICE_ARG(target.id),
                                SLICE_ARG(target.why)));
                break;
        case REF_FOUND:
                set = target.object->pins;
                if (!set)
                        fault_note(policy, "InvalidPinSetRef",
                                   tell(w, "pinSetRefs: %.*s has no key pins.txt",
                                        SLICE_ARG(target.id)));
        }
        *id = target.id;
        return set;
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
        if (pin_set_first_end(set) > now || pin_set_count(set) > EXPIRED_WALK_MAX)
                return 0;
        while (pin_set_next(set, &at, &pin))
                expired += pin.not_after <= now;
        return expired;
}

static void pins_build(struct work *w, struct policy_work *policy)
{
        const struct client_certificate_policy *api = policy->api;
        policy->sets = ARENA_ARRAY(w->frozen, struct pin_set *, api->pin_sets.count + 1);
        policy->set_sources = ARENA_ARRAY(w->frozen, struct slice, api->pin_sets.count + 1);
        if (api->pins.count) {
                policy->set_sources[0] = SLICE("pins");
                policy->sets[0] = written_pins_build(w, api->pins.items, api->pins.count);
                faults_note(w, policy, policy->sets[policy->set_count++], SLICE("pins"));
        }
        for (size_t i = 0; i < api->pin_sets.count; i++) {
                struct slice id;
                struct pin_set *set = pin_set_resolve(w, policy, &api->pin_sets.items[i], &id);
                if (!set)
                        continue;
                set = pin_set_shared(w, set);
                policy->set_sources[policy->set_count] = freeze(w, id);
                policy->sets[policy->set_count++] = set;
                faults_note(w, policy, set, id);
        }
        for (size_t i = 0; i < policy->set_count; i++) {
                policy->pin_count += pin_set_count(policy->sets[i]);
                policy->expired_count += expired_count(policy->sets[i], w->request->now);
        }
        if (api->object.fault.len > 0)
                fault_note(policy, "NoUsablePin", SLICE("the policy can't be read"));
        else if (policy->pin_count == 0 && policy->ref_reason)
                policy->ref_message = tell(w, "%.*s; no usable pin is left, so nobody is admitted",
                                           SLICE_ARG(policy->ref_message));
        else if (policy->pin_count == 0)
                fault_note(policy, "NoUsablePin", SLICE("no pin is listed, so nobody is admitted"));
        else if (policy->expired_count == policy->pin_count)
                fault_note(policy, "NoUsablePin",
                           SLICE("every pin is past its notAfter, so nobody matches"));
}

/* An entry that can't be kept would let in whom it was to keep out. */
static void deny_build(struct work *w, struct policy_work *policy)
{
        const struct client_certificate_policy *api = policy->api;
        if (api->deny.count == 0)
                return;
        policy->deny = written_pins_build(w, api->deny.items, api->deny.count);
        const struct pin_faults *faults = pin_set_faults(policy->deny);
        policy->deny_broken = faults->count > 0;
        if (!policy->deny_broken)
                return;
        /* Graver than a bad pin, so it is said in its place. */
        policy->ref_reason = "InvalidPin";
        policy->ref_message =
                tell(w, "deny: item %zu: %s; a denial that can't be kept admits nobody",
                     faults->kept[0].line - 1, faults->kept[0].text);
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
                pins_build(w, &w->policies[i]);
                deny_build(w, &w->policies[i]);
                broken_warn(w, &w->policies[i].api->object, w->policies[i].api->targets.count == 0);
        }
}
