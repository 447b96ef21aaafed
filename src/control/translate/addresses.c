/* Which addresses a Gateway has. Without a pool those that its spec names, and every address of the
 * machine where it names none. With one (run --address-pool) each is of the pool and one Gateway's
 * alone: what a Gateway has it keeps. Its status is what says so, so that every replica and every
 * restart come to the same. */
#include "control/translate/stages.h"

static const struct ip_address every_address = {.family = 6};

/* Whose an address of the pool is. */
struct claims {
        struct map holders; /* an address's text to its gateway_work */
        size_t lowest;      /* below it none is free */
};

static struct gateway_work *holder_of(const struct claims *claims, const struct ip_address *ip)
{
        char text[IP_TEXT_SIZE];
        return map_find(&claims->holders, ip_print(ip, text));
}

/* True: it is this Gateway's now, or was. */
static bool claim(struct work *w, struct claims *claims, struct gateway_work *gateway,
                  const struct ip_address *ip)
{
        char text[IP_TEXT_SIZE];
        const struct gateway_work *holder = holder_of(claims, ip);
        if (holder || !address_pool_has(w->request->pool, ip))
                return holder == gateway;
        map_set(&claims->holders, arena_slice(&w->out->arena, ip_print(ip, text)), gateway);
        return true;
}

static void assign(struct work *w, struct gateway_work *gateway, const struct ip_address *ip)
{
        struct ip_address *assigned = ARENA_NEW(&w->out->arena, struct ip_address);
        *assigned = *ip;
        gateway->assigned = assigned;
}

/* --- what the spec asks for --- */

static bool wants_any(const struct gateway *api)
{
        for (size_t i = 0; i < api->addresses.count; i++)
                if (api->addresses.items[i].value.len == 0)
                        return true;
        return api->addresses.count == 0;
}

static bool spec_names(const struct gateway *api, const struct ip_address *ip)
{
        struct ip_address named;
        for (size_t i = 0; i < api->addresses.count; i++)
                if (ip_parse(api->addresses.items[i].value, &named) && ip_equal(&named, ip))
                        return true;
        return false;
}

static void types_check(struct work *w, struct gateway_work *gateway)
{
        const struct gateway *api = gateway->api;
        for (size_t i = 0; i < api->addresses.count && !gateway->address_refused; i++) {
                if (slice_is(api->addresses.items[i].type, "IPAddress"))
                        continue;
                gateway->address_refused = true;
                gateway->address_message =
                        tell(w, "addresses[%zu]: type %.*s is not supported, wants IPAddress", i,
                             SLICE_ARG(api->addresses.items[i].type));
        }
}

/* --- who gets what of the pool --- */

/* One that is not accepted keeps what it had: it may be whole again with the next edit. */
static void had_claim(struct work *w, struct claims *claims, struct gateway_work *gateway)
{
        const struct gateway *api = gateway->api;
        bool refused = gateway_is_refused(gateway), any = wants_any(api);
        for (size_t i = 0; i < api->had.count; i++) {
                struct ip_address ip;
                if (!ip_parse(api->had.items[i], &ip))
                        continue;
                if (!refused && !spec_names(api, &ip) && (!any || gateway->assigned))
                        continue;
                if (claim(w, claims, gateway, &ip) && !refused && !spec_names(api, &ip))
                        assign(w, gateway, &ip);
        }
}

static void named_claim(struct work *w, struct claims *claims, struct gateway_work *gateway)
{
        const struct gateway *api = gateway->api;
        for (size_t i = 0; i < api->addresses.count; i++) {
                struct ip_address ip;
                if (ip_parse(api->addresses.items[i].value, &ip))
                        claim(w, claims, gateway, &ip);
        }
}

static void lowest_claim(struct work *w, struct claims *claims, struct gateway_work *gateway)
{
        size_t count = address_pool_count(w->request->pool);
        for (; claims->lowest < count && !gateway->assigned; claims->lowest++) {
                struct ip_address ip = address_pool_at(w->request->pool, claims->lowest);
                if (!holder_of(claims, &ip) && claim(w, claims, gateway, &ip))
                        assign(w, gateway, &ip);
        }
}

/* What the former translation gave counts until the status says it, which takes a write and a
 * watch: meanwhile others come and go, and the lowest that is free is another. */
static void formers_claim(struct work *w, struct claims *claims)
{
        const struct translation *former = w->request->previous;
        for (size_t i = 0; former && i < former->statuses.count; i++) {
                const struct object_status *status = &former->statuses.items[i];
                struct gateway_work *gateway =
                        status->kind == KIND_GATEWAY && status->addresses.count > 0
                                ? work_find(w, KIND_GATEWAY, status->namespace, status->name)
                                : NULL;
                if (!gateway || gateway->assigned || gateway_is_refused(gateway) ||
                    !wants_any(gateway->api))
                        continue;
                for (size_t a = 0; a < status->addresses.count && !gateway->assigned; a++) {
                        struct ip_address ip;
                        if (ip_parse(status->addresses.items[a], &ip) &&
                            !spec_names(gateway->api, &ip) && claim(w, claims, gateway, &ip))
                                assign(w, gateway, &ip);
                }
        }
}

