/* Which route serves on which listener. Routes come one after the other, oldest first: where a
 * place has room for one, the first to come has it. */
#include "control/translate/attach.h"
#include "control/translate/stages.h"
#include "route/host_match.h"

/* --- hostnames --- */

/* Of the route's hostnames, those that the listener serves. */
static bool hostnames_meet(struct work *w, const struct route_object *route,
                           struct slice listener_hostname, struct attachment *out)
{
        struct slice both;
        size_t max = route->hostnames.count, first = 0;
        while (first < max &&
               !host_intersect(listener_hostname, route->hostnames.items[first], &both))
                first++;
        if (max > 0 && first == max)
                return false;
        out->hostnames = ARENA_ARRAY(w->frozen, struct slice, max ? max - first : 1);
        out->hostname_count = 0;
        if (max == 0)
                out->hostnames[out->hostname_count++] =
                        host_normalize(listener_hostname, w->frozen);
        for (size_t i = first; i < max; i++)
                if (host_intersect(listener_hostname, route->hostnames.items[i], &both))
                        out->hostnames[out->hostname_count++] = host_normalize(both, w->frozen);
        return true;
}

/* HTTPRoutes and GRPCRoutes that have a host in common would fight over its requests: upstream says
 * that one of the two is accepted, the older. NULL: nobody stands against it. */
static const struct route_work *request_rival(struct work *w, struct listener_work *listener,
                                              const struct route_work *route,
                                              const struct attachment *attachment)
{
        bool http = route->api->object.kind == KIND_HTTP_ROUTE;
        struct host_claims *own = http ? &listener->http_claims : &listener->other_claims;
        struct host_claims *others = http ? &listener->other_claims : &listener->http_claims;
        if (w->objects->kinds[KIND_GRPC_ROUTE].count == 0)
                return NULL;
        for (size_t i = 0; i < attachment->hostname_count; i++) {
                const struct route_work *rival = host_claims_meet(others, attachment->hostnames[i]);
                if (rival)
                        return rival;
        }
        for (size_t i = 0; i < attachment->hostname_count; i++)
                host_claims_add(own, attachment->hostnames[i], route);
        return NULL;
}

/* A connection goes to one route by its server name, and nothing further tells two apart: names
 * that an older one holds are left to it. */
static const struct route_work *stream_rival(struct listener_work *listener,
                                             const struct route_work *route,
                                             struct attachment *attachment)
{
        const struct route_work *rival = NULL;
        size_t kept = 0;
        for (size_t i = 0; i < attachment->hostname_count; i++) {
                struct slice name = attachment->hostnames[i];
                const struct route_work *holder = host_claims_holder(&listener->other_claims, name);
                if (holder && holder != route) {
                        rival = holder;
                        continue;
                }
                host_claims_add(&listener->other_claims, name, route);
                attachment->hostnames[kept++] = name;
        }
        attachment->hostname_count = kept;
        return kept == 0 ? rival : NULL;
}

/* --- listeners --- */

/* If this one is there, it is the last. */
static bool already_attached(const struct listener_work *listener, const struct route_work *route)
{
        return listener->routes.count > 0 &&
               listener->routes.items[listener->routes.count - 1].route == route;
}

/* A TCP listener has connections and nothing to tell them apart: upstream accepts and counts every
 * TCPRoute of it, and gives them all to the oldest. */
static enum attach_step rival_stands(struct listener_work *listener, struct route_work *route,
                                     const struct route_work *rival)
{
        route->rival = rival;
        if (route->api->object.kind != KIND_TCP_ROUTE)
                return ATTACH_RIVAL;
        if (listener->waiting != route && !route->all_unsupported)
                listener->status->attached_routes++;
        listener->waiting = route;
        return ATTACH_WAITS;
}

static bool route_is_allowed(struct work *w, const struct listener_work *listener,
                             const struct object *route)
{
        const struct allowed_routes *allowed = listener->api->allowed_routes;
        return (listener->status->kinds & BIT(route->kind)) &&
               namespace_allowed(w, allowed ? allowed->namespaces : NULL,
                                 listener->owner->namespace, route->namespace);
}

static enum attach_step listener_attach(struct work *w, struct listener_work *listener,
                                        struct route_work *route, const struct parent_ref *parent)
{
        const struct gateway_listener *api = listener->api;
        const struct object *object = &route->api->object;
        if ((parent->section_name.len && !slice_equal(parent->section_name, api->name)) ||
            (parent->port && parent->port != api->port))
                return ATTACH_NO_LISTENER;
        if (!route_is_allowed(w, listener, object))
                return ATTACH_NOT_ALLOWED;
        if (already_attached(listener, route))
                return ATTACHED;
        struct attachment attachment = {.route = route};
        if (!hostnames_meet(w, route->api, api->hostname, &attachment))
                return ATTACH_NO_HOSTNAME;
        const struct route_work *rival = route->stream
                                                 ? stream_rival(listener, route, &attachment)
                                                 : request_rival(w, listener, route, &attachment);
        if (rival)
                return rival_stands(listener, route, rival);
        vec_push(&listener->routes, attachment);
        struct listener_link *link = ARENA_NEW(&w->out->arena, struct listener_link);
        *link = (struct listener_link){listener, route->listeners};
        route->listeners = link;
        if (!route->all_unsupported)
                listener->status->attached_routes++;
        return ATTACHED;
}

/* --- parents --- */

static struct parent_place place_look_up(struct work *w, struct slice namespace,
                                         const struct parent_ref *parent)
{
        struct parent_place place = {0};
        if (!slice_is(parent->group, GROUP_GATEWAY))
                return place;
        if (slice_is(parent->kind, "Gateway")) {
                place.gateway = work_find(w, KIND_GATEWAY, namespace, parent->name);
                place.count = place.gateway ? place.gateway->own_count : 0;
        } else if (slice_is(parent->kind, "ListenerSet")) {
                const struct listener_set_work *set =
                        work_find(w, KIND_LISTENER_SET, namespace, parent->name);
                if (set)
                        place = (struct parent_place){set->gateway, set->first, set->count};
        }
        return place;
}

struct parent_place parent_find(struct work *w, const struct route_object *route,
                                const struct parent_ref *parent)
{
        struct parent_memo *last = &w->last_parent;
        struct slice namespace =
                parent->namespace.len ? parent->namespace : route->object.namespace;
        /* All that the look-up goes by: sectionName and port choose among the place's listeners. */
        if (last->ref && slice_equal(last->ref->name, parent->name) &&
            slice_equal(last->namespace, namespace) && slice_equal(last->ref->kind, parent->kind) &&
            slice_equal(last->ref->group, parent->group))
                return last->place;
        *last = (struct parent_memo){parent, namespace, place_look_up(w, namespace, parent)};
        return last->place;
}

enum attach_step parent_attach(struct work *w, struct route_work *route,
                               const struct parent_ref *parent, const struct parent_place *place)
{
        enum attach_step best = ATTACH_NO_LISTENER;
        for (size_t i = place->first; i < place->first + place->count; i++) {
                enum attach_step step =
                        listener_attach(w, &place->gateway->listeners[i], route, parent);
                best = step > best ? step : best;
        }
        return best;
}
