/* What one translation knows of a BackendTLSPolicy and of each of its targets. Made by
 * backend_tls_collect before any backend is; nothing of it outlives translate(). */
#pragma once

#include "control/api/backend_tls_policy.h"
#include "control/translate/status.h"
#include "snapshot/backend_tls.h"

struct backend_tls_work;

enum backend_target_outcome {
        BACKEND_TARGET_MISSING, /* the Service, or a port of that name */
        BACKEND_TARGET_FOREIGN, /* no Service: nothing is said */
        BACKEND_TARGET_CONFLICTED,
        BACKEND_TARGET_ATTACHED,
};

/* One of a policy's targetRefs. */
struct backend_target_work {
        struct backend_tls_work *policy;
        const struct backend_target *api;
        enum backend_target_outcome outcome;
        struct slice service;                     /* "namespace/name", whether it is there or not */
        struct slice why;                         /* of MISSING */
        const struct backend_target_work *holder; /* of CONFLICTED: the older one */
};

struct backend_tls_work {
        const struct backend_tls_policy *api;
        struct object_status *status;
        struct backend_target_work *targets; /* one for each of the API's */
        struct backend_tls *tls;             /* frozen; without a certificate of ours */
        bool used;                           /* tls is in w->backend_tls */
        const char *refusal;                 /* of Accepted=False: nothing goes to its Services */
        struct slice refusal_message;
        const char *ref_reason; /* of ResolvedRefs=False */
        struct slice ref_message;
        struct slice warning;       /* of pingate.dev/Warning; empty: none */
        const char *warning_reason; /* the first's */
};

/* A Service that a backendRef of a route names, whether it is there or not. */
struct service_use {
        const struct route_object *route;
        struct slice service; /* "namespace/name" */
};
