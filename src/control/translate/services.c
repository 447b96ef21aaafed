#include "control/translate/services.h"

#include "control/api/names.h"
#include "control/translate/service_ports.h"
#include "control/translate/stages.h"

static bool is_balanced(const struct work *w)
{
        return w->request->services && !w->request->pool;
}

/* --- whose --- */

static struct slice name_join(struct arena *arena, struct slice namespace, const char *between,
                              struct slice gateway)
{
        return ARENA_JOIN(arena, SLICE("pingate-"), namespace, slice_of(between), gateway);
}

/* Where a namespace has no "-", the first one behind it ends it; else both names are hashed, as is
 * what looks as if it had been: a tenant may call a Gateway as another's hash is. */
static struct slice service_name(struct arena *arena, struct slice namespace, struct slice gateway)
{
        struct slice clear = name_join(arena, namespace, "-", gateway);
        bool may_be_anothers =
                slice_find(namespace, '-') < namespace.len || name_looks_fitted(clear);
        return name_fit(arena, may_be_anothers ? name_join(arena, namespace, "/", gateway) : clear);
}

static bool label_is(const struct object *object, const char *key, struct slice value)
{
        const struct slice *is = text_map_find(&object->labels, slice_of(key));
        return is && slice_equal(*is, value);
}

/* Names of objects are values of labels as they are, if they are not too long. */
static struct slice label_fit(struct arena *arena, struct slice name)
{
        return name.len <= LABEL_MAX ? arena_slice(arena, name) : name_fit(arena, name);
}

static bool service_is_of(struct work *w, const struct object *service, const struct object *of)
{
        return label_is(service, LABEL_GATEWAY_NAMESPACE, of->namespace) &&
               label_is(service, LABEL_GATEWAY, label_fit(&w->out->arena, of->name));
}

/* --- what it should be like --- */

struct pairs {
        struct text_pair *items;
        size_t count;
};

static void pair_set(struct pairs *pairs, const char *key, struct slice value)
{
        size_t at = 0;
        while (at < pairs->count && !slice_is(pairs->items[at].key, key))
                at++;
        pairs->items[at] = (struct text_pair){slice_of(key), value};
        pairs->count += at == pairs->count;
}

/* With room for `more`. */
static struct pairs pairs_of(struct work *w, const struct text_map *map, size_t more)
{
        struct arena *arena = &w->out->arena;
        size_t count = map ? map->count : 0;
        struct pairs pairs = {ARENA_ARRAY(arena, struct text_pair, count + more), count};
        for (size_t i = 0; i < count; i++)
                pairs.items[i] = (struct text_pair){arena_slice(arena, map->items[i].key),
                                                    arena_slice(arena, map->items[i].value)};
        return pairs;
}

/* What infrastructure asks for, under ours. */
static void metadata_plan(struct work *w, const struct gateway *api, struct wanted_service *wanted)
{
        struct arena *arena = &w->out->arena;
        const struct infrastructure *infrastructure = api->infrastructure;
        struct pairs labels = pairs_of(w, infrastructure ? &infrastructure->labels : NULL, 4);
        struct pairs annotations =
                pairs_of(w, infrastructure ? &infrastructure->annotations : NULL, 0);
        pair_set(&labels, LABEL_MANAGED_BY, SLICE("pingate"));
        pair_set(&labels, LABEL_GATEWAY, label_fit(arena, api->object.name));
        pair_set(&labels, LABEL_GATEWAY_CLASS, label_fit(arena, api->class_name));
        pair_set(&labels, LABEL_GATEWAY_NAMESPACE, wanted->gateway_namespace);
        wanted->labels.items = labels.items;
        wanted->labels.count = labels.count;
        wanted->annotations.items = annotations.items;
        wanted->annotations.count = annotations.count;
}

static bool group_is_served(const struct gateway_work *gateway, size_t start, size_t end)
{
        for (size_t i = start; i < end; i++)
                if (listener_is_served(gateway->by_port[i]))
                        return true;
        return false;
}

static void ports_plan(struct work *w, const struct gateway_work *gateway,
                       struct wanted_service *wanted)
{
        wanted->ports.items =
                ARENA_ARRAY(&w->out->arena, struct wanted_service_port, gateway->listener_count);
        for (size_t start = 0, end; start < gateway->listener_count; start = end) {
                uint16_t number = (uint16_t)gateway->by_port[start]->api->port;
                end = port_group_end(gateway, start);
                if (group_is_served(gateway, start, end))
                        wanted->ports.items[wanted->ports.count++] =
                                (struct wanted_service_port){number, number};
        }
}

static void address_plan(struct work *w, const struct gateway *api, struct wanted_service *wanted)
{
        struct ip_address ip;
        for (size_t i = 0; i < api->addresses.count && wanted->address.len == 0; i++)
                if (ip_parse(api->addresses.items[i].value, &ip))
                        wanted->address =
                                arena_slice(&w->out->arena, api->addresses.items[i].value);
}

