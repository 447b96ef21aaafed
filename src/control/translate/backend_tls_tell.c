/* What each BackendTLSPolicy is told: once for each Gateway that leads to a Service of its own. */
#include "control/translate/stages.h"

enum {
        ANCESTORS_MAX = 16 /* PolicyStatus.ancestors: the schema's maxItems */
};

struct gateway_list {
        VEC(const struct gateway_work *) items;
};

void service_use_note(struct work *w, const struct route_object *route, struct slice namespace,
                      struct slice name)
{
        if (w->tls_policy_count == 0)
                return;
        struct service_use use = {route, ARENA_JOIN(&w->out->arena, namespace, SLICE("/"), name)};
        vec_push(&w->service_uses, use);
}

/* --- which Gateways lead to a Service --- */

static void list_add(struct map *lists, struct slice key, const struct gateway_work *gateway)
{
        struct gateway_list *list = map_find(lists, key);
        if (!list) {
                list = NEW(struct gateway_list);
                map_set(lists, key, list);
        }
        vec_each (known, &list->items)
                if (*known == gateway)
                        return;
        vec_push(&list->items, gateway);
}

static void lists_free(struct map *lists)
{
        size_t at = 0;
        struct map_slot *slot;
        while (map_next(lists, &at, &slot)) {
                struct gateway_list *list = slot->value;
                vec_done(&list->items);
                free(list);
        }
        map_done(lists);
}

static void gateways_of_routes(struct work *w, struct map *by_route)
{
        for (size_t g = 0; g < w->gateway_count; g++)
                for (size_t i = 0; i < w->gateways[g].listener_count; i++)
                        vec_each (attachment, &w->gateways[g].listeners[i].routes)
                                list_add(by_route, attachment->route->api->object.id,
                                         &w->gateways[g]);
}

static void gateways_of_services(struct work *w, struct map *by_service)
{
        struct map by_route = {0};
        gateways_of_routes(w, &by_route);
        vec_each (use, &w->service_uses) {
                const struct gateway_list *list = map_find(&by_route, use->route->object.id);
                for (size_t i = 0; list && i < list->items.count; i++)
                        list_add(by_service, use->service, list->items.items[i]);
        }
        lists_free(&by_route);
}

/* --- conditions --- */

static struct slice target_text(struct work *w, const struct backend_target_work *target)
{
        struct slice section = target->api->section_name;
        return section.len == 0 ? tell(w, "Service %.*s", SLICE_ARG(target->service))
                                : tell(w, "port %.*s of Service %.*s", SLICE_ARG(section),
                                       SLICE_ARG(target->service));
}

/* What is wrong with one target, before the policy itself. True: something is. */
static bool target_tell(struct work *w, const struct backend_target_work *target,
                        struct condition_list *conditions)
{
        switch (target->outcome) {
        case BACKEND_TARGET_CONFLICTED:
                condition_set(conditions, "Accepted", false, "Conflicted",
                              tell(w, "%.*s is older and holds on %.*s; this target has no effect",
                                   SLICE_ARG(target->holder->policy->api->object.id),
                                   SLICE_ARG(target_text(w, target))));
                return true;
        case BACKEND_TARGET_MISSING:
                condition_set(conditions, "Accepted", false, "TargetNotFound",
                              tell(w, "%.*s %.*s; this target has no effect",
                                   SLICE_ARG(target_text(w, target)), SLICE_ARG(target->why)));
                return true;
        case BACKEND_TARGET_FOREIGN:
        case BACKEND_TARGET_ATTACHED:
                break;
        }
        return false;
}

static void policy_conditions(struct work *w, const struct backend_tls_work *policy,
                              struct condition_list *conditions)
{
        condition_set(conditions, "Accepted", !policy->refusal,
                      policy->refusal ? policy->refusal : "Accepted",
                      policy->refusal ? tell(w, "%.*s; no request is sent to its Services",
                                             SLICE_ARG(policy->refusal_message))
                                      : SLICE("holds"));
        condition_set(conditions, "ResolvedRefs", !policy->ref_reason,
                      policy->ref_reason ? policy->ref_reason : "ResolvedRefs",
                      policy->ref_reason ? policy->ref_message
                                         : SLICE("all references are resolved"));
        if (policy->warning.len > 0)
                condition_set(conditions, CONDITION_WARNING, true, policy->warning_reason,
                              policy->warning);
}

/* --- ancestors --- */

static struct parent_status *ancestor_of(struct work *w, struct backend_tls_work *policy,
                                         const struct gateway_work *gateway)
{
        struct object_status *status = policy->status;
        const struct object *object = &gateway->api->object;
        for (size_t i = 0; i < status->parents.count; i++)
                if (slice_equal(status->parents.items[i].name, object->name) &&
                    slice_equal(status->parents.items[i].namespace, object->namespace))
                        return &status->parents.items[i];
        if (status->parents.count == ANCESTORS_MAX) {
                work_warn(w, "%.*s: more than %d Gateways lead to its Services; %.*s is not told",
                          SLICE_ARG(policy->api->object.id), ANCESTORS_MAX, SLICE_ARG(object->id));
                return NULL;
        }
        struct arena *arena = &w->out->arena;
        struct parent_status *ancestor = &status->parents.items[status->parents.count++];
        *ancestor = (struct parent_status){.group = SLICE(GROUP_GATEWAY),
                                           .kind = SLICE("Gateway"),
                                           .namespace = arena_slice(arena, object->namespace),
                                           .name = arena_slice(arena, object->name)};
        policy_conditions(w, policy, &ancestor->conditions);
        return ancestor;
}

static void target_ancestors_tell(struct work *w, struct backend_target_work *target,
                                  const struct map *by_service)
{
        const struct gateway_list *list = map_find(by_service, target->service);
        for (size_t i = 0; list && i < list->items.count; i++) {
                struct parent_status *ancestor =
                        ancestor_of(w, target->policy, list->items.items[i]);
                const struct condition *accepted = ancestor ? &ancestor->conditions.items[0] : NULL;
                /* Of several targets the first that fails is told. */
                if (accepted && (accepted->holds || accepted->reason == target->policy->refusal))
                        target_tell(w, target, &ancestor->conditions);
        }
}

static void policy_tell(struct work *w, struct backend_tls_work *policy,
                        const struct map *by_service)
{
        const struct backend_tls_policy *api = policy->api;
        policy->status->parents.items =
                ARENA_ARRAY(&w->out->arena, struct parent_status, ANCESTORS_MAX);
        for (size_t t = 0; t < api->targets.count; t++) {
                struct backend_target_work *target = &policy->targets[t];
                if (target->outcome == BACKEND_TARGET_FOREIGN)
                        work_warn(w,
                                  "%.*s: targetRefs[%zu]: %.*s is not supported, wants a Service",
                                  SLICE_ARG(api->object.id), t, SLICE_ARG(target->api->kind));
                else
                        target_ancestors_tell(w, target, by_service);
        }
        if (policy->status->parents.count == 0)
                work_warn(w,
                          "%.*s: no route of our Gateways leads to its Services, so it has no "
                          "effect",
                          SLICE_ARG(api->object.id));
}

void backend_tls_tell(struct work *w)
{
        struct map by_service = {0};
        if (w->tls_policy_count > 0)
                gateways_of_services(w, &by_service);
        for (size_t i = 0; i < w->tls_policy_count; i++)
                policy_tell(w, &w->tls_policies[i], &by_service);
        lists_free(&by_service);
}
