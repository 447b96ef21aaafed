#include "cli/run_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "trust/policy.h"

/* What one telling works with; its arena holds the texts until the state has copied them. */
struct telling {
        const struct translation *translation;
        struct listener_faults faults;
        struct arena arena;
};

const char *run_state_fault_text(const struct listener_fault *fault,
                                 char text[static FAULT_TEXT_SIZE])
{
        char why[128];
        snprintf(text, FAULT_TEXT_SIZE, "%s can't be bound (%s)", fault->text,
                 strerror_r(fault->error, why, sizeof(why)));
        return text;
}

/* ---- ports that can't be bound ---- */

/* Upstream's words: the address is not this machine's, the port is not free, or the system is at
 * the end of its means. */
static const char *fault_reason(const struct listener_fault *fault)
{
        switch (fault->error) {
        case EADDRNOTAVAIL:
        case EAFNOSUPPORT:
                return "AddressNotUsable";
        case EADDRINUSE:
        case EACCES:
        case EPERM:
                return "PortUnavailable";
        default:
                return "NoResources";
        }
}

static const struct listener_fault *fault_find(const struct telling *telling,
                                               const struct port *port)
{
        for (size_t i = 0; i < telling->faults.count; i++)
                if (slice_is(port->text, telling->faults.items[i].text))
                        return &telling->faults.items[i];
        return NULL;
}

static struct slice fault_message(struct telling *telling, const struct listener_fault *fault)
{
        char text[FAULT_TEXT_SIZE];
        return arena_slice(&telling->arena, slice_of(run_state_fault_text(fault, text)));
}

/* ---- conditions ---- */

static struct state_condition *condition_find(struct state_conditions *all, const char *type)
{
        for (size_t i = 0; i < all->count; i++)
                if (slice_is(all->items[i].type, type))
                        return (struct state_condition *)(uintptr_t)&all->items[i];
        return NULL;
}

/* Of those that translation gave; only from True to False. */
static void deny(struct state_conditions *all, const char *type, const char *reason,
                 struct slice message)
{
        struct state_condition *condition = condition_find(all, type);
        if (!condition || !condition->holds)
                return;
        condition->holds = false;
        condition->reason = slice_of(reason);
        condition->message = message;
}

static struct state_condition condition_of(struct telling *telling, const struct condition *given)
{
        struct state_condition condition = {.type = slice_of(given->type),
                                            .reason = slice_of(given->reason),
                                            .message = given->message,
                                            .holds = given->holds};
        bool pinning = strcmp(given->type, CONDITION_PINNING) == 0;
        if (pinning)
                condition.proof = PROOF_ENFORCED;
        else if (strcmp(given->type, "Programmed") == 0)
                condition.proof = PROOF_SERVED;
        if (pinning && given->holds) /* read from files, this process is all there is of it */
                condition.message = arena_printf(&telling->arena, "%.*s, replicas 1, probed",
                                                 SLICE_ARG(given->message));
        return condition;
}

static struct state_conditions conditions_of(struct telling *telling,
                                             const struct condition_list *list)
{
        struct state_condition *items =
                ARENA_ARRAY(&telling->arena, struct state_condition, list->count + 1);
        for (size_t i = 0; i < list->count; i++)
                items[i] = condition_of(telling, &list->items[i]);
        return (struct state_conditions){items, list->count};
}

/* ---- listeners ---- */

static struct slice mode_of(const struct port *port)
{
        if (!port->client)
                return SLICE_NONE;
        return port->client->mode == ALLOW_VALID_ONLY ? SLICE("AllowValidOnly")
                                                      : SLICE("AllowInsecureFallback");
}

/* Who lists it: "namespace/set/section" where a ListenerSet does, else a section of its Gateway. */
static bool lists(const struct object_status *status, const struct listener *listener,
                  struct slice *section)
{
        struct slice rest = listener->gateway, namespace, name;
        enum object_kind kind = KIND_GATEWAY;
        *section = listener->name;
        if (slice_find(listener->name, '/') < listener->name.len) {
                kind = KIND_LISTENER_SET;
                rest = listener->name;
        }
        if (status->kind != kind || !slice_split(&rest, '/', &namespace) ||
            !slice_equal(status->namespace, namespace))
                return false;
        if (kind == KIND_GATEWAY)
                return slice_equal(status->name, rest);
        bool found = slice_split(&rest, '/', &name) && slice_equal(status->name, name);
        *section = rest;
        return found;
}

/* Gateways and ListenerSets are told before all routes. */
static const struct listener_status *listener_status_find(const struct translation *translation,
                                                          const struct listener *listener)
{
        for (size_t i = 0; i < translation->statuses.count; i++) {
                const struct object_status *status = &translation->statuses.items[i];
                struct slice section;
                if (status->kind > KIND_LISTENER_SET)
                        break;
                if (!lists(status, listener, &section))
                        continue;
                for (size_t l = 0; l < status->listeners.count; l++)
                        if (slice_equal(status->listeners.items[l].name, section))
                                return &status->listeners.items[l];
        }
        return NULL;
}

static struct slice protocol_of(const struct listener *listener)
{
        static const char *const names[] = {
                [LISTENER_HTTP] = "HTTP",         [LISTENER_HTTPS] = "HTTPS",
                [LISTENER_TLS_TERMINATE] = "TLS", [LISTENER_TLS_PASSTHROUGH] = "TLS",
                [LISTENER_TCP] = "TCP",
        };
        return slice_of(names[listener->kind]);
}

