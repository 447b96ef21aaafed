/* backendRefs to backends: a Service's ready endpoints, by its EndpointSlices; each (Service, port)
 * once. */
#include <arpa/inet.h>
#include <string.h>

#include "base/must.h"
#include "control/translate/stages.h"
#include "control/translate/refs.h"

static bool address_parse(struct slice text, uint16_t port, struct sockaddr_storage *out)
{
        char copy[INET6_ADDRSTRLEN];
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        if (text.len == 0 || text.len >= sizeof(copy))
                return false;
        memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
        memset(out, 0, sizeof(*out));
        if (inet_pton(AF_INET, copy, &v4.sin_addr) == 1)
                memcpy(out, &v4, sizeof(v4));
        else if (inet_pton(AF_INET6, copy, &v6.sin6_addr) == 1)
                memcpy(out, &v6, sizeof(v6));
        else
                return false;
        return true;
}

static struct endpoint endpoint_print(struct work *w, struct endpoint endpoint,
                                      struct slice address)
{
        bool brackets = slice_find(address, ':') < address.len;
        endpoint.text = arena_printf(w->frozen, "%s%.*s%s:%u", brackets ? "[" : "",
                                     SLICE_ARG(address), brackets ? "]" : "", endpoint.port);
        return endpoint;
}

/* Of digits too: an API server lets 127.0.0.1 in as a name and as no endpoint's address, and it is
 * where names are resolved that this machine is kept out of reach (dns.c). */
static struct endpoint endpoint_of_name(struct work *w, struct slice name, int64_t port)
{
        struct endpoint endpoint = {.port = (uint16_t)port, .dns_name = freeze(w, name)};
        return endpoint_print(w, endpoint, name);
}

static struct endpoint endpoint_of(struct work *w, const struct endpoint_slice *slice,
                                   struct slice address, int64_t port)
{
        struct endpoint endpoint = {.port = (uint16_t)port};
        if (slice_is(slice->address_type, "FQDN") ||
            !address_parse(address, endpoint.port, &endpoint.address))
                return endpoint_of_name(w, address, port);
        return endpoint_print(w, endpoint, address);
}

/* The port of a slice that serves a Service's port: of the same name (EndpointSlice API). */
static int64_t slice_port(const struct endpoint_slice *slice, const struct service_port *port)
{
        for (size_t i = 0; i < slice->ports.count; i++)
                if (slice_equal(slice->ports.items[i].name, port->name))
                        return slice->ports.items[i].port;
        return 0;
}

struct endpoint_set {
        VEC(struct endpoint) endpoints;
        struct map seen; /* by their text */
};

/* The EndpointSlices of one Service, in the order read. */
struct slice_chain {
        const struct endpoint_slice *slice;
        struct slice_chain *next, *last; /* last: of the first only */
};

void slices_index(struct work *w)
{
        vec_each (object, &w->objects->kinds[KIND_ENDPOINT_SLICE]) {
                const struct endpoint_slice *slice = (const struct endpoint_slice *)*object;
                if (slice->service.len == 0)
                        continue;
                struct slice key = ARENA_JOIN(&w->out->arena, (*object)->namespace, SLICE("/"),
                                              slice->service);
                struct slice_chain *link = ARENA_NEW(&w->out->arena, struct slice_chain);
                struct slice_chain *first = map_find(&w->slice_index, key);
                link->slice = slice;
                if (first) {
                        first->last->next = link;
                        first->last = link;
                } else {
                        link->last = link;
                        map_set(&w->slice_index, key, link);
                }
        }
}

typedef bool (*is_wanted_fn)(const struct endpoint_entry *entry);

static bool is_ready(const struct endpoint_entry *entry)
{
        return entry->ready;
}

static bool is_there(const struct endpoint_entry *entry)
{
        (void)entry;
        return true;
}

static bool is_leaving(const struct endpoint_entry *entry)
{
        return entry->serving && entry->terminating;
}

/* An endpoint that moves from one slice to another may stand in both for a while. */
static void endpoints_of_slice(struct work *w, const struct endpoint_slice *slice, int64_t port,
                               is_wanted_fn is_wanted, struct endpoint_set *out)
{
        for (size_t i = 0; port && i < slice->endpoints.count; i++) {
                const struct endpoint_entry *entry = &slice->endpoints.items[i];
                /* All addresses of an entry are one endpoint; the first stands for it. */
                if (!is_wanted(entry) || entry->addresses.count == 0)
                        continue;
                struct endpoint endpoint = endpoint_of(w, slice, entry->addresses.items[0], port);
                if (map_find(&out->seen, endpoint.text))
                        continue;
                map_set(&out->seen, endpoint.text, out);
                vec_push(&out->endpoints, endpoint);
        }
}

/* Ready ones. Where there are none, those that are on their way out and still serve: the last of a
 * Service that is replaced answers until its successor does (KEP-1669, as kube-proxy has it). */
