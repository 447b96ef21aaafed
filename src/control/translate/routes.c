/* Which route serves on which listener, and what the route is told about each of its parents. */
#include <stdlib.h>

#include "control/translate/attach.h"
#include "control/translate/stages.h"

/* What is sorted: a route's work is some hundred bytes to move, and most are told apart without a
 * look at the object. */
struct aged {
        int64_t created;
        const struct route_object *route;
};

static int by_age(const void *a, const void *b)
{
        const struct aged *left = a, *right = b;
        if (left->created != right->created)
                return left->created < right->created ? -1 : 1;
        int age = object_age_compare(&left->route->object, &right->route->object);
        return age ? age : (int)left->route->object.kind - (int)right->route->object.kind;
}

static void route_compile(struct work *w, struct route_work *route)
{
        broken_warn(w, &route->api->object, route->api->parents.count == 0);
        switch (route->api->object.kind) {
        case KIND_HTTP_ROUTE:
                http_rules_compile(w, route);
                return;
        case KIND_GRPC_ROUTE:
                grpc_rules_compile(w, route);
                return;
        default:
                stream_route_compile(w, route);
        }
}

void routes_collect(struct work *w)
{
        const struct object_list *kinds = w->objects->kinds;
        size_t count = 0;
        for (enum object_kind k = KIND_HTTP_ROUTE; k <= KIND_TCP_ROUTE; k++)
                count += kinds[k].count;
        struct aged *sorted = memory_new(sizeof(*sorted) * (count + 1));
        for (enum object_kind k = KIND_HTTP_ROUTE; k <= KIND_TCP_ROUTE; k++)
                for (size_t i = 0; i < kinds[k].count; i++)
                        sorted[w->route_count++] =
                                (struct aged){kinds[k].items[i]->created,
                                              (const struct route_object *)kinds[k].items[i]};
        size_t in_order = 1;
        while (in_order < count && by_age(&sorted[in_order - 1], &sorted[in_order]) <= 0)
                in_order++;
        if (in_order < count)
                qsort(sorted, count, sizeof(*sorted), by_age);
        w->routes = memory_new(sizeof(*w->routes) * (count + 1));
        for (size_t i = 0; i < count; i++) {
                w->routes[i].api = sorted[i].route;
                route_compile(w, &w->routes[i]);
        }
        free(sorted);
}

/* --- what they are told --- */

void route_ref_fault(struct work *w, struct route_work *route, const char *reason,
                     struct slice message)
{
        if (!route->ref_reason)
                route->ref_reason = reason;
        route->ref_message = faults_join(w, route->ref_message, message);
}

static struct slice no_listener_text(const struct parent_place *place)
{
        if (place->count > 0)
                return SLICE("no listener has that sectionName and port");
        return place->gateway->api->object.fault.len > 0
                       ? SLICE("the Gateway is not accepted")
                       : SLICE("the ListenerSet is not attached to its Gateway");
}

static void accepted_set(struct work *w, struct parent_status *status, enum attach_step step,
                         const struct route_work *route, const struct parent_place *place)
{
        switch (step) {
        case ATTACH_NO_LISTENER:
                condition_set(&status->conditions, "Accepted", false, "NoMatchingParent",
                              no_listener_text(place));
                return;
        case ATTACH_NOT_ALLOWED:
                condition_set(&status->conditions, "Accepted", false, "NotAllowedByListeners",
                              SLICE("allowedRoutes of the listeners does not allow this route's "
                                    "kind or namespace"));
                return;
        case ATTACH_NO_HOSTNAME:
                condition_set(&status->conditions, "Accepted", false, "NoMatchingListenerHostname",
                              SLICE("no hostname of the route meets a listener's hostname"));
                return;
        case ATTACH_RIVAL:
                condition_set(&status->conditions, "Accepted", false, "Conflicted",
                              tell(w,
                                   "%.*s goes before it, by age or by name, and holds the same "
                                   "on the listener",
                                   SLICE_ARG(route->rival->api->object.id)));
                return;
        case ATTACH_WAITS:
        case ATTACHED:
                break;
        }
        if (route->all_unsupported) {
                condition_set(&status->conditions, "Accepted", false, "UnsupportedValue",
                              tell(w, "%.*s (%s)", SLICE_ARG(route->unsupported),
                                   route->stream ? "its connections are closed"
                                                 : "its requests get 500"));
                return;
        }
        condition_set(&status->conditions, "Accepted", true, "Accepted",
                      step == ATTACHED
                              ? SLICE("serves")
                              : tell(w,
                                     "waits: %.*s goes before it, by age or by name, and has all "
                                     "connections of the listener",
                                     SLICE_ARG(route->rival->api->object.id)));
        if (route->unsupported.len)
                condition_set(&status->conditions, "PartiallyInvalid", true, "UnsupportedValue",
                              tell(w, "Dropped Rule: %.*s (its requests get 500)",
                                   SLICE_ARG(route->unsupported)));
}

