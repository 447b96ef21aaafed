/* What translate's stages share while one translation runs: each stage reads what former ones
 * decided and writes its own part. Nothing here outlives translate(). */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "control/api/core.h"
#include "control/api/gateway.h"
#include "control/api/policy.h"
#include "control/api/route.h"
#include "control/translate/backend_tls.h"
#include "control/translate/policy_work.h"
#include "control/translate/translate.h"

/* One route on one listener. */
struct attachment {
        const struct route_work *route;
        struct slice *hostnames; /* met with the listener's; in the snapshot's arena */
        size_t hostname_count;
};

struct listener_work {
        const struct gateway_listener *api;
        struct listener_status *status;
        struct client_work *client; /* of its port; NULL unless HTTPS */
        enum listener_kind kind;
        bool protocol_known;
        bool conflicted; /* with another listener of its Gateway: none of them serves */
        bool refs_broken;
        struct slice unbound; /* why no socket is; empty: one is */
        const struct server_certificate **certificates;
        size_t certificate_count;
        VEC(struct attachment) routes;
        const struct policy_target *policy; /* whose sectionName it is; NULL: none */
        struct slice closed; /* why its handshakes are refused, whatever its port's policy; empty:
                                they are not */
        const char *pinning; /* the reason of PinningEnforced; NULL: nobody asked for pins */
        bool pinning_holds;
        struct slice pinning_message;
};

/* The client certificates of one Gateway's port: what design.md calls the unit of trust. */
struct client_work {
        int64_t port;
        const struct frontend_validation *validation; /* NULL: not asked for */
        const struct client_policy *policy;           /* NULL: not asked for and not needed */
        const char *ref_reason; /* of ResolvedRefs=False on its listeners; NULL: all resolved */
        struct slice ref_message;
        const char *refusal; /* of Accepted=False; NULL: accepted */
        struct slice refusal_message;
        struct slice warning; /* of pingate.dev/Warning; empty: none */
        const char *warning_reason;
};

struct gateway_work {
        const struct gateway *api;
        struct object_status *status;
        struct slice name; /* "namespace/name", in the snapshot's arena */
        struct listener_work *listeners;
        struct client_work *clients; /* one for each HTTPS port */
        size_t client_count;
        const struct policy_target *policy; /* that names all of it; NULL: none */
        /* spec.tls.backend.clientCertificateRef */
        bool shows_certificate;
        const struct server_certificate *client_certificate; /* NULL: not usable */
        const char *certificate_reason;                      /* of ResolvedRefs=False */
        struct slice certificate_message;
        struct map own_rules; /* a route's id to its rules here, where they are not all Gateways' */
        bool address_refused, address_unusable;
        bool insecure_mode;
        struct slice address_message;
};

struct route_work { /* of every kind: api->object.kind says which */
        const struct route_object *api;
        struct object_status *status;
        struct route_rule *rules;       /* compiled once, shared by every listener */
        const struct slice *rule_names; /* as the policies' sectionName gives them; may be empty */
        size_t rule_count;
        const char *ref_reason; /* of ResolvedRefs=False */
        struct slice ref_message;
        struct slice unsupported; /* what is wrong with the rules that refuse; empty: nothing */
        bool all_unsupported;
        bool serves;                        /* some Gateway of ours is its parent */
        const struct policy_target *policy; /* that names all of it; NULL: none */
        const struct policy_target *
                *rule_policies; /* by sectionName, one a rule; each may be NULL */
};

struct work {
        const struct translate_request *request;
        const struct objects *objects;
        struct translation *out;
        struct arena *frozen;          /* the snapshot's */
        struct gateway_work *gateways; /* ours, oldest first */
        size_t gateway_count;
        struct policy_work *policies;
        size_t policy_count;
        struct backend_tls_work *tls_policies; /* oldest first */
        size_t tls_policy_count;
        struct map
                backend_tls_index; /* "namespace/service#port" to its struct backend_target_work */
        VEC(struct service_use) service_uses;
        VEC(const struct backend_tls *) backend_tls; /* as the snapshot will have them */
        struct route_work *routes;
        size_t route_count;
        VEC(struct port) ports;
        VEC(struct backend) backends;
        VEC(struct rule_policy) rule_policies;
        struct map backend_index; /* name to index + 1 */
        struct map slice_index;   /* "namespace/service" to its EndpointSlices */
        VEC(const struct server_certificate *) certificates;
        struct map certificate_index; /* Secret's id to its certificate */
        VEC(struct slice) warnings;
        bool lost; /* something refers to a Gateway that is not there */
        /* Sets that are built anew each time: let go when the snapshot holds them. */
        VEC(struct pin_set *) pin_sets;
        VEC(struct ca_set *) ca_sets;
};