static void endpoints_collect(struct work *w, const struct service *service,
                              const struct service_port *port, struct backend *backend)
{
        const is_wanted_fn turns[] = {service->publish_not_ready ? is_there : is_ready, is_leaving};
        struct endpoint_set set = {0};
        struct slice key = ARENA_JOIN(&w->out->arena, service->object.namespace, SLICE("/"),
                                      service->object.name);
        const struct slice_chain *first = map_find(&w->slice_index, key);
        for (size_t turn = 0; turn < COUNT_OF(turns) && set.endpoints.count == 0; turn++)
                for (const struct slice_chain *link = first; link; link = link->next)
                        endpoints_of_slice(w, link->slice, slice_port(link->slice, port),
                                           turns[turn], &set);
        struct endpoint *frozen;
        map_done(&set.seen);
        vec_freeze(&set.endpoints, w->frozen, &frozen, &backend->endpoint_count);
        backend->endpoints = frozen;
}

static void external_name_take(struct work *w, const struct service *service,
                               const struct service_port *port, int64_t number,
                               struct backend *backend)
{
        struct endpoint *endpoint = ARENA_NEW(w->frozen, struct endpoint);
        if (service->external_name.len == 0)
                return;
        if (port && port->target_number)
                number = port->target_number;
        *endpoint = endpoint_of_name(w, service->external_name, number);
        backend->endpoints = endpoint;
        backend->endpoint_count = 1;
}

static const struct service_port *service_port_find(const struct service *service, int64_t port)
{
        for (size_t i = 0; i < service->ports.count; i++)
                if (service->ports.items[i].port == port)
                        return &service->ports.items[i];
        return NULL;
}

/* A BackendTLSPolicy has to say whom to trust there. */
static bool wants_tls(const struct service_port *port)
{
        return slice_is(port->app_protocol, "https") ||
               slice_is(port->app_protocol, "kubernetes.io/wss");
}

/* Sending one protocol where another is spoken is a fault. */
static bool protocol_supported(enum backend_protocol protocol, const struct service_port *port,
                               const struct backend_tls *tls)
{
        static const char *const others[] = {"kubernetes.io/wss", "https", "tls"};
        if (tls && wants_tls(port))
                return true;
        for (size_t i = 0; protocol != BACKEND_TCP && i < COUNT_OF(others); i++)
                if (slice_is(port->app_protocol, others[i]))
                        return false;
        return true;
}

/* Where a Service's port is spoken to in two protocols, these are two backends. */
static struct slice backend_key(struct work *w, enum backend_protocol protocol, struct slice name)
{
        return tell(w, "%d %.*s", (int)protocol, SLICE_ARG(name));
}

static uint32_t backend_add(struct work *w, const struct backend *made,
                            const struct service *service, const struct service_port *port,
                            int64_t number)
{
        struct backend backend = *made;
        backend.tls = backend_tls_find(w, service, port);
        if (slice_is(service->type, "ExternalName"))
                external_name_take(w, service, port, number, &backend);
        else
                endpoints_collect(w, service, port, &backend);
        vec_push(&w->backends, backend);
        map_set(&w->backend_index, backend_key(w, backend.protocol, backend.name),
                (void *)(uintptr_t)w->backends.count);
        return (uint32_t)(w->backends.count - 1);
}

/* A GRPCRoute's backends speak HTTP/2 whatever their port says; another's where it says so. */
static enum backend_protocol protocol_of(const struct route_object *route,
                                         const struct service_port *port)
{
        if (route->object.kind == KIND_TLS_ROUTE || route->object.kind == KIND_TCP_ROUTE)
                return BACKEND_TCP;
        bool h2 = port && (slice_is(port->app_protocol, "kubernetes.io/h2c") ||
                           slice_is(port->app_protocol, "grpc"));
        return h2 || route->object.kind == KIND_GRPC_ROUTE ? BACKEND_HTTP2 : BACKEND_HTTP;
}

/* What a reference that is permitted comes to, by all that it goes by but for the objects: those of
 * one kind of route to one Service's port are one backend. NULL: not asked yet, or it came to none.
 */
static void *resolved_find(struct work *w, const struct route_object *route,
                           const struct backend_ref *ref, struct slice namespace)
{
        char kind = (char)('A' + route->object.kind);
        buffer_clear(&w->ref_key);
        bool fits =
                buffer_append(&w->ref_key, slice_from(&kind, 1)) &&
                buffer_append(&w->ref_key, namespace) && buffer_append(&w->ref_key, SLICE("/")) &&
                buffer_append(&w->ref_key, ref->name) && buffer_append(&w->ref_key, SLICE(":")) &&
                buffer_append_decimal(&w->ref_key, (uint64_t)ref->port);
        must(fits);
        return map_find(&w->resolved_index, buffer_slice(&w->ref_key));
}

static uint32_t resolved_keep(struct work *w, uint32_t index)
{
        map_set(&w->resolved_index, arena_slice(&w->out->arena, buffer_slice(&w->ref_key)),
                (void *)((uintptr_t)index + 1));
        return index;
}

