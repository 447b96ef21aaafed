/* What the cluster's Gateway CRD can carry: which release of Gateway API it is of, and whether it
 * has certificatePinning or drops it unseen. Asked for at the start and each minute, on the control
 * thread's loop; nothing waits for the answer. Not known: nothing is said of it. */
#pragma once

#include <uv.h>

#include "control/kube/client.h"
#include "event/emit.h"

#define GATEWAY_API_SUPPORTED "v1.6." /* what a bundle's version begins with */

struct gateway_crd_facts {
        bool known;
        char version[32]; /* "v1.6.1"; empty: its annotation is missing */
        bool supported;
        bool prunes_pins;
};

/* Of the CustomResourceDefinition as JSON. */
bool gateway_crd_read(struct slice json, struct gateway_crd_facts *out, struct error *err);

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
