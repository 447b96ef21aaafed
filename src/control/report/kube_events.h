/* Kubernetes Events (events.k8s.io/v1), for what an operator should see at an object. One for each
 * object, reason and text, again after an hour if it is still so; no more than KUBE_EVENTS_BURST at
 * once and one a second, the others wait. Their names follow from what they say, so that replicas
 * that lead one after the other do not say it twice. One that the API server does not take is tried
 * once more and then dropped: the log has said it all. On the control thread's loop. */
#pragma once

#include <uv.h>

#include "control/kube/client.h"
#include "event/emit.h"

enum {
        KUBE_EVENTS_BURST = 25,
        KUBE_EVENTS_WAITING_MAX = 256,
        KUBE_EVENTS_KNOWN_MAX = 4096,
};

struct kube_event { /* a warning */
        struct slice api_version, kind, namespace, name,
                uid;        /* whom it regards; uid may be empty */
        const char *reason; /* "NoUsablePin" */
        const char *action; /* what pingate was at: "Translate" */
        struct slice text;
};

struct kube_events;

struct kube_events_options { /* what it points to outlives it */
        uv_loop_t *loop;
        struct kube_client *client;
        struct slice identity;   /* our own name; copied */
        struct event_sink *sink; /* NULL: says nothing */
};

struct kube_events *kube_events_open(const struct kube_events_options *options);
/* The caller leads. What was said within the hour is not said again. */
void kube_events_say(struct kube_events *events, const struct kube_event *event);
void kube_events_close(struct kube_events *events); /* NULL is fine */
