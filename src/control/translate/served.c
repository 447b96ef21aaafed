#include "control/translate/served.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *port_fault_print(const struct port_fault *fault, char text[static PORT_FAULT_SIZE])
{
        char why[128];
        snprintf(text, PORT_FAULT_SIZE, "%.*s can't be bound (%s)", SLICE_ARG(fault->port),
                 strerror_r(fault->error, why, sizeof(why)));
        return text;
}

/* ---- ports that can't be bound ---- */

#define PORT_UNAVAILABLE   "PortUnavailable"
#define ADDRESS_NOT_USABLE "AddressNotUsable"

/* Upstream's words: the address is not this machine's, the port is not free, or the system is at
 * the end of its means. */
static const char *fault_reason(const struct port_fault *fault)
{
        switch (fault->error) {
        case EADDRNOTAVAIL:
        case EAFNOSUPPORT:
                return ADDRESS_NOT_USABLE;
        case EADDRINUSE:
        case EACCES:
        case EPERM:
                return PORT_UNAVAILABLE;
        default:
                return "NoResources";
        }
}

static bool fault_is(const struct port_fault *fault, const char *reason)
{
        return strcmp(fault_reason(fault), reason) == 0;
}

static const struct port_fault *fault_find(const struct served_facts *facts,
                                           const struct port *port)
{
        for (size_t i = 0; i < facts->fault_count; i++)
                if (slice_equal(port->text, facts->faults[i].port))
                        return &facts->faults[i];
        return NULL;
}

static struct slice fault_message(const struct port_fault *fault, struct arena *arena)
{
        char text[PORT_FAULT_SIZE];
        return arena_slice(arena, slice_of(port_fault_print(fault, text)));
}

/* ---- conditions ---- */

static struct condition *condition_find(struct condition_list *list, const char *type)
{
        for (size_t i = 0; i < list->count; i++)
                if (strcmp(list->items[i].type, type) == 0)
                        return &list->items[i];
        return NULL;
}

/* Of those that translation gave; only from True to False. */
static void deny(struct condition_list *list, const char *type, const char *reason,
                 struct slice message)
{
        struct condition *condition = condition_find(list, type);
        if (!condition || !condition->holds)
                return;
        condition->holds = false;
        condition->reason = reason;
        condition->message = message;
}

static void deny_unless_proven(struct condition_list *list, const char *type, const char *reason,
                               struct slice missing)
{
        if (missing.len > 0)
                deny(list, type, reason, missing);
}

static void proof_lay(const struct served_facts *facts, struct condition_list *list,
                      struct arena *arena)
{
        deny_unless_proven(list, CONDITION_PINNING, "ProbeFailed", facts->probe_failure);
        deny_unless_proven(list, CONDITION_PINNING, "Pending", facts->unserved);
        deny_unless_proven(list, CONDITION_PINNING, "Pending", facts->unjudged);
        deny_unless_proven(list, "Programmed", "Pending", facts->unserved);
        struct condition *pinning = condition_find(list, CONDITION_PINNING);
        if (pinning && pinning->holds && facts->proof.len > 0)
                pinning->message = arena_printf(arena, "%.*s, %.*s", SLICE_ARG(pinning->message),
                                                SLICE_ARG(facts->proof));
}

static void listener_fault_lay(const struct port_fault *fault, struct condition_list *list,
                               struct arena *arena)
{
        const char *reason = fault_reason(fault);
        struct slice message = fault_message(fault, arena);
        if (fault_is(fault, PORT_UNAVAILABLE))
                deny(list, "Accepted", reason, message);
        deny(list, "Programmed", reason, message);
        deny(list, CONDITION_PINNING, reason, message);
}

/* ---- listeners ---- */

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

static struct listener_status *listener_find(const struct object_status *status,
                                             const struct listener *listener)
{
        struct slice section;
        if (!lists(status, listener, &section))
                return NULL;
        for (size_t l = 0; l < status->listeners.count; l++)
                if (slice_equal(status->listeners.items[l].name, section))
                        return &status->listeners.items[l];
        return NULL;
}

/* Gateways and ListenerSets are told before all routes. */
static const struct listener_status *given_find(const struct translation *translation,
                                                const struct listener *listener)
{
        for (size_t i = 0; i < translation->statuses.count; i++) {
                const struct object_status *status = &translation->statuses.items[i];
                if (status->kind > KIND_LISTENER_SET)
                        break;
                const struct listener_status *found = listener_find(status, listener);
                if (found)
                        return found;
        }
        return NULL;
}

struct condition_list served_listener(const struct served_facts *facts, const struct port *port,
                                      const struct listener *listener, struct arena *arena)
{
        const struct listener_status *given = given_find(facts->translation, listener);
        if (!given)
                return (struct condition_list){0};
        struct condition_list list = given->conditions;
        const struct port_fault *fault = fault_find(facts, port);
        if (fault)
                listener_fault_lay(fault, &list, arena);
        proof_lay(facts, &list, arena);
        return list;
}

