/* TLSRoutes and TCPRoutes: where the bytes of a connection go. */
#include <stdlib.h>

#include "control/api/stream_route.h"
#include "control/translate/stages.h"

#define ANNOTATION "pingate.dev/send-proxy-protocol"

/* A backend that waits for a header must not take a client's bytes for one. */
static void introduction_read(struct work *w, struct route_work *route, struct stream_route *stream)
{
        const struct slice *wish =
                text_map_find(&route->api->object.annotations, SLICE(ANNOTATION));
        if (!wish)
                return;
        stream->introduces = slice_is(*wish, "v2");
        if (stream->introduces)
                return;
        stream->backend_count = 0;
        stream->weight_sum = 0;
        route->all_unsupported = true;
        route->unsupported =
                tell(w, "annotation " ANNOTATION ": \"%.*s\" is not supported, wants \"v2\"",
                     SLICE_ARG(*wish));
}

void stream_route_compile(struct work *w, struct route_work *route)
{
        const struct stream_route_object *api = (const struct stream_route_object *)route->api;
        static const struct stream_rule none;
        bool broken = api->route.object.fault.len > 0;
        const struct stream_rule *rule = broken ? &none : &api->rules.items[0];
        struct stream_route *stream = ARENA_NEW(w->frozen, struct stream_route);
        struct route_backend *backends =
                ARENA_ARRAY(w->frozen, struct route_backend, rule->backends.count);
        for (size_t i = 0; i < rule->backends.count; i++) {
                const char *reason = NULL;
                struct slice message = SLICE_NONE;
                backends[i].backend =
                        backend_resolve(w, route->api, &rule->backends.items[i], &reason, &message);
                backends[i].weight = (uint32_t)rule->backends.items[i].weight;
                stream->weight_sum += backends[i].weight;
                if (reason)
                        route_ref_fault(w, route, reason,
                                        tell(w, "rules[0].%.*s", SLICE_ARG(message)));
        }
        stream->route = arena_printf(w->frozen, "%.*s/%.*s", SLICE_ARG(api->route.object.namespace),
                                     SLICE_ARG(api->route.object.name));
        stream->backends = backends;
        stream->backend_count = rule->backends.count;
        route->all_unsupported = broken;
        route->unsupported = tell(w, "%.*s", SLICE_ARG(api->route.object.fault));
        if (!broken)
                introduction_read(w, route, stream);
        route->stream = stream;
}

/* Where nobody here looks into the records, they are the client's TLS and not ours. */
static uint32_t backend_in_the_clear(struct work *w, uint32_t index)
{
        if (index == ROUTE_BACKEND_INVALID || !w->backends.items[index].tls)
                return index;
        struct slice key = tell(w, "%u in the clear", index);
        uintptr_t known = (uintptr_t)map_find(&w->backend_index, key);
        if (known)
                return (uint32_t)(known - 1);
        struct backend backend = w->backends.items[index];
        backend.tls = NULL;
        vec_push(&w->backends, backend);
        map_set(&w->backend_index, key, (void *)(uintptr_t)w->backends.count);
        return (uint32_t)(w->backends.count - 1);
}

/* The route as this listener sends it on. */
static const struct stream_route *stream_of(struct work *w, const struct listener_work *listener,
                                            const struct route_work *route)
{
        const struct stream_route *all = route->stream;
        bool own = false;
        struct route_backend *backends =
                ARENA_ARRAY(w->frozen, struct route_backend, all->backend_count);
        for (size_t i = 0; i < all->backend_count; i++) {
                uint32_t index = all->backends[i].backend;
                backends[i] = all->backends[i];
                backends[i].backend = listener->kind == LISTENER_TLS_PASSTHROUGH
                                              ? backend_in_the_clear(w, index)
                                              : backend_of_gateway(w, listener->gateway, index);
                own |= backends[i].backend != index;
        }
        if (!own)
                return all;
        struct stream_route *stream = ARENA_NEW(w->frozen, struct stream_route);
        *stream = *all;
        stream->backends = backends;
        return stream;
}

/* Of two routes for one name, the older comes first and stays. */
const struct host_table *streams_build(struct work *w, const struct listener_work *listener)
{
        size_t count = 0, at = 0;
        vec_each (attachment, &listener->routes)
                count += attachment->hostname_count;
        if (count == 0 || listener->closed.len > 0)
                return NULL;
        struct host_entry *entries = memory_new(sizeof(*entries) * count);
        vec_each (attachment, &listener->routes) {
                const struct stream_route *stream = stream_of(w, listener, attachment->route);
                for (size_t i = 0; i < attachment->hostname_count; i++)
                        entries[at++] = (struct host_entry){attachment->hostnames[i],
                                                            (void *)(uintptr_t)stream};
        }
        struct host_table *table = host_table_build(entries, count, w->frozen);
        free(entries);
        return table;
}
