/* What the cluster's CRDs can carry: which release of Gateway API the Gateway CRD is of, whether it
 * has certificatePinning or drops it unseen, and whether the HTTPRoute CRD has `retry`. Asked for
 * at the start and each minute, on the control thread's loop; nothing waits for the answer. Not
 * known: nothing is said of it. */
#pragma once

#include <uv.h>

#include "control/kube/client.h"
#include "event/emit.h"

#define GATEWAY_API_SUPPORTED "v1.6." /* what a bundle's version begins with */

struct gateway_crd_facts {
        bool known;       /* the Gateway CRD: */
        char version[32]; /* "v1.6.1"; empty: its annotation is missing */
        bool supported;
        bool prunes_pins;
        bool keeps_retry; /* the HTTPRoute CRD, once that is known */
};

/* Of the CustomResourceDefinition as JSON; what another says stays in `facts`, and all of it where
 * this one can't be read. */
bool gateway_crd_read(struct slice json, struct gateway_crd_facts *facts, struct error *err);
bool route_crd_read(struct slice json, struct gateway_crd_facts *facts, struct error *err);

struct gateway_crd;

struct gateway_crd_options { /* what it points to outlives it */
        uv_loop_t *loop;
        struct kube_client *client;
        struct event_sink *sink;
        void *self;
        void (*on_change)(void *self); /* of the facts */
};

struct gateway_crd *gateway_crd_open(const struct gateway_crd_options *options);
/* The last that were read: an API server that is away takes nothing back. */
struct gateway_crd_facts gateway_crd_facts(const struct gateway_crd *crd);
void gateway_crd_close(struct gateway_crd *crd); /* NULL is fine */
