/* Whether listeners can be served: their protocols, whether they can be told apart, the kinds of
 * routes that they take, and their certificates. */
#include <stdlib.h>

#include "control/translate/stages.h"
#include "control/translate/refs.h"

static bool kind_of(const struct gateway_listener *api, enum listener_kind *kind)
{
        static const struct {
                const char *protocol;
                enum listener_kind kind;
        } known[] = {{"HTTP", LISTENER_HTTP},
                     {"HTTPS", LISTENER_HTTPS},
                     {"TLS", LISTENER_TLS_TERMINATE},
                     {"TCP", LISTENER_TCP}};
        for (size_t i = 0; i < COUNT_OF(known); i++) {
                if (!slice_is(api->protocol, known[i].protocol))
                        continue;
                *kind = known[i].kind;
                if (*kind == LISTENER_TLS_TERMINATE && slice_is(api->tls->mode, "Passthrough"))
                        *kind = LISTENER_TLS_PASSTHROUGH;
                return true;
        }
        return false;
}

enum port_protocol listener_protocol(enum listener_kind kind)
{
        static const enum port_protocol protocols[] = {
                [LISTENER_HTTP] = PORT_HTTP,         [LISTENER_HTTPS] = PORT_TLS,
                [LISTENER_TLS_TERMINATE] = PORT_TLS, [LISTENER_TLS_PASSTHROUGH] = PORT_TLS,
                [LISTENER_TCP] = PORT_TCP,
        };
        return protocols[kind];
}

bool listener_is_served(const struct listener_work *listener)
{
        return listener->protocol_known && !listener->conflict;
}

void listener_ref_fault(struct listener_work *listener, const char *reason, struct slice message)
{
        if (listener->refs_broken)
                return;
        listener->refs_broken = true;
        condition_set(&listener->status->conditions, "ResolvedRefs", false, reason, message);
}

/* --- kinds of routes --- */

static unsigned kinds_of_protocol(enum listener_kind kind)
{
        switch (kind) {
        case LISTENER_HTTP:
        case LISTENER_HTTPS:
                return BIT(KIND_HTTP_ROUTE) | BIT(KIND_GRPC_ROUTE);
        case LISTENER_TLS_TERMINATE:
        case LISTENER_TLS_PASSTHROUGH:
                return BIT(KIND_TLS_ROUTE);
        case LISTENER_TCP:
                break;
        }
        return BIT(KIND_TCP_ROUTE);
}

static unsigned kind_bit(const struct route_kind *kind)
{
        for (enum object_kind k = KIND_HTTP_ROUTE; k <= KIND_TCP_ROUTE; k++)
                if (slice_is(kind->group, object_group(k)) &&
                    slice_is(kind->kind, object_kind_name(k)))
                        return BIT(k);
        return 0;
}

static struct slice kinds_text(struct work *w, unsigned kinds)
{
        struct slice text = SLICE_NONE;
        for (enum object_kind k = KIND_HTTP_ROUTE; k <= KIND_TCP_ROUTE; k++)
                if (kinds & BIT(k))
                        text = tell(w, "%.*s%s%s", SLICE_ARG(text), text.len ? " or " : "",
                                    object_kind_name(k));
        return text;
}

static void kinds_check(struct work *w, struct listener_work *listener)
{
        const struct allowed_routes *allowed = listener->api->allowed_routes;
        unsigned possible = kinds_of_protocol(listener->kind);
        if (!allowed || allowed->kinds.count == 0)
                listener->status->kinds = possible;
        for (size_t i = 0; allowed && i < allowed->kinds.count; i++) {
                const struct route_kind *kind = &allowed->kinds.items[i];
                listener->status->kinds |= kind_bit(kind) & possible;
                if (!(kind_bit(kind) & possible))
                        listener_ref_fault(
                                listener, "InvalidRouteKinds",
                                tell(w,
                                     "allowedRoutes.kinds: %.*s is not supported with protocol "
                                     "%.*s, wants %.*s",
                                     SLICE_ARG(kind->kind), SLICE_ARG(listener->api->protocol),
                                     SLICE_ARG(kinds_text(w, possible))));
        }
}

/* --- certificates --- */

