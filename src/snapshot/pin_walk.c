#include "snapshot/pin_walk.h"

#include <string.h>

static struct slice set_source(const struct pin_scope *scope, size_t set)
{
        return scope->set_sources ? scope->set_sources[set] : SLICE_NONE;
}

static bool scope_visit(const struct pin_scope *scope, void *self, on_pin_set_fn on_set)
{
        struct pin_list_place place = {.source = scope->source};
        for (; place.index < scope->set_count; place.index++) {
                place.set_source = set_source(scope, place.index);
                if (on_set(scope->sets[place.index], &place, self))
                        return true;
        }
        place.set_source = SLICE_NONE;
        place.deny = true;
        return scope->deny && on_set(scope->deny, &place, self);
}

static bool scopes_visit(const struct pin_scope *scopes, size_t count, void *self,
                         on_pin_set_fn on_set)
{
        for (size_t i = 0; i < count; i++) {
                if (scope_visit(&scopes[i], self, on_set))
                        return true;
        }
        return false;
}

bool snapshot_pin_sets(const struct snapshot *snapshot, void *self, on_pin_set_fn on_set)
{
        for (size_t p = 0; snapshot && p < snapshot->port_count; p++) {
                const struct client_policy *policy = snapshot->ports[p].client;
                if (policy && scopes_visit(policy->scopes, policy->scope_count, self, on_set))
                        return true;
        }
        for (size_t r = 0; snapshot && r < snapshot->rule_policy_count; r++) {
                const struct request_policy *pins = &snapshot->rule_policies[r].pins;
                if (scopes_visit(pins->scopes, pins->scope_count, self, on_set))
                        return true;
        }
        return false;
}

/* ---- whom a client matches ---- */

struct match_walk {
        const struct pin_client *client;
        void *self;
        on_pin_match_fn on_match;
};

static void look(const struct match_walk *walk, const struct pin_set *set,
                 const struct pin_list_place *place, enum pin_kind kind,
                 const struct digest *digest)
{
        struct pin_match match;
        if (pin_set_find(set, kind, digest, walk->client->now, &match) == PIN_OPEN)
                walk->on_match(place, &match, walk->self);
}

static void set_match(const struct match_walk *walk, const struct pin_set *set,
                      const struct pin_list_place *place)
{
        const struct pin_client *client = walk->client;
        look(walk, set, place, PIN_CERTIFICATE, &client->certificate);
        look(walk, set, place, PIN_SPKI, &client->spki);
        for (size_t at = 0; at + DIGEST_BYTES <= client->issuers.len; at += DIGEST_BYTES) {
                struct digest issuer;
                memcpy(issuer.bytes, client->issuers.data + at, DIGEST_BYTES);
                look(walk, set, place, PIN_ISSUER, &issuer);
        }
}

static void scope_match(const struct match_walk *walk, const struct pin_scope *scope)
{
        struct pin_list_place place = {.source = scope->source};
        for (; place.index < scope->set_count; place.index++) {
                place.set_source = set_source(scope, place.index);
                set_match(walk, scope->sets[place.index], &place);
        }
}

static const struct listener *listener_on(const struct port *port, const struct pin_client *client)
{
        for (size_t i = 0; i < port->listener_count; i++)
                if (slice_equal(port->listeners[i].name, client->listener) &&
                    slice_equal(port->listeners[i].gateway, client->gateway))
                        return &port->listeners[i];
        return NULL;
}

/* A listener of a Gateway with several addresses stands on several ports: all have its scopes. */
void snapshot_pin_matches(const struct snapshot *snapshot, const struct pin_client *client,
                          void *self, on_pin_match_fn on_match)
{
        struct match_walk walk = {client, self, on_match};
        const struct listener *listener = NULL;
        for (size_t p = 0; snapshot && p < snapshot->port_count && !listener; p++) {
                const struct client_policy *policy = snapshot->ports[p].client;
                listener = listener_on(&snapshot->ports[p], client);
                for (size_t i = 0; listener && policy && i < policy->scope_count; i++)
                        if (pin_scope_holds(&policy->scopes[i], listener->index))
                                scope_match(&walk, &policy->scopes[i]);
        }
}

void snapshot_rule_pin_matches(const struct snapshot *snapshot, uint32_t policy,
                               const struct pin_client *client, void *self,
                               on_pin_match_fn on_match)
{
        struct match_walk walk = {client, self, on_match};
        if (!snapshot || policy >= snapshot->rule_policy_count)
                return;
        const struct request_policy *pins = &snapshot->rule_policies[policy].pins;
        for (size_t i = 0; i < pins->scope_count; i++)
                scope_match(&walk, &pins->scopes[i]);
}
