/* Addresses and ports: what is bound, and which Gateway gets it when two want the same. */
#include <arpa/inet.h>
#include <string.h>

#include "base/must.h"
#include "control/translate/stages.h"
#include "http/identity_headers.h"
#include "trust/hash.h"

enum {
        /* (address, port) pairs: each is a socket a worker. Beyond so many the youngest Gateways'
         * are not bound: no limit of this kind is to stop what others edit. */
        PORTS_MAX = 4096,
        /* Beyond so many, ports that only ListenerSets ask for are not bound: whoever may write one
         * must not bring about that Gateways meet the limit above. */
        SET_PORTS_MAX = PORTS_MAX / 2
};

/* --- one port --- */

static const void *address_bytes(const struct sockaddr_storage *address, size_t *len)
{
        if (address->ss_family == AF_INET) {
                *len = sizeof(struct in_addr);
                return &((const struct sockaddr_in *)address)->sin_addr;
        }
        *len = sizeof(struct in6_addr);
        return &((const struct sockaddr_in6 *)address)->sin6_addr;
}

static bool is_wildcard(const struct sockaddr_storage *address)
{
        static const unsigned char zeros[sizeof(struct in6_addr)];
        size_t len;
        const void *bytes = address_bytes(address, &len);
        return memcmp(bytes, zeros, len) == 0;
}

static bool addresses_meet(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
        size_t a_len, b_len;
        const void *a_bytes = address_bytes(a, &a_len), *b_bytes = address_bytes(b, &b_len);
        return is_wildcard(a) || is_wildcard(b) ||
               (a_len == b_len && memcmp(a_bytes, b_bytes, a_len) == 0);
}

static in_port_t bound_port(const struct sockaddr_storage *address)
{
        return address->ss_family == AF_INET ? ((const struct sockaddr_in *)address)->sin_port
                                             : ((const struct sockaddr_in6 *)address)->sin6_port;
}

/* The older Gateway that holds it; NULL: free. */
static const struct port *port_taken(struct work *w, const struct gateway_work *gateway,
                                     const struct sockaddr_storage *address)
{
        vec_each (port, &w->ports)
                if (bound_port(&port->address) == bound_port(address) &&
                    addresses_meet(&port->address, address) &&
                    !slice_equal(port->gateway, gateway->name))
                        return port;
        return NULL;
}

static unsigned forward_of(const struct gateway_work *gateway, const struct listener_work *listener)
{
        const struct policy_target *targets[] = {
                listener->policy, listener->set ? listener->set->policy : NULL, gateway->policy};
        bool given;
        if (!listener->client || !listener->client->policy)
                return 0;
        unsigned forward = policy_forward(targets, COUNT_OF(targets), &given);
        return given ? forward : IDENTITY_CLIENT_CERT;
}

/* Of all that a table is made of. */
static struct digest routes_digest(struct work *w, const struct route *routes, size_t count)
{
        struct hasher hasher;
        hasher_init(&hasher, "route_table 1");
        for (const struct route *route = routes; route < routes + count; route++) {
                buffer_clear(&w->table_key);
                for (size_t h = 0; h < route->hostname_count; h++)
                        must(buffer_append(&w->table_key, route->hostnames[h]) &&
                             buffer_append(&w->table_key, SLICE("\n")));
                hasher_raw(&hasher, &route->rules, sizeof(route->rules)); /* by their address */
                hasher_bytes(&hasher, buffer_slice(&w->table_key));
        }
        return hasher_done(&hasher);
}

/* Listeners that lead to the same share one table: else a route of many hosts and matches would
 * cost its author's every listener as much again. */
static const struct route_table *table_build(struct work *w, const struct route *routes,
                                             size_t count)
{
        struct digest *key = ARENA_NEW(w->frozen, struct digest);
        *key = routes_digest(w, routes, count);
        struct slice id = slice_from(key, sizeof(*key));
        struct route_table *table = map_find(&w->table_index, id);
        if (!table) {
                table = route_table_build(routes, count, w->frozen);
                map_set(&w->table_index, id, table);
        }
        return table;
}

static const struct route_table *routes_build(struct work *w, const struct listener_work *work)
{
        if (work->routes.count == 0)
                return NULL;
        struct route *routes = ARENA_ARRAY(w->frozen, struct route, work->routes.count);
        for (size_t i = 0; i < work->routes.count; i++) {
                const struct attachment *a = &work->routes.items[i];
                routes[i] = (struct route){a->hostnames, a->hostname_count,
                                           route_rules_of_gateway(w, work->gateway, a->route),
                                           a->route->rule_count};
        }
        return work->gateway->listener_count > 1
                       ? table_build(w, routes, work->routes.count)
                       : route_table_build(routes, work->routes.count, w->frozen);
}

static struct listener listener_build(struct work *w, const struct listener_work *work)
{
        bool http = work->kind == LISTENER_HTTP || work->kind == LISTENER_HTTPS;
        return (struct listener){.kind = work->kind,
                                 .gateway = work->gateway->name,
                                 .name = work->name,
                                 .hostname = host_normalize(work->api->hostname, w->frozen),
                                 .index = work->index,
                                 .certificates = work->certificates,
                                 .certificate_count = work->certificate_count,
                                 .routes = http ? routes_build(w, work) : NULL,
                                 .streams = http ? NULL : streams_build(w, work),
                                 .forward = forward_of(work->gateway, work),
                                 .closed = work->closed};
}