static void certificates_check(struct work *w, struct listener_work *listener)
{
        const struct listener_tls *tls = listener->api->tls;
        for (size_t i = 0; tls && i < tls->options.count; i++)
                work_warn(w,
                          "%.*s: listener %.*s: tls.options: %.*s is not known and has no effect",
                          SLICE_ARG(listener->owner->id), SLICE_ARG(listener->api->name),
                          SLICE_ARG(tls->options.items[i].key));
        if (!tls || tls->certificate_refs.count == 0) {
                listener_ref_fault(listener, "InvalidCertificateRef",
                                   SLICE("tls.certificateRefs names no certificate"));
                return;
        }
        listener->certificates = ARENA_ARRAY(w->frozen, const struct server_certificate *,
                                             tls->certificate_refs.count);
        for (size_t i = 0; i < tls->certificate_refs.count; i++) {
                const char *reason;
                struct slice message;
                const struct server_certificate *certificate = certificate_resolve(
                        w, listener->owner, &tls->certificate_refs.items[i], &reason, &message);
                if (certificate)
                        listener->certificates[listener->certificate_count++] = certificate;
                else
                        listener_ref_fault(
                                listener, reason,
                                tell(w, "tls.certificateRefs[%zu]: %.*s", i, SLICE_ARG(message)));
        }
}

/* --- who can't be told apart --- */

static int by_port(const void *a, const void *b)
{
        const struct listener_work *left = *(struct listener_work *const *)a,
                                   *right = *(struct listener_work *const *)b;
        if (left->api->port != right->api->port)
                return left->api->port < right->api->port ? -1 : 1;
        return left < right ? -1 : left > right;
}

size_t port_group_end(const struct gateway_work *gateway, size_t start)
{
        size_t end = start;
        while (end < gateway->listener_count &&
               gateway->by_port[end]->api->port == gateway->by_port[start]->api->port)
                end++;
        return end;
}

/* Why the two can't stand on one port: what comes first on a connection must say which of them is
 * meant. NULL: they can. */
static const char *conflict_of(const struct listener_work *a, const struct listener_work *b)
{
        enum port_protocol protocol = listener_protocol(a->kind);
        if (protocol != listener_protocol(b->kind) || protocol == PORT_TCP)
                return "ProtocolConflict";
        return slice_equal(a->api->hostname, b->api->hostname) ? "HostnameConflict" : NULL;
}

/* What the listeners of objects that go before have taken of a port. */
struct port_claims {
        unsigned protocols; /* BIT(enum port_protocol) */
        struct map hosts;
};

static void lose(struct listener_work *listener, const char *reason, struct slice message)
{
        listener->conflict = reason;
        listener->conflict_message = message;
}

static struct slice host_key(const struct listener_work *listener)
{
        return listener->api->hostname.len ? listener->api->hostname : SLICE("*");
}

/* The Gateway goes before its ListenerSets, an older one before a younger. Nothing is said of whose
 * the other is: it may be a stranger's. */
static void claims_check(struct work *w, const struct port_claims *claims,
                         struct listener_work *listener)
{
        unsigned protocol = BIT(listener_protocol(listener->kind));
        long long port = (long long)listener->api->port;
        if (claims->protocols && (claims->protocols != protocol || protocol == BIT(PORT_TCP)))
                lose(listener, "ProtocolConflict",
                     tell(w, "port %lld is held %s by the Gateway or an older ListenerSet", port,
                          claims->protocols == protocol ? "for TCP" : "with another protocol"));
        else if (map_find(&claims->hosts, host_key(listener)))
                lose(listener, "HostnameConflict",
                     tell(w,
                          "this hostname is held on port %lld by the Gateway or an older "
                          "ListenerSet",
                          port));
}

/* Two of one object: none of them is served, as nobody can say which was meant. */
static void equals_check(struct work *w, struct listener_work *listener,
                         struct listener_work *other)
{
        const char *reason = conflict_of(listener, other);
        bool protocol = reason && *reason == 'P';
        if (reason && !listener->conflict)
                lose(listener, reason,
                     protocol
                             ? tell(w, "port %lld is also that of a listener with another protocol",
                                    (long long)listener->api->port)
                             : tell(w, "listener %.*s has the same port and hostname",
                                    SLICE_ARG(other->api->name)));
}