static uint32_t backend_look_up(struct work *w, const struct route_object *route,
                                const struct backend_ref *ref, struct slice namespace,
                                const char **reason, struct slice *message)
{
        struct slice id = tell(w, "Service %.*s/%.*s", SLICE_ARG(namespace), SLICE_ARG(ref->name));
        struct slice why;
        const struct service *service =
                object_find_whole(w, KIND_SERVICE, namespace, ref->name, &why);
        const struct service_port *port = service ? service_port_find(service, ref->port) : NULL;
        bool external = service && slice_is(service->type, "ExternalName");
        if (!service || (!port && !external)) {
                *reason = "BackendNotFound";
                *message =
                        service ? tell(w, "backendRefs: %.*s has no port %lld", SLICE_ARG(id),
                                       (long long)ref->port)
                                : tell(w, "backendRefs: %.*s %.*s", SLICE_ARG(id), SLICE_ARG(why));
                return ROUTE_BACKEND_INVALID;
        }
        enum backend_protocol protocol = protocol_of(route, port);
        if (port && !protocol_supported(protocol, port, backend_tls_find(w, service, port))) {
                *reason = "UnsupportedProtocol";
                *message = tell(w, "backendRefs: %.*s: appProtocol %.*s %s", SLICE_ARG(id),
                                SLICE_ARG(port->app_protocol),
                                wants_tls(port) ? "wants a BackendTLSPolicy" : "is not supported");
                return ROUTE_BACKEND_INVALID;
        }
        struct slice name = tell(w, "%.*s/%.*s:%lld", SLICE_ARG(namespace), SLICE_ARG(ref->name),
                                 (long long)ref->port);
        uintptr_t known = (uintptr_t)map_find(&w->backend_index, backend_key(w, protocol, name));
        struct backend backend = {.protocol = protocol};
        if (known)
                return resolved_keep(w, (uint32_t)(known - 1));
        backend.name = freeze(w, name);
        return resolved_keep(w, backend_add(w, &backend, service, port, ref->port));
}

uint32_t backend_resolve(struct work *w, const struct route_object *route,
                         const struct backend_ref *ref, const char **reason, struct slice *message)
{
        struct slice namespace = ref->namespace.len ? ref->namespace : route->object.namespace;
        if (ref->group.len || !slice_is(ref->kind, "Service")) {
                *reason = "InvalidKind";
                *message = tell(w, "backendRefs: %.*s%s%.*s is not supported, wants a Service",
                                SLICE_ARG(ref->group), ref->group.len ? "/" : "",
                                SLICE_ARG(ref->kind));
                return ROUTE_BACKEND_INVALID;
        }
        if (!reference_permitted(w, &route->object, KIND_SERVICE, namespace, ref->name)) {
                *reason = "RefNotPermitted";
                *message = tell(w, "backendRefs: no ReferenceGrant permits Service %.*s/%.*s",
                                SLICE_ARG(namespace), SLICE_ARG(ref->name));
                return ROUTE_BACKEND_INVALID;
        }
        service_use_note(w, route, namespace, ref->name);
        uintptr_t known = (uintptr_t)resolved_find(w, route, ref, namespace);
        return known ? (uint32_t)(known - 1)
                     : backend_look_up(w, route, ref, namespace, reason, message);
}

/* --- when nothing but EndpointSlices changes --- */

static bool endpoints_equal(const struct backend *a, const struct backend *b)
{
        if (a->endpoint_count != b->endpoint_count)
                return false;
        for (size_t i = 0; i < a->endpoint_count; i++) /* text has all that an address is made of */
                if (!slice_equal(a->endpoints[i].text, b->endpoints[i].text) ||
                    !slice_equal(a->endpoints[i].dns_name, b->endpoints[i].dns_name))
                        return false;
        return true;
}

/* By its name, "namespace/service:port". False: that Service and port is not there. */
static bool backend_renew(struct work *w, struct backend *backend)
{
        struct slice name = backend->name, namespace, why;
        slice_split(&name, '/', &namespace);
        size_t colon = name.len;
        uint64_t number;
        while (colon > 0 && name.data[colon - 1] != ':')
                colon--;
        if (colon == 0 || !slice_to_u64(slice_skip(name, colon), UINT16_MAX, &number))
                return false;
        const struct service *service =
                object_find_whole(w, KIND_SERVICE, namespace, slice_sub(name, 0, colon - 1), &why);
        if (service && slice_is(service->type, "ExternalName"))
                return true;
        const struct service_port *port =
                service ? service_port_find(service, (int64_t)number) : NULL;
        if (port)
                endpoints_collect(w, service, port, backend);
        return port != NULL;
}

enum renewal backends_renew(struct work *w, const struct snapshot *former)
{
        size_t count = former->backend_count;
        struct backend *backends = ARENA_ARRAY(w->frozen, struct backend, count);
        enum renewal renewal = BACKENDS_SAME;
        slices_index(w);
        for (size_t i = 0; i < count; i++) {
                backends[i] = former->backends[i];
                if (!backend_renew(w, &backends[i]))
                        return BACKENDS_UNKNOWN;
                if (!endpoints_equal(&backends[i], &former->backends[i]))
                        renewal = BACKENDS_RENEWED;
        }
        w->out->snapshot->backends = backends;
        return renewal;
}
