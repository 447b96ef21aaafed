/* ListenerSets: which Gateway lets them in, and what they are told. */
#include <stdlib.h>

#include "control/translate/stages.h"

static int by_age(const void *a, const void *b)
{
        const struct listener_set_work *left = a, *right = b;
        return object_age_compare(&left->api->object, &right->api->object);
}

static bool set_is_allowed(struct work *w, const struct listener_set_work *set)
{
        static const struct allowed_namespaces none = {.from = FROM_NONE};
        const struct allowed_listeners *allowed = set->gateway->api->allowed_listeners;
        return namespace_allowed(w, allowed && allowed->namespaces ? allowed->namespaces : &none,
                                 set->gateway->api->object.namespace, set->api->object.namespace);
}

static struct gateway_work *gateway_of_set(struct work *w, const struct listener_set *set)
{
        const struct gateway_ref *ref = set->parent;
        broken_warn(w, &set->object, !ref);
        if (!ref)
                return NULL;
        struct slice namespace = ref->namespace.len ? ref->namespace : set->object.namespace;
        if (!slice_is(ref->group, GROUP_GATEWAY) || !slice_is(ref->kind, "Gateway"))
                return NULL;
        struct gateway_work *gateway = work_find(w, KIND_GATEWAY, namespace, ref->name);
        if (gateway)
                return gateway;
        bool there = objects_find(w->objects, KIND_GATEWAY, namespace, ref->name) != NULL;
        w->lost |= !there;
        work_warn(w, "%.*s: parentRef: Gateway %.*s/%.*s %s", SLICE_ARG(set->object.id),
                  SLICE_ARG(namespace), SLICE_ARG(ref->name),
                  there ? "is not ours" : "does not exist");
        return NULL;
}

/* Oldest first, so that each comes behind those that go before it. */
static void set_join(struct work *w, struct listener_set_work *set)
{
        struct gateway_work *gateway = set->gateway;
        set->allowed = set->api->object.fault.len == 0 && set_is_allowed(w, set);
        if (gateway->youngest_set)
                gateway->youngest_set->next = set;
        else
                gateway->sets = set;
        gateway->youngest_set = set;
        map_set(&w->works, set->api->object.id, set);
}

void listener_sets_collect(struct work *w)
{
        const struct object_list *list = &w->objects->kinds[KIND_LISTENER_SET];
        w->listener_sets = memory_new(sizeof(*w->listener_sets) * (list->count + 1));
        for (size_t i = 0; i < list->count; i++) {
                const struct listener_set *api = (const struct listener_set *)list->items[i];
                struct gateway_work *gateway = gateway_of_set(w, api);
                if (gateway)
                        w->listener_sets[w->listener_set_count++] =
                                (struct listener_set_work){.api = api, .gateway = gateway};
        }
        qsort(w->listener_sets, w->listener_set_count, sizeof(*w->listener_sets), by_age);
        for (size_t i = 0; i < w->listener_set_count; i++)
                set_join(w, &w->listener_sets[i]);
}

/* --- what they are told --- */

static void both_set(struct listener_set_work *set, const char *reason, struct slice message)
{
        condition_set(&set->status->conditions, "Accepted", false, reason, message);
        condition_set(&set->status->conditions, "Programmed", false, reason, message);
}

static void allowed_tell(struct work *w, struct listener_set_work *set)
{
        struct condition_list *conditions = &set->status->conditions;
        struct listeners_told told = set->told;
        if (told.valid == 0) {
                both_set(set, "ListenersNotValid", SLICE("none of the listeners is valid"));
                return;
        }
        condition_set(conditions, "Accepted", true,
                      told.valid == set->count ? "Accepted" : "ListenersNotValid",
                      told.valid == set->count ? SLICE("is valid")
                                               : tell(w, "%zu of %zu listeners are not valid",
                                                      set->count - told.valid, set->count));
        condition_set(conditions, "Programmed", told.programmed > 0,
                      told.programmed ? "Programmed" : "ParentNotProgrammed",
                      told.programmed ? SLICE("is served") : set->gateway->address_message);
        set->gateway->status->attached_sets++;
}

static void set_tell(struct work *w, struct listener_set_work *set)
{
        if (set->api->object.fault.len > 0)
                both_set(set, "Invalid", tell(w, "%.*s", SLICE_ARG(set->api->object.fault)));
        else if (set->gateway->api->object.fault.len > 0)
                both_set(set, "ParentNotAccepted", SLICE("the Gateway is not accepted"));
        else if (!set->allowed)
                both_set(set, "NotAllowed",
                         SLICE("allowedListeners of the Gateway does not allow ListenerSets of "
                               "this namespace"));
        else if (gateway_is_refused(set->gateway))
                both_set(set, "ParentNotAccepted", SLICE("the Gateway is not accepted"));
        else
                allowed_tell(w, set);
        if (set->allowed)
                affected_tell(w, set->status, set->policy, set->gateway->listeners + set->first,
                              set->count);
}

void listener_sets_tell(struct work *w)
{
        for (size_t i = 0; i < w->listener_set_count; i++)
                set_tell(w, &w->listener_sets[i]);
        for (size_t i = 0; i < w->gateway_count; i++)
                w->gateways[i].status->counts_sets =
                        w->gateways[i].sets || w->gateways[i].api->allowed_listeners;
}
