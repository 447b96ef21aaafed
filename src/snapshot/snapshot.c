#include "snapshot/snapshot.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/must.h"
#include "snapshot/print.h"
#include "trust/hash.h"
#include "trust/key_pair.h"

enum {
        SNAPSHOT_CHUNK_BYTES = 64 * 1024,
};

/* What nobody refers to any more, newest first. Any thread pushes, the control thread takes all. */
static _Atomic(struct snapshot *) retired;

struct snapshot *snapshot_new(void)
{
        struct snapshot *snapshot = NEW(struct snapshot);
        arena_init(&snapshot->arena, SNAPSHOT_CHUNK_BYTES);
        atomic_init(&snapshot->references, 1);
        return snapshot;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
        unsigned before = atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
        must(before > 0);
        return snapshot;
}

struct snapshot *snapshot_new_like(struct snapshot *former)
{
        struct snapshot *root = former->base ? former->base : former;
        struct snapshot *snapshot = snapshot_new();
        snapshot->base = snapshot_ref(root);
        snapshot->generation = root->generation;
        snapshot->ports = root->ports;
        snapshot->port_count = root->port_count;
        snapshot->backends = root->backends;
        snapshot->backend_count = root->backend_count;
        snapshot->backend_tls = root->backend_tls;
        snapshot->backend_tls_count = root->backend_tls_count;
        snapshot->rule_policies = root->rule_policies;
        snapshot->rule_policy_count = root->rule_policy_count;
        snapshot->certificates = root->certificates;
        snapshot->certificate_count = root->certificate_count;
        snapshot->pin_count = root->pin_count;
        snapshot->route_count = root->route_count;
        snapshot->tls = root->tls;
        return snapshot;
}

static void retire(struct snapshot *snapshot)
{
        struct snapshot *top = atomic_load_explicit(&retired, memory_order_relaxed);
        do {
                snapshot->retired_next = top;
        } while (!atomic_compare_exchange_weak_explicit(
                &retired, &top, snapshot, memory_order_release, memory_order_relaxed));
}

void snapshot_unref(struct snapshot *snapshot)
{
        if (!snapshot)
                return;
        unsigned before = atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel);
        must(before > 0);
        if (before == 1)
                retire(snapshot);
}

static void parts_free(const struct snapshot *snapshot)
{
        if (snapshot->tls_free)
                snapshot->tls_free(snapshot->tls);
        for (size_t i = 0; i < snapshot->certificate_count; i++)
                key_pair_unref(snapshot->certificates[i]->pair);
        for (size_t i = 0; i < snapshot->port_count; i++)
                if (snapshot->ports[i].client)
                        client_policy_unref(snapshot->ports[i].client);
        for (size_t i = 0; i < snapshot->backend_tls_count; i++)
                client_policy_unref(snapshot->backend_tls[i]->peer);
        for (size_t i = 0; i < snapshot->rule_policy_count; i++) {
                const struct request_policy *pins = &snapshot->rule_policies[i].pins;
                for (size_t s = 0; s < pins->scope_count; s++)
                        pin_scope_unref(&pins->scopes[s]);
        }
}

static void snapshot_free(struct snapshot *snapshot)
{
        if (snapshot->base)
                snapshot_unref(snapshot->base);
        else
                parts_free(snapshot);
        arena_done(&snapshot->arena);
        free(snapshot);
}

void snapshot_reap(void)
{
        struct snapshot *next;
        /* Again, as one that goes may have been the last to hold its base. */
        while ((next = atomic_exchange_explicit(&retired, NULL, memory_order_acquire)))
                while (next) {
                        struct snapshot *snapshot = next;
                        next = snapshot->retired_next;
                        snapshot_free(snapshot);
                }
}

static void port_hash(struct hasher *hasher, const struct port *port)
{
        hasher_bytes(hasher, port->gateway);
        hasher_number(hasher, port->number);
        if (port->client)
                hasher_digest(hasher, &port->client->digest);
        hasher_number(hasher, (int64_t)port->listener_count);
        for (size_t i = 0; i < port->listener_count; i++) {
                hasher_bytes(hasher, port->listeners[i].name);
                hasher_bytes(hasher, port->listeners[i].closed);
        }
}

/* Replicas that have the same have the same pins in force, whatever else they are behind with. */
static struct digest trust_digest(const struct snapshot *snapshot)
{
        struct hasher hasher;
        struct buffer text;
        buffer_init(&text, SNAPSHOT_TEXT_MAX);
        for (size_t i = 0; i < snapshot->rule_policy_count; i++) {
                const struct request_policy *pins = &snapshot->rule_policies[i].pins;
                must(buffer_printf(&text, "rule %zu\n", i));
                for (size_t s = 0; s < pins->scope_count; s++)
                        scope_print_into(&text, &pins->scopes[s]);
        }
        hasher_init(&hasher, "trust 1");
        hasher_number(&hasher, (int64_t)snapshot->port_count);
        for (size_t i = 0; i < snapshot->port_count; i++)
                port_hash(&hasher, &snapshot->ports[i]);
        hasher_bytes(&hasher, buffer_slice(&text));
        buffer_done(&text);
        return hasher_done(&hasher);
}

void snapshot_seal(struct snapshot *snapshot)
{
        snapshot->trust = trust_digest(snapshot);
        struct buffer text;
        struct printed printed;
        buffer_init(&text, SNAPSHOT_TEXT_MAX);
        printed_init(&printed);
        snapshot_print_into(snapshot, &printed, &text);
        snapshot->digest = sha256(buffer_slice(&text));
        printed_done(&printed);
        buffer_done(&text);
}

struct slice snapshot_print(const struct snapshot *snapshot, struct arena *arena)
{
        struct buffer text;
        buffer_init(&text, SNAPSHOT_TEXT_MAX);
        snapshot_print_into(snapshot, NULL, &text);
        struct slice copy = arena_slice(arena, buffer_slice(&text));
        buffer_done(&text);
        return copy;
}