/* The listeners of one object on one port. */
static void block_check(struct work *w, struct port_claims *claims,
                        struct listener_work *const *block, size_t count)
{
        struct listener_work *left[LISTENERS_PER_OBJECT_MAX];
        size_t left_count = 0;
        for (size_t i = 0; i < count; i++) {
                if (block[i]->protocol_known)
                        claims_check(w, claims, block[i]);
                if (listener_is_served(block[i]))
                        left[left_count++] = block[i];
        }
        for (size_t i = 0; i < left_count; i++)
                for (size_t j = 0; j < left_count; j++)
                        if (i != j)
                                equals_check(w, left[i], left[j]);
        for (size_t i = 0; i < left_count; i++) {
                claims->protocols |= BIT(listener_protocol(left[i]->kind));
                map_set(&claims->hosts, host_key(left[i]), left[i]);
        }
}

static void conflicts_check(struct work *w, struct listener_work *const *group, size_t count)
{
        struct port_claims claims = {0};
        for (size_t start = 0, end; start < count; start = end) {
                end = start;
                while (end < count && group[end]->owner == group[start]->owner)
                        end++;
                block_check(w, &claims, group + start, end - start);
        }
        map_done(&claims.hosts);
}

static void groups_check(struct work *w, struct gateway_work *gateway)
{
        size_t count = gateway->listener_count;
        gateway->by_port = ARENA_ARRAY(&w->out->arena, struct listener_work *, count);
        for (size_t i = 0; i < count; i++)
                gateway->by_port[i] = &gateway->listeners[i];
        qsort(gateway->by_port, count, sizeof(struct listener_work *), by_port);
        for (size_t start = 0, end; start < count; start = end) {
                end = port_group_end(gateway, start);
                conflicts_check(w, gateway->by_port + start, end - start);
                uint32_t index = 0;
                for (size_t i = start; i < end; i++)
                        if (listener_is_served(gateway->by_port[i]))
                                gateway->by_port[i]->index = index++;
        }
}

/* --- all of it --- */

static void listener_add(struct work *w, struct gateway_work *gateway, const struct object *owner,
                         const struct gateway_listener *api, struct listener_status *status)
{
        struct listener_work *listener = &gateway->listeners[gateway->listener_count++];
        listener->api = api;
        listener->owner = owner;
        listener->gateway = gateway;
        listener->status = status;
        listener->name = freeze(w, api->name);
        status->name = arena_slice(&w->out->arena, api->name);
        listener->protocol_known = kind_of(api, &listener->kind);
}

static void list_add(struct work *w, struct gateway_work *gateway, const struct object *owner,
                     const struct listener_list *list, struct object_status *status)
{
        status->listeners.items = ARENA_ARRAY(&w->out->arena, struct listener_status, list->count);
        status->listeners.count = list->count;
        for (size_t i = 0; i < list->count; i++)
                listener_add(w, gateway, owner, &list->items[i], &status->listeners.items[i]);
}

static void set_add(struct work *w, struct gateway_work *gateway, struct listener_set_work *set)
{
        const struct object *object = &set->api->object;
        set->first = gateway->listener_count;
        list_add(w, gateway, object, &set->api->listeners, set->status);
        set->count = gateway->listener_count - set->first;
        for (size_t i = 0; i < set->count; i++) {
                struct listener_work *listener = &gateway->listeners[set->first + i];
                listener->set = set;
                listener->name =
                        arena_printf(w->frozen, "%.*s/%.*s/%.*s", SLICE_ARG(object->namespace),
                                     SLICE_ARG(object->name), SLICE_ARG(listener->api->name));
        }
}

void listeners_check(struct work *w, struct gateway_work *gateway)
{
        size_t count = gateway->api->listeners.count;
        for (const struct listener_set_work *set = gateway->sets; set; set = set->next)
                count += set->allowed ? set->api->listeners.count : 0;
        gateway->listeners = ARENA_ARRAY(&w->out->arena, struct listener_work, count);
        list_add(w, gateway, &gateway->api->object, &gateway->api->listeners, gateway->status);
        gateway->own_count = gateway->listener_count;
        for (struct listener_set_work *set = gateway->sets; set; set = set->next)
                if (set->allowed)
                        set_add(w, gateway, set);
        groups_check(w, gateway);
        for (size_t i = 0; i < count; i++) {
                struct listener_work *listener = &gateway->listeners[i];
                if (!listener->protocol_known)
                        continue;
                kinds_check(w, listener);
                if (listener->kind == LISTENER_HTTPS || listener->kind == LISTENER_TLS_TERMINATE)
                        certificates_check(w, listener);
        }
}
