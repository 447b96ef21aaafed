/* Whether ClientCertificatePolicies are deleted because their CRD is. An API server that deletes a
 * CRD deletes its objects first, one by one, as anybody may; whoever took that at its word would
 * let in every client of the CA. So a policy that is gone is believed only once the CRD is seen to
 * stay, and while it goes, or is away, the last generation serves on (I42). */
#pragma once

#include <uv.h>

#include "control/control_kube_log.h"
#include "control/kube/client.h"
#include "event/emit.h"

struct kube_crd;

struct kube_crd_options { /* what it points to outlives it */
        uv_loop_t *loop;
        struct kube_client *client;
        struct kube_log *log;
        struct event_sink *sink;
        void (*on_known)(void *self); /* nothing is held any more */
        void *self;
};

struct kube_crd *kube_crd_open(const struct kube_crd_options *options);
/* A policy is gone. */
void kube_crd_ask(struct kube_crd *crd);
/* It is not known, or known to go: nothing may be published. */
bool kube_crd_holds(const struct kube_crd *crd);
/* Memory returns in the loop's close callbacks. */
void kube_crd_close(struct kube_crd *crd);
