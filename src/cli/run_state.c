#include "cli/run_state.h"

#include <string.h>

#include "base/arena.h"
#include "trust/policy.h"

/* What one telling works with; its arena holds the texts until the state has copied them. */
struct telling {
        struct served_facts facts;
        struct arena arena;
};

/* ---- conditions ---- */

/* What has to be proven of it changes without a telling, so the state looks for itself. */
static struct state_condition condition_of(const struct condition *given)
{
        enum state_proof proof = PROOF_NONE;
        if (strcmp(given->type, CONDITION_PINNING) == 0)
                proof = PROOF_ENFORCED;
        else if (strcmp(given->type, "Programmed") == 0)
                proof = PROOF_SERVED;
        return (struct state_condition){.type = slice_of(given->type),
                                        .reason = slice_of(given->reason),
                                        .message = given->message,
                                        .holds = given->holds,
                                        .proof = proof};
}

static struct state_conditions conditions_of(struct telling *telling,
                                             const struct condition_list *list)
{
        struct state_condition *items =
                ARENA_ARRAY(&telling->arena, struct state_condition, list->count + 1);
        for (size_t i = 0; i < list->count; i++)
                items[i] = condition_of(&list->items[i]);
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

static struct slice protocol_of(const struct listener *listener)
{
        static const char *const names[] = {
                [LISTENER_HTTP] = "HTTP",         [LISTENER_HTTPS] = "HTTPS",
                [LISTENER_TLS_TERMINATE] = "TLS", [LISTENER_TLS_PASSTHROUGH] = "TLS",
                [LISTENER_TCP] = "TCP",
        };
        return slice_of(names[listener->kind]);
}

static struct state_listener listener_state(struct telling *telling, const struct port *port,
                                            const struct listener *listener)
{
        const struct client_policy *client = port->client;
        struct condition_list conditions =
                served_listener(&telling->facts, port, listener, &telling->arena);
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
                .conditions = conditions_of(telling, &conditions),
        };
}

static size_t listeners_take(struct telling *telling, struct state_listener **out)
{
        const struct snapshot *snapshot = telling->facts.translation->snapshot;
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

static size_t gateways_take(struct telling *telling, struct state_gateway **out)
{
        struct served_statuses statuses = served_statuses(&telling->facts, &telling->arena);
        size_t count = 0;
        *out = ARENA_ARRAY(&telling->arena, struct state_gateway, statuses.count + 1);
        for (size_t i = 0; i < statuses.count; i++) {
                const struct object_status *status = statuses.items[i];
                if (status->kind != KIND_GATEWAY)
                        continue;
                struct state_gateway *gateway = &(*out)[count++];
                gateway->name = arena_printf(&telling->arena, "%.*s/%.*s",
                                             SLICE_ARG(status->namespace), SLICE_ARG(status->name));
                gateway->conditions = conditions_of(telling, &status->conditions);
        }
        return count;
}

struct port_fault run_state_fault(const struct listener_fault *fault)
{
        return (struct port_fault){slice_of(fault->text), fault->error};
}

static void faults_take(const struct listener_faults *faults, struct served_facts *facts,
                        struct arena *arena)
{
        struct port_fault *items = ARENA_ARRAY(arena, struct port_fault, faults->count + 1);
        for (size_t i = 0; i < faults->count; i++)
                items[i] = run_state_fault(&faults->items[i]);
        facts->faults = items;
        facts->fault_count = faults->count;
}

void run_state_facts(struct gateway_state *state, const struct listener_faults *faults,
                     struct served_facts *facts, struct arena *arena)
{
        struct state_missing missing;
        gateway_state_missing(state, &missing);
        faults_take(faults, facts, arena);
        facts->unserved = arena_slice(arena, slice_of(missing.unserved));
        facts->unjudged = arena_slice(arena, slice_of(missing.unjudged));
        facts->probe_failure = arena_slice(arena, slice_of(missing.probe_failure));
}

void run_state_tell(struct gateway_state *state, const struct run_facts *facts)
{
        const struct snapshot *snapshot = facts->translation->snapshot;
        struct telling telling = {.facts = {.translation = facts->translation}};
        struct state_listener *listeners;
        struct state_gateway *gateways;
        arena_init(&telling.arena, 16384);
        faults_take(&facts->faults, &telling.facts, &telling.arena);
        /* What this process can say for itself; of the other replicas their Leases tell. */
        telling.facts.proof = arena_printf(&telling.arena, "generation %llu, %s, probed",
                                           (unsigned long long)snapshot->generation,
                                           facts->clustered ? "this replica alone" : "replicas 1");
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

void run_state_heard(struct gateway_state *state, const struct source_kind *kinds, size_t count)
{
        struct state_source sources[KIND_COUNT];
        size_t known = count < KIND_COUNT ? count : KIND_COUNT;
        for (size_t i = 0; i < known; i++)
                sources[i] = (struct state_source){.kind = kinds[i].name,
                                                   .heard_ms = kinds[i].heard_ms,
                                                   .synced = kinds[i].synced};
        gateway_state_set_sources(state, sources, known);
}