/* On several ports (a Gateway of several addresses), it is served only where all of them are. */
static void faults_lay(const struct served_facts *facts, struct object_status *status,
                       struct arena *arena)
{
        const struct snapshot *snapshot = facts->translation->snapshot;
        for (size_t p = 0; facts->fault_count > 0 && p < snapshot->port_count; p++) {
                const struct port *port = &snapshot->ports[p];
                const struct port_fault *fault = fault_find(facts, port);
                for (size_t l = 0; fault && l < port->listener_count; l++) {
                        struct listener_status *listener =
                                listener_find(status, &port->listeners[l]);
                        if (listener)
                                listener_fault_lay(fault, &listener->conditions, arena);
                }
        }
}

/* ---- Gateways ---- */

struct fault_count { /* of one Gateway's ports */
        size_t ports, faulty, unavailable;
        const struct port_fault *first, *address;
};

static bool is_named(const struct object_status *status, struct slice full_name)
{
        struct slice namespace;
        return slice_split(&full_name, '/', &namespace) &&
               slice_equal(status->namespace, namespace) && slice_equal(status->name, full_name);
}

static struct fault_count faults_count(const struct served_facts *facts,
                                       const struct object_status *gateway)
{
        const struct snapshot *snapshot = facts->translation->snapshot;
        struct fault_count count = {0};
        for (size_t p = 0; facts->fault_count > 0 && p < snapshot->port_count; p++) {
                if (!is_named(gateway, snapshot->ports[p].gateway))
                        continue;
                count.ports++;
                const struct port_fault *fault = fault_find(facts, &snapshot->ports[p]);
                if (!fault)
                        continue;
                count.faulty++;
                count.unavailable += fault_is(fault, PORT_UNAVAILABLE);
                if (!count.first)
                        count.first = fault;
                if (!count.address && fault_is(fault, ADDRESS_NOT_USABLE))
                        count.address = fault;
        }
        return count;
}

/* One address that is not usable is the whole Gateway's fault (upstream); a port that is taken is
 * not, while another serves. */
static void gateway_faults_lay(const struct served_facts *facts, struct object_status *gateway,
                               struct arena *arena)
{
        struct fault_count count = faults_count(facts, gateway);
        if (count.faulty == 0)
                return;
        struct slice message = fault_message(count.first, arena);
        struct condition *accepted = condition_find(&gateway->conditions, "Accepted");
        if (count.unavailable == count.ports) {
                deny(&gateway->conditions, "Accepted", "ListenersNotValid", message);
        } else if (count.unavailable > 0 && accepted && accepted->holds) {
                accepted->reason = "ListenersNotValid";
                accepted->message = message;
        }
        if (count.address)
                deny(&gateway->conditions, "Programmed", ADDRESS_NOT_USABLE,
                     fault_message(count.address, arena));
        else if (count.faulty == count.ports)
                deny(&gateway->conditions, "Programmed", "Invalid", message);
}

/* ---- objects ---- */

static const struct object_status *lay(const struct served_facts *facts,
                                       const struct object_status *given, struct arena *arena)
{
        if (given->kind != KIND_GATEWAY && given->kind != KIND_LISTENER_SET &&
            given->kind != KIND_POLICY)
                return given;
        struct object_status *status = ARENA_NEW(arena, struct object_status);
        *status = *given;
        status->listeners.items =
                ARENA_ARRAY(arena, struct listener_status, given->listeners.count + 1);
        status->parents.items = ARENA_ARRAY(arena, struct parent_status, given->parents.count + 1);
        for (size_t i = 0; i < given->listeners.count; i++)
                status->listeners.items[i] = given->listeners.items[i];
        for (size_t i = 0; i < given->parents.count; i++)
                status->parents.items[i] = given->parents.items[i];
        if (given->kind == KIND_GATEWAY)
                gateway_faults_lay(facts, status, arena);
        faults_lay(facts, status, arena);
        proof_lay(facts, &status->conditions, arena);
        for (size_t i = 0; i < status->listeners.count; i++)
                proof_lay(facts, &status->listeners.items[i].conditions, arena);
        for (size_t i = 0; i < status->parents.count; i++)
                proof_lay(facts, &status->parents.items[i].conditions, arena);
        return status;
}

struct served_statuses served_statuses(const struct served_facts *facts, struct arena *arena)
{
        const struct translation *translation = facts->translation;
        struct served_statuses out = {.count = translation->statuses.count};
        out.items = ARENA_ARRAY(arena, const struct object_status *, out.count + 1);
        for (size_t i = 0; i < out.count; i++)
                out.items[i] = lay(facts, &translation->statuses.items[i], arena);
        return out;
}
