/* What one translation knows of a Gateway, of its listeners and of who may come in by its ports.
 * Each stage writes its own part; nothing of it outlives translate(). */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "control/api/gateway.h"
#include "control/api/listener_set.h"
#include "control/translate/addresses.h"
#include "control/translate/host_claims.h"
#include "control/translate/policy_work.h"
#include "control/translate/services.h"
#include "control/translate/status.h"
#include "snapshot/port.h"

struct gateway_work;
struct route_work;

/* One route on one listener. */
struct attachment {
        const struct route_work *route;
        struct slice *hostnames; /* met with the listener's; in the snapshot's arena */
        size_t hostname_count;
};

struct listener_work {
        const struct gateway_listener *api;
        const struct object *owner; /* that lists it and whose references and namespace hold */
        struct gateway_work *gateway;
        const struct listener_set_work *set; /* NULL: the Gateway's own */
        struct slice name; /* as the data plane says it; in the snapshot's arena */
        struct listener_status *status;
        struct client_work *client; /* of its port; NULL where TLS does not end */
        enum listener_kind kind;
        uint32_t index; /* on its port, among those that are served: the number of scopes */
        bool protocol_known;
        const char *conflict; /* the reason, if it can't be told from another; NULL: it can */
        struct slice conflict_message;
        bool refs_broken;
        bool crowded_out;     /* one port more than may be bound */
        struct slice unbound; /* why no socket is; empty: one is */
        const struct server_certificate **certificates;
        size_t certificate_count;
        VEC(struct attachment) routes;
        const struct route_work *waiting; /* the last that waits for a place; NULL: nobody yet */
        struct host_claims http_claims, other_claims; /* of HTTPRoutes; of all others */
        const struct policy_target *policy;           /* whose sectionName it is; NULL: none */
        struct slice closed; /* why its handshakes are refused, whatever its port's policy; empty:
                                they are not */
        struct slice unintroduced; /* why not even their addresses are known; empty: they are */
        const char *pinning;       /* the reason of PinningEnforced; NULL: nobody asked for pins */
        bool pinning_holds;
        struct slice pinning_message;
};

/* The client certificates of one Gateway's port: what design.md calls the unit of trust. */
struct client_work {
        int64_t port;
        struct listener_work *const *listeners; /* of the port, in by_port; of any kind */
        size_t listener_count;
        const struct frontend_validation *validation; /* NULL: not asked for */
        const struct client_policy *policy;           /* NULL: not asked for and not needed */
        const char *ref_reason; /* of ResolvedRefs=False on its listeners; NULL: all resolved */
        struct slice ref_message;
        const char *refusal; /* of Accepted=False; NULL: accepted */
        struct slice refusal_message;
        struct slice warning; /* of pingate.dev/Warning; empty: none */
        const char *warning_reason;
};

struct listeners_told {    /* what became of so many listeners */
        size_t accepted;   /* that could be served */
        size_t valid;      /* of them, those that have what they need: a certificate */
        size_t programmed; /* of those, those that are */
};

/* A ListenerSet of one of our Gateways, whether or not that lets it in. */
struct listener_set_work {
        const struct listener_set *api;
        struct object_status *status;
        struct gateway_work *gateway;
        struct listener_set_work *next; /* of the same Gateway; younger */
        bool allowed;
        size_t first, count; /* where its listeners stand in the Gateway's; none: not allowed */
        const struct policy_target *policy; /* that names all of it; NULL: none */
        struct listeners_told told;
};

struct gateway_work {
        const struct gateway *api;
        struct object_status *status;
        struct slice name;               /* "namespace/name", in the snapshot's arena */
        struct listener_work *listeners; /* its own, then those of its ListenerSets by age */
        size_t listener_count, own_count;
        struct listener_work **by_port;                /* the same: by port, then as listed */
        struct listener_set_work *sets, *youngest_set; /* NULL: none names it */
        struct client_work *clients;                   /* one for each port where TLS ends */
        size_t client_count;
        const struct policy_target *policy; /* that names all of it; NULL: none */
        /* spec.tls.backend.clientCertificateRef */
        bool shows_certificate;
        const struct server_certificate *client_certificate; /* NULL: not usable */
        const char *certificate_reason;                      /* of ResolvedRefs=False */
        struct slice certificate_message;
        struct map own_rules; /* a route's id to its rules here, where they are not all Gateways' */
        bool class_refused, insecure_mode;
        bool address_refused;              /* an address of a type that is not known */
        const struct ip_address *assigned; /* of the pool, without its spec's naming it; or NULL */
        struct bind_address *addresses;    /* of one that is refused: what is kept for it */
        size_t address_count;
        const struct service *service;             /* of Service mode; NULL: there is none yet */
        struct wanted_service *wanted;             /* NULL: none */
        LIST(struct wanted_service_port) allotted; /* that its Service says are its own */
        LIST(struct slice) told;                   /* addresses that a load balancer gave it */
        const char *address_reason; /* of Programmed=False; NULL: each address is as it should be */
        struct slice address_message;
};