static void listeners_build(struct work *w, struct listener_work *const *group, size_t count,
                            struct port *port)
{
        struct listener *listeners = ARENA_ARRAY(w->frozen, struct listener, count);
        struct host_entry *hosts = memory_new(sizeof(*hosts) * count);
        for (size_t i = 0; i < count; i++) {
                const struct listener_work *work = group[i];
                if (!listener_is_served(work))
                        continue;
                size_t index = port->listener_count++;
                must(index == work->index);
                port->protocol = listener_protocol(work->kind);
                port->passes_through |= work->kind == LISTENER_TLS_PASSTHROUGH;
                if (work->client)
                        port->client = work->client->policy;
                listeners[index] = listener_build(w, work);
                hosts[index] = (struct host_entry){listeners[index].hostname, &listeners[index]};
        }
        port->listeners = listeners;
        if (port->listener_count)
                port->hosts = host_table_build(hosts, port->listener_count, w->frozen);
        free(hosts);
}

static bool port_bind(struct work *w, struct gateway_work *gateway, const struct port *made,
                      struct bind_address *at)
{
        struct port port = *made;
        uint16_t bound = service_target(w, gateway, port.number);
        port.address = at->address;
        if (port.address.ss_family == AF_INET)
                ((struct sockaddr_in *)&port.address)->sin_port = htons(bound);
        else
                ((struct sockaddr_in6 *)&port.address)->sin6_port = htons(bound);
        port.text = arena_printf(w->frozen, "%.*s:%u", SLICE_ARG(at->text), bound);
        const struct port *holder = port_taken(w, gateway, &port.address);
        if (!holder) {
                if (port.client)
                        client_policy_ref(port.client); /* snapshot_reap gives it back */
                vec_push(&w->ports, port);
                return true;
        }
        at->held = true;
        address_fault(gateway, "AddressNotUsable",
                      tell(w, "%.*s is held by Gateway %.*s, which is older", SLICE_ARG(port.text),
                           SLICE_ARG(holder->gateway)));
        return false;
}

static void unbound_all(struct gateway_work *gateway, struct slice why)
{
        for (size_t i = 0; i < gateway->listener_count; i++)
                gateway->listeners[i].unbound = why;
}

/* Those where every listener is: upstream wants no others told. */
static void addresses_tell(struct work *w, struct gateway_work *gateway)
{
        struct slice *told = ARENA_ARRAY(&w->out->arena, struct slice,
                                         gateway->address_count + gateway->told.count);
        for (size_t a = 0; a < gateway->address_count; a++)
                if (!gateway->addresses[a].wildcard && !gateway->addresses[a].held)
                        told[gateway->status->addresses.count++] = gateway->addresses[a].ip;
        for (size_t i = 0; i < gateway->told.count; i++)
                told[gateway->status->addresses.count++] = gateway->told.items[i];
        gateway->status->addresses.items = told;
}

/* The listeners of one port. A Gateway's own stand in front. */
static void group_bind(struct work *w, struct listener_work *const *group, size_t count)
{
        struct gateway_work *gateway = group[0]->gateway;
        struct port port = {.number = (uint16_t)group[0]->api->port, .gateway = gateway->name};
        size_t most = group[0]->set ? SET_PORTS_MAX : PORTS_MAX;
        bool crowded_out = w->ports.count + gateway->address_count > most;
        size_t bound = 0;
        for (size_t i = 0; i < count; i++)
                group[i]->crowded_out = crowded_out;
        if (crowded_out)
                return;
        proxies_read(w, gateway, group, count, &port);
        listeners_build(w, group, count, &port);
        if (service_target(w, gateway, port.number) == 0) {
                for (size_t i = 0; i < count; i++)
                        group[i]->unbound = SLICE("no port is allotted to it in the Gateway's "
                                                  "Service yet");
                return;
        }
        for (size_t a = 0; port.listener_count && a < gateway->address_count; a++)
                bound += port_bind(w, gateway, &port, &gateway->addresses[a]);
        for (size_t i = 0; bound == 0 && i < count; i++)
                group[i]->unbound = gateway->address_message;
}

static void gateway_bind(struct work *w, struct gateway_work *gateway)
{
        if (gateway->address_refused)
                unbound_all(gateway, gateway->address_message);
        else if (gateway_is_refused(gateway))
                unbound_all(gateway, SLICE("the Gateway is not accepted, so nothing is bound"));
        else if (gateway->address_count == 0)
                unbound_all(gateway, gateway->address_message);
        else
                for (size_t start = 0, end; start < gateway->listener_count; start = end) {
                        end = port_group_end(gateway, start);
                        group_bind(w, gateway->by_port + start, end - start);
                }
        addresses_tell(w, gateway);
}

void ports_build(struct work *w)
{
        for (size_t i = 0; i < w->gateway_count; i++)
                gateway_bind(w, &w->gateways[i]);
}
