/* What translate's stages share while one translation runs: each stage reads what former ones
 * decided and writes its own part. Nothing here outlives translate(). */
#pragma once

#include "base/buffer.h"
#include "base/map.h"
#include "base/vec.h"
#include "control/api/core.h"
#include "control/api/policy.h"
#include "control/api/route.h"
#include "control/translate/backend_tls.h"
#include "control/translate/gateway_work.h"
#include "control/translate/policy_work.h"
#include "control/translate/translate.h"

struct listener_link {
        struct listener_work *listener;
        const struct listener_link *next;
};

struct parent_place { /* a Gateway's own listeners, or those of one ListenerSet of it */
        struct gateway_work *gateway; /* NULL: none of ours */
        size_t first, count;
};

struct route_work { /* of every kind: api->object.kind says which */
        const struct route_object *api;
        struct object_status *status;
        struct route_rule *rules;    /* compiled once, shared by every listener */
        struct slice *rule_names;    /* as the policies' sectionName gives them; may be empty */
        size_t rule_count;           /* 0 of what routes connections: see stream */
        struct stream_route *stream; /* of a TLSRoute or TCPRoute; else NULL */
        const struct parent_place *places;     /* of each parentRef */
        const struct listener_link *listeners; /* that it is attached to, the last first */
        const struct route_work *rival;        /* who holds a listener's place; NULL: nobody */
        const char *ref_reason;                /* of ResolvedRefs=False */
        struct slice ref_message;
        struct slice unsupported; /* what is wrong with the rules that refuse; empty: nothing */
        bool all_unsupported;
        bool serves;                        /* some Gateway of ours is its parent */
        const struct policy_target *policy; /* that names all of it; NULL: none */
        const struct policy_target *
                *rule_policies; /* by sectionName, one a rule; each may be NULL */
};

/* The parent asked for last. Routes that stand together mostly name the same one. Places do not
 * move once the first route is attached, and none outlives the translation. */
struct parent_memo {
        const struct parent_ref *ref; /* NULL: none yet */
        struct slice namespace;       /* that was looked in */
        struct parent_place place;
};

struct work {
        const struct translate_request *request;
        const struct objects *objects;
        struct translation *out;
        struct arena *frozen;          /* the snapshot's */
        struct gateway_work *gateways; /* ours, oldest first */
        size_t gateway_count;
        struct listener_set_work *listener_sets; /* of ours, oldest first */
        size_t listener_set_count;
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
        size_t routes_indexed; /* so many are in `works` */
        VEC(struct port) ports;
        VEC(struct backend) backends;
        VEC(struct rule_policy) rule_policies;
        struct parent_memo last_parent;
        /* An object's id to its gateway_work or listener_set_work; to its route_work once a policy
         * asks for one. */
        struct map works;
        struct map backend_index;  /* protocol and name to index + 1 */
        struct map resolved_index; /* the same by what backendRefs say: backends.c */
        struct buffer ref_key;     /* of the one that is asked for */
        struct map table_index;    /* digest of what it is made of to its route_table */
        struct buffer table_key;
        struct map slice_index;               /* "namespace/service" to its EndpointSlices */
        struct map grant_index, grants_asked; /* refs.c */
        VEC(const struct server_certificate *) certificates;
        struct map certificate_index; /* Secret's id to its certificate */
        VEC(struct slice) warnings, troubles;
        VEC(struct wanted_object) wanted, missing_pairs;
        struct map wanted_index; /* by id, for each of them */
        bool lost;               /* something refers to a Gateway that is not there */
        bool broken;             /* something does not decode, and only a warning says so */
        /* Sets that are built anew each time: let go when the snapshot holds them. */
        VEC(struct pin_set *) pin_sets;
        VEC(struct ca_set *) ca_sets;
};
