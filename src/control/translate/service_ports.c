#include "control/translate/service_ports.h"

#include "control/translate/stages.h"
#include "trust/hash.h"

/* By port, from the plan's first on: whose it is. */
struct holders {
        const struct service_plan *plan;
        const void **items; /* a gateway_work or a service that is nobody's; NULL: free */
        size_t count;
};

static const void **slot_of(struct holders *holders, int64_t port)
{
        const struct service_plan *plan = holders->plan;
        return port < plan->first_port || port > plan->last_port
                       ? NULL
                       : &holders->items[port - plan->first_port];
}

static int64_t target_of(const struct service_port *port)
{
        return slice_is(port->protocol, "TCP") ? port->target_number : 0;
}

/* Only by hand do two come to have one. */
static void claimed_warn(struct work *w, const struct gateway_work *gateway,
                         const struct service_port *port)
{
        work_trouble(
                w,
                "%.*s: its targetPort %lld, of port %lld, is held by an older Gateway or twice; "
                "it gets another",
                SLICE_ARG(gateway->service->object.id), (long long)port->target_number,
                (long long)port->port);
}

static void allotted_read(struct work *w, struct holders *holders, struct gateway_work *gateway)
{
        const struct service *service = gateway->service;
        size_t count = service ? service->ports.count : 0;
        gateway->allotted.items = ARENA_ARRAY(&w->out->arena, struct wanted_service_port, count);
        for (size_t i = 0; i < count; i++) {
                const struct service_port *port = &service->ports.items[i];
                const void **slot = slot_of(holders, target_of(port));
                if (!slot)
                        continue;
                if (*slot) {
                        claimed_warn(w, gateway, port);
                        continue;
                }
                *slot = gateway;
                gateway->allotted.items[gateway->allotted.count++] = (struct wanted_service_port){
                        (uint16_t)port->port, (uint16_t)port->target_number};
        }
}

/* A Gateway that is gone has its ports until its Service is: its address leads there. */
static void others_hold(struct work *w, struct holders *holders)
{
        vec_each (object, &w->objects->kinds[KIND_SERVICE]) {
                const struct service *service = (const struct service *)*object;
                if (!slice_equal((*object)->namespace, holders->plan->namespace) ||
                    !text_map_find(&(*object)->labels, SLICE(LABEL_GATEWAY_NAMESPACE)))
                        continue;
                for (size_t i = 0; i < service->ports.count; i++) {
                        const void **slot = slot_of(holders, target_of(&service->ports.items[i]));
                        if (slot && !*slot)
                                *slot = service;
                }
        }
}

/* Looked for from a place of its own on, so that what one Gateway gave back is hardly ever what the
 * next one gets: a load balancer may lead there for a while. 0: none is free. */
static uint16_t free_take(struct holders *holders, const struct gateway_work *gateway,
                          uint16_t number)
{
        struct hasher hasher;
        hasher_init(&hasher, "service port 1");
        hasher_bytes(&hasher, gateway->name);
        hasher_number(&hasher, number);
        struct digest digest = hasher_done(&hasher);
        size_t start =
                (size_t)digest.bytes[0] << 16 | (size_t)digest.bytes[1] << 8 | digest.bytes[2];
        for (size_t i = 0; i < holders->count; i++) {
                size_t at = (start + i) % holders->count;
                if (holders->items[at])
                        continue;
                holders->items[at] = gateway;
                return (uint16_t)(holders->plan->first_port + at);
        }
        return 0;
}

static void missing_tell(struct work *w, struct gateway_work *gateway,
                         const struct wanted_service_port *port, const struct service_plan *plan)
{
        if (port->target == 0)
                address_fault(gateway, "AddressNotAssigned",
                              tell(w, "none of the ports %u to %u is free for port %u",
                                   plan->first_port, plan->last_port, port->number));
        else if (gateway->service)
                address_fault(gateway, "AddressNotAssigned",
                              tell(w, "%.*s does not have port %u yet",
                                   SLICE_ARG(gateway->service->object.id), port->number));
}

static void gateway_allot(struct work *w, struct holders *holders, struct gateway_work *gateway)
{
        struct wanted_service *wanted = gateway->wanted;
        size_t kept = 0;
        if (!wanted || wanted->kept)
                return;
        for (size_t i = 0; i < wanted->ports.count; i++) {
                struct wanted_service_port port = wanted->ports.items[i];
                port.target = service_target(w, gateway, port.number);
                if (port.target == 0) {
                        port.target = free_take(holders, gateway, port.number);
                        missing_tell(w, gateway, &port, holders->plan);
                }
                if (port.target > 0)
                        wanted->ports.items[kept++] = port;
        }
        wanted->ports.count = kept;
        wanted->kept = kept == 0;
}

void service_ports_allot(struct work *w)
{
        const struct service_plan *plan = w->request->services;
        struct holders holders = {.plan = plan,
                                  .count = (size_t)plan->last_port - plan->first_port + 1};
        holders.items = memory_new(sizeof(void *) * holders.count);
        for (size_t i = 0; i < w->gateway_count; i++)
                allotted_read(w, &holders, &w->gateways[i]);
        others_hold(w, &holders);
        for (size_t i = 0; i < w->gateway_count; i++)
                gateway_allot(w, &holders, &w->gateways[i]);
        free(holders.items);
}