static struct state_conditions listener_conditions(struct telling *telling, const struct port *port,
                                                   const struct listener *listener)
{
        const struct listener_status *status = listener_status_find(telling->translation, listener);
        if (!status)
                return (struct state_conditions){0};
        struct state_conditions conditions = conditions_of(telling, &status->conditions);
        const struct listener_fault *fault = fault_find(telling, port);
        if (!fault)
                return conditions;
        const char *reason = fault_reason(fault);
        struct slice message = fault_message(telling, fault);
        if (strcmp(reason, "PortUnavailable") == 0)
                deny(&conditions, "Accepted", reason, message);
        deny(&conditions, "Programmed", reason, message);
        deny(&conditions, CONDITION_PINNING, reason, message);
        return conditions;
}

static struct state_listener listener_state(struct telling *telling, const struct port *port,
                                            const struct listener *listener)
{
        const struct client_policy *client = port->client;
        struct slice why;
        bool closed = client && client_policy_is_closed(client, &why);
        return (struct state_listener){
                .gateway = listener->gateway,
                .name = listener->name,
                .address = port->text,
                .protocol = protocol_of(listener),
                .hostname = listener->hostname,
                .mode = mode_of(port),
                .pinned = client && client->mode == ALLOW_VALID_ONLY && client->scope_count > 0 &&
                          !closed,
                .pins = client ? client_policy_pin_count(client, listener->index) : 0,
                .digest = client ? client->digest : (struct digest){{0}},
                .conditions = listener_conditions(telling, port, listener),
        };
}

static size_t listeners_take(struct telling *telling, struct state_listener **out)
{
        const struct snapshot *snapshot = telling->translation->snapshot;
        size_t count = 0, max = 0;
        for (size_t p = 0; p < snapshot->port_count; p++)
                max += snapshot->ports[p].listener_count;
        *out = ARENA_ARRAY(&telling->arena, struct state_listener, max + 1);
        for (size_t p = 0; p < snapshot->port_count; p++)
                for (size_t l = 0; l < snapshot->ports[p].listener_count; l++)
                        (*out)[count++] = listener_state(telling, &snapshot->ports[p],
                                                         &snapshot->ports[p].listeners[l]);
        return count;
}

/* ---- Gateways ---- */

struct fault_count { /* of one Gateway's ports */
        size_t ports, faulty, unavailable;
        const struct listener_fault *first, *address;
};

static struct fault_count faults_count(const struct telling *telling, struct slice gateway)
{
        const struct snapshot *snapshot = telling->translation->snapshot;
        struct fault_count count = {0};
        for (size_t p = 0; p < snapshot->port_count; p++) {
                if (!slice_equal(snapshot->ports[p].gateway, gateway))
                        continue;
                count.ports++;
                const struct listener_fault *fault = fault_find(telling, &snapshot->ports[p]);
                if (!fault)
                        continue;
                count.faulty++;
                count.unavailable += strcmp(fault_reason(fault), "PortUnavailable") == 0;
                if (!count.first)
                        count.first = fault;
                if (!count.address && strcmp(fault_reason(fault), "AddressNotUsable") == 0)
                        count.address = fault;
        }
        return count;
}

/* One address that is not usable is the whole Gateway's fault (upstream); a port that is taken is
 * not, while another serves. */
static void gateway_faults_tell(struct telling *telling, struct state_gateway *gateway)
{
        struct fault_count count = faults_count(telling, gateway->name);
        if (count.faulty == 0)
                return;
        struct slice message = fault_message(telling, count.first);
        struct state_condition *accepted = condition_find(&gateway->conditions, "Accepted");
        if (count.unavailable == count.ports) {
                deny(&gateway->conditions, "Accepted", "ListenersNotValid", message);
        } else if (count.unavailable > 0 && accepted && accepted->holds) {
                accepted->reason = SLICE("ListenersNotValid");
                accepted->message = message;
        }
        if (count.address)
                deny(&gateway->conditions, "Programmed", "AddressNotUsable",
                     fault_message(telling, count.address));
        else if (count.faulty == count.ports)
                deny(&gateway->conditions, "Programmed", "Invalid", message);
}

static size_t gateways_take(struct telling *telling, struct state_gateway **out)
{
        const struct translation *translation = telling->translation;
        size_t count = 0;
        *out = ARENA_ARRAY(&telling->arena, struct state_gateway, translation->statuses.count + 1);
        for (size_t i = 0; i < translation->statuses.count; i++) {
                const struct object_status *status = &translation->statuses.items[i];
                if (status->kind != KIND_GATEWAY)
                        continue;
                struct state_gateway *gateway = &(*out)[count++];
                gateway->name = arena_printf(&telling->arena, "%.*s/%.*s",
                                             SLICE_ARG(status->namespace), SLICE_ARG(status->name));
                gateway->conditions = conditions_of(telling, &status->conditions);
                gateway_faults_tell(telling, gateway);
        }
        return count;
}

void run_state_tell(struct gateway_state *state, const struct run_facts *facts)
{
        const struct snapshot *snapshot = facts->translation->snapshot;
        struct telling telling = {.translation = facts->translation, .faults = facts->faults};
        struct state_listener *listeners;
        struct state_gateway *gateways;
        arena_init(&telling.arena, 16384);
        struct state_generation generation = {
                .number = snapshot->generation,
                .digest = snapshot->digest,
                .published_ms = facts->published_ms,
                .pins = snapshot->pin_count,
                .routes = snapshot->route_count,
                .expires = snapshot_expiries(snapshot, facts->published_ms / 1000),
                .listener_count = listeners_take(&telling, &listeners),
                .gateway_count = gateways_take(&telling, &gateways),
        };
        generation.listeners = listeners;
        generation.gateways = gateways;
        gateway_state_set_generation(state, &generation);
        arena_done(&telling.arena);
}