/* Another's, or one that nobody can read: left alone. True: it is. */
static bool is_not_ours(struct work *w, struct gateway_work *gateway,
                        const struct wanted_service *wanted, const struct object *object)
{
        const struct object *api = &gateway->api->object;
        struct slice why;
        if (!object)
                return false;
        if (!service_is_of(w, object, api))
                why = tell(
                        w,
                        "%.*s is somebody else's, as it has not the labels " LABEL_GATEWAY_NAMESPACE
                        " and " LABEL_GATEWAY " of this Gateway: it is left alone",
                        SLICE_ARG(object->id));
        else if (object->fault.len > 0)
                why = tell(w, "%.*s can't be used: %.*s", SLICE_ARG(object->id),
                           SLICE_ARG(object->fault));
        else
                return false;
        work_trouble(w, "%.*s: %.*s", SLICE_ARG(api->id), SLICE_ARG(why));
        if (wanted->balanced)
                address_fault(gateway, "AddressNotAssigned", why);
        return true;
}

/* A Service's name begins with a letter, in Kubernetes before 1.36. No other Gateway's name has a
 * space, so none gets the same name. */
static struct slice pooled_name(struct work *w, struct slice name)
{
        bool digit = name.len > 0 && name.data[0] >= '0' && name.data[0] <= '9';
        return name_fit(&w->out->arena,
                        tell(w, "%s%.*s-pingate", digit ? "gw " : "", SLICE_ARG(name)));
}

static void gateway_plan(struct work *w, struct gateway_work *gateway)
{
        struct arena *arena = &w->out->arena;
        const struct gateway *api = gateway->api;
        const struct object *of = &api->object;
        bool balanced = is_balanced(w);
        struct wanted_service wanted = {
                .balanced = balanced,
                .namespace = arena_slice(arena, balanced ? w->request->services->namespace
                                                         : of->namespace),
                .name = balanced ? service_name(arena, of->namespace, of->name)
                                 : pooled_name(w, of->name),
                .gateway_namespace = arena_slice(arena, of->namespace),
                .gateway_name = arena_slice(arena, of->name)};
        const struct object *object =
                objects_find(w->objects, KIND_SERVICE, wanted.namespace, wanted.name);
        bool alien = is_not_ours(w, gateway, &wanted, object);
        if (alien && object->fault.len == 0)
                return;
        gateway->service = alien ? NULL : (const struct service *)object;
        ports_plan(w, gateway, &wanted);
        wanted.kept = alien || gateway_is_refused(gateway) || wanted.ports.count == 0;
        if (wanted.kept && !object)
                return;
        metadata_plan(w, api, &wanted);
        address_plan(w, api, &wanted);
        gateway->wanted = &w->out->services.items[w->out->services.count++];
        *gateway->wanted = wanted;
}

/* --- what the load balancer gave --- */

static bool ingress_has(const struct service *service, const struct ip_address *ip)
{
        struct ip_address is;
        for (size_t i = 0; i < service->ingress.count; i++)
                if (ip_parse(service->ingress.items[i], &is) && ip_equal(&is, ip))
                        return true;
        return false;
}

static void named_check(struct work *w, struct gateway_work *gateway)
{
        const struct gateway *api = gateway->api;
        for (size_t i = 0; i < api->addresses.count; i++) {
                struct slice value = api->addresses.items[i].value;
                struct ip_address ip;
                bool read = ip_parse(value, &ip);
                if (value.len > 0 && !(read && ingress_has(gateway->service, &ip)))
                        address_fault(gateway, "AddressNotUsable",
                                      tell(w, "addresses[%zu]: %.*s %s", i, SLICE_ARG(value),
                                           read ? "is not what the load balancer gave"
                                                : "is no IP address"));
        }
}

static void ingress_take(struct work *w, struct gateway_work *gateway)
{
        const struct service *service = gateway->service;
        const struct wanted_service *wanted = gateway->wanted;
        if (!wanted || gateway_is_refused(gateway))
                return;
        size_t count = service ? service->ingress.count : 0;
        gateway->told.items = ARENA_ARRAY(&w->out->arena, struct slice, count);
        for (size_t i = 0; i < count; i++)
                gateway->told.items[gateway->told.count++] =
                        arena_slice(&w->out->arena, service->ingress.items[i]);
        if (count > 0)
                named_check(w, gateway);
        else
                address_fault(gateway, "AddressNotAssigned",
                              tell(w, "Service %.*s/%.*s %s", SLICE_ARG(wanted->namespace),
                                   SLICE_ARG(wanted->name),
                                   service ? "has no address of a load balancer yet"
                                           : "is not there yet"));
}

void services_plan(struct work *w)
{
        if (!w->request->services)
                return;
        w->out->services.items =
                ARENA_ARRAY(&w->out->arena, struct wanted_service, w->gateway_count);
        for (size_t i = 0; i < w->gateway_count; i++)
                gateway_plan(w, &w->gateways[i]);
        if (!is_balanced(w))
                return;
        service_ports_allot(w);
        for (size_t i = 0; i < w->gateway_count; i++)
                ingress_take(w, &w->gateways[i]);
}

uint16_t service_target(const struct work *w, const struct gateway_work *gateway, uint16_t number)
{
        if (!is_balanced(w))
                return number;
        for (size_t i = 0; i < gateway->allotted.count; i++)
                if (gateway->allotted.items[i].number == number)
                        return gateway->allotted.items[i].target;
        return 0;
}