/* Nobody loses what it has to one that asks for it by name, and nobody who names none gets what
 * another names. */
static void pool_divide(struct work *w, struct claims *claims)
{
        for (size_t i = 0; i < w->gateway_count; i++)
                had_claim(w, claims, &w->gateways[i]);
        formers_claim(w, claims);
        for (size_t i = 0; i < w->gateway_count; i++)
                if (!gateway_is_refused(&w->gateways[i]))
                        named_claim(w, claims, &w->gateways[i]);
        for (size_t i = 0; i < w->gateway_count; i++)
                if (!gateway_is_refused(&w->gateways[i]) && wants_any(w->gateways[i].api))
                        lowest_claim(w, claims, &w->gateways[i]);
}

/* --- what comes of it --- */

static void address_add(struct work *w, struct gateway_work *gateway, const struct ip_address *ip)
{
        char text[IP_TEXT_SIZE];
        struct bind_address *address = &gateway->addresses[gateway->address_count++];
        struct slice printed = ip_print(ip, text);
        *address = (struct bind_address){.address = ip_socket_address(ip, 0),
                                         .wildcard = ip_is_wildcard(ip),
                                         .ip = arena_slice(&w->out->arena, printed),
                                         .text = arena_printf(w->frozen,
                                                              ip->family == 4 ? "%.*s" : "[%.*s]",
                                                              SLICE_ARG(printed))};
}

void address_fault(struct gateway_work *gateway, const char *reason, struct slice message)
{
        if (gateway->address_reason)
                return;
        gateway->address_reason = reason;
        gateway->address_message = message;
}

/* NULL: it may be bound. */
static const char *named_fault(struct work *w, const struct claims *claims,
                               const struct gateway_work *gateway, const struct ip_address *ip)
{
        if (!w->request->pool)
                return NULL;
        if (!address_pool_has(w->request->pool, ip))
                return "is not in the address pool";
        return holder_of(claims, ip) == gateway ? NULL : "is another Gateway's, which had it first";
}

static bool is_added(const struct gateway_work *gateway, const struct ip_address *ip)
{
        char text[IP_TEXT_SIZE];
        struct slice printed = ip_print(ip, text);
        for (size_t i = 0; i < gateway->address_count; i++)
                if (slice_equal(gateway->addresses[i].ip, printed))
                        return true;
        return false;
}

static void named_add(struct work *w, const struct claims *claims, struct gateway_work *gateway)
{
        const struct gateway *api = gateway->api;
        for (size_t i = 0; i < api->addresses.count; i++) {
                struct slice value = api->addresses.items[i].value;
                struct ip_address ip;
                if (value.len == 0)
                        continue;
                const char *fault = "is no IP address";
                if (ip_parse(value, &ip))
                        fault = named_fault(w, claims, gateway, &ip);
                if (fault)
                        address_fault(
                                gateway, "AddressNotUsable",
                                tell(w, "addresses[%zu]: %.*s %s", i, SLICE_ARG(value), fault));
                else if (!is_added(gateway, &ip))
                        address_add(w, gateway, &ip);
        }
}

/* Without a pool it is every one of the machine's. */
static void any_add(struct work *w, struct gateway_work *gateway)
{
        const struct address_pool *pool = w->request->pool;
        if (!pool)
                address_add(w, gateway, &every_address);
        else if (gateway->assigned)
                address_add(w, gateway, gateway->assigned);
        else
                address_fault(gateway, "AddressNotAssigned",
                              tell(w, "each of the %zu addresses of the address pool is held",
                                   address_pool_count(pool)));
}

/* In Service mode what the spec names is asked of the load balancer (services.c). */
static void spec_add(struct work *w, const struct claims *claims, struct gateway_work *gateway)
{
        if (w->request->services && !w->request->pool) {
                address_add(w, gateway, &every_address);
                return;
        }
        named_add(w, claims, gateway);
        if (wants_any(gateway->api))
                any_add(w, gateway);
}

static void kept_add(struct work *w, const struct claims *claims, struct gateway_work *gateway)
{
        for (size_t i = 0; i < gateway->api->had.count; i++) {
                struct ip_address ip;
                if (ip_parse(gateway->api->had.items[i], &ip) &&
                    holder_of(claims, &ip) == gateway && !is_added(gateway, &ip))
                        address_add(w, gateway, &ip);
        }
}

void addresses_assign(struct work *w)
{
        struct claims claims = {0};
        for (size_t i = 0; i < w->gateway_count; i++)
                types_check(w, &w->gateways[i]);
        if (w->request->pool)
                pool_divide(w, &claims);
        for (size_t i = 0; i < w->gateway_count; i++) {
                struct gateway_work *gateway = &w->gateways[i];
                const struct gateway *api = gateway->api;
                gateway->addresses = ARENA_ARRAY(&w->out->arena, struct bind_address,
                                                 api->addresses.count + api->had.count + 1);
                if (gateway_is_refused(gateway))
                        kept_add(w, &claims, gateway);
                else
                        spec_add(w, &claims, gateway);
        }
        map_done(&claims.holders);
}
