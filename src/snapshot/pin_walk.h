/* The pin sets of a snapshot with the places where they stand, and which of them a client matches:
 * for what is told about pins, off the workers. It decides nothing; trust/judge.h alone does. */
#pragma once

#include "snapshot/snapshot.h"

/* Where a pin stands. */
struct pin_list_place {
        struct slice source;     /* of the scope: "ClientCertificatePolicy edge/partners" */
        struct slice set_source; /* in it: "pins", "ConfigMap edge/devices"; empty for deny */
        size_t index;            /* the set's, in its scope */
        bool deny;
};

/* True: stop. */
typedef bool (*on_pin_set_fn)(const struct pin_set *set, const struct pin_list_place *place,
                              void *self);
/* Every set of every scope, of ports, routes and rules: one that stands in several scopes is
 * visited for each. A NULL snapshot has none. True: a visit said stop. */
bool snapshot_pin_sets(const struct snapshot *snapshot, void *self, on_pin_set_fn on_set);

/* What is known of a client that came in. */
struct pin_client {
        struct slice gateway, listener; /* that its handshake was for */
        struct digest certificate, spki;
        struct slice issuers; /* the verified path's SPKI digests above the leaf, side by side */
        int64_t now;          /* Unix seconds */
};

typedef void (*on_pin_match_fn)(const struct pin_list_place *place, const struct pin_match *match,
                                void *self);
/* Each open pin that the client matches, in all scopes that its handshake met, ReportOnly ones too
 * and denials not. */
void snapshot_pin_matches(const struct snapshot *snapshot, const struct pin_client *client,
                          void *self, on_pin_match_fn on_match);
/* The same in the scopes of a route and its rule (an index into snapshot->rule_policies). */
void snapshot_rule_pin_matches(const struct snapshot *snapshot, uint32_t policy,
                               const struct pin_client *client, void *self,
                               on_pin_match_fn on_match);