/* A client that is kept out of the one door and walks in by the other. */
static void two_doors_warn(const struct gateway_work *gateway, const struct route_work *route,
                           struct parent_status *status)
{
        bool open = false, guarded = false;
        for (const struct listener_link *link = route->listeners; link; link = link->next) {
                const struct listener_work *l = link->listener;
                open |= l->gateway == gateway && l->kind == LISTENER_HTTP;
                guarded |= l->gateway == gateway && l->client && l->client->policy;
        }
        if (open && guarded && !policy_enforces(route->policy)) /* which answers 403 there */
                condition_set(&status->conditions, CONDITION_WARNING, true,
                              "ReachableWithoutClientCertificate",
                              SLICE("an HTTP listener serves this route too, without asking for a "
                                    "client certificate"));
}

static struct slice copy_of(struct arena *arena, struct slice text)
{
        return text.len > 0 ? arena_slice(arena, text) : SLICE_NONE;
}

static void parent_tell(struct work *w, struct route_work *route, const struct parent_ref *parent,
                        struct parent_status *status, const struct parent_place *place)
{
        struct arena *arena = &w->out->arena;
        bool set = slice_is(parent->kind, "ListenerSet"); /* a place of no other kind is found */
        *status = (struct parent_status){.group = SLICE(GROUP_GATEWAY),
                                         .kind = set ? SLICE("ListenerSet") : SLICE("Gateway"),
                                         .namespace = copy_of(arena, parent->namespace),
                                         .name = copy_of(arena, parent->name),
                                         .section_name = copy_of(arena, parent->section_name),
                                         .port = parent->port};
        accepted_set(w, status, parent_attach(w, route, parent, place), route, place);
        condition_set(&status->conditions, "ResolvedRefs", !route->ref_reason,
                      route->ref_reason ? route->ref_reason : "ResolvedRefs",
                      route->ref_reason ? route->ref_message
                                        : SLICE("all references are resolved"));
}

/* Another controller's Gateway is its business; one that nobody has is probably misspelt. */
static void parent_lost(struct work *w, const struct route_object *route,
                        const struct parent_ref *parent, size_t index)
{
        bool set = slice_is(parent->kind, "ListenerSet");
        struct slice namespace =
                parent->namespace.len ? parent->namespace : route->object.namespace;
        bool there = objects_find(w->objects, set ? KIND_LISTENER_SET : KIND_GATEWAY, namespace,
                                  parent->name) != NULL;
        if (!set && !slice_is(parent->kind, "Gateway"))
                return;
        w->lost |= !there;
        work_warn(w, "%.*s: parentRefs[%zu]: %.*s %.*s/%.*s %s", SLICE_ARG(route->object.id), index,
                  SLICE_ARG(parent->kind), SLICE_ARG(namespace), SLICE_ARG(parent->name),
                  there ? "is not ours" : "does not exist");
}

void routes_attach(struct work *w)
{
        for (size_t i = 0; i < w->route_count; i++) {
                struct route_work *route = &w->routes[i];
                const struct route_object *api = route->api;
                struct parent_status *statuses =
                        ARENA_ARRAY(&w->out->arena, struct parent_status, api->parents.count);
                struct parent_place *places =
                        ARENA_ARRAY(&w->out->arena, struct parent_place, api->parents.count);
                size_t count = 0;
                for (size_t p = 0; p < api->parents.count; p++) {
                        const struct parent_ref *parent = &api->parents.items[p];
                        places[p] = parent_find(w, api, parent);
                        if (places[p].gateway)
                                parent_tell(w, route, parent, &statuses[count++], &places[p]);
                        else
                                parent_lost(w, api, parent, p);
                }
                route->places = places;
                route->status->parents.items = statuses;
                route->status->parents.count = count;
                route->serves = count > 0;
        }
}

/* GEP-713: an object that policies hold on says so. */
static void policies_of_route_tell(struct work *w, const struct route_work *route,
                                   struct parent_status *status)
{
        struct slice message = SLICE_NONE;
        if (route->policy)
                message = tell(w, "%.*s holds on all rules",
                               SLICE_ARG(route->policy->policy->api->object.id));
        for (size_t r = 0; r < route->rule_count; r++)
                if (route->rule_policies[r])
                        message = tell(w, "%.*s%s%.*s holds on rule %.*s", SLICE_ARG(message),
                                       message.len ? "; " : "",
                                       SLICE_ARG(route->rule_policies[r]->policy->api->object.id),
                                       SLICE_ARG(route->rule_names[r]));
        if (message.len > 0)
                condition_set(&status->conditions, CONDITION_AFFECTED, true, "PolicyAttached",
                              message);
}

/* Once all are attached, as a route may name the two doors in two parentRefs. */
void routes_warn(struct work *w)
{
        for (size_t i = 0; i < w->route_count; i++) {
                struct route_work *route = &w->routes[i];
                size_t at = 0;
                for (size_t p = 0; p < route->api->parents.count; p++) {
                        const struct gateway_work *gateway = route->places[p].gateway;
                        if (!gateway)
                                continue;
                        struct parent_status *status = &route->status->parents.items[at++];
                        two_doors_warn(gateway, route, status);
                        policies_of_route_tell(w, route, status);
                }
        }
}
