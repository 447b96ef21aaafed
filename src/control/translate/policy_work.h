/* What one translation knows of a ClientCertificatePolicy and of each of its targets. Made by
 * policies_collect and policies_attach; nothing of it outlives translate(). */
#pragma once

#include "control/api/policy.h"
#include "control/translate/status.h"
#include "trust/pin_set.h"

struct gateway_work;
struct listener_set_work;
struct route_work;
struct policy_work;

enum target_outcome {
        TARGET_MISSING, /* it, or its section */
        TARGET_FOREIGN, /* a Gateway of another class: nothing is said */
        TARGET_CONFLICTED,
        TARGET_ATTACHED,
};

#define WHOLE_TARGET SIZE_MAX

/* One of a policy's targetRefs. */
struct policy_target {
        const struct policy_work *policy;
        const struct target_ref *api;
        enum target_outcome outcome;
        struct gateway_work *gateway;       /* of a Gateway or ListenerSet; else NULL */
        struct listener_set_work *set;      /* of a ListenerSet; else NULL */
        struct route_work *route;           /* of an HTTPRoute or GRPCRoute; else NULL */
        size_t section;                     /* index of the listener or rule, or WHOLE_TARGET */
        const struct policy_target *holder; /* of CONFLICTED: the older one */
        /* What it asks for and can't have here; empty: nothing. Its pins hold all the same: that
         * only narrows. */
        struct slice invalid;
};

struct policy_work {
        const struct client_certificate_policy *api;
        struct object_status *status;
        struct policy_target *targets; /* one for each of the API's */
        struct pin_set **sets; /* one for each source; the cache or w->pin_sets holds them */
        struct slice *set_sources;
        struct pin_set *deny; /* NULL: nobody is denied */
        size_t set_count, pin_count, fault_count;
        size_t expired_count;   /* of the pins, those whose window is over */
        bool deny_broken;       /* an entry of deny can't be kept: its scopes admit nobody */
        const char *ref_reason; /* NULL: all resolved and usable */
        struct slice ref_message;
};
