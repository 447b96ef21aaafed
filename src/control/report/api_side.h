/* What each of those has that write to an API server: where it is asked, what is held of it, and
 * whether this replica is the one that writes. What it points to outlives them. */
#pragma once

#include <uv.h>

#include "control/kube/client.h"
#include "control/kube/store.h"
#include "event/emit.h"

struct lease;

struct api_side {
        uv_loop_t *loop;
        struct kube_client *client;
        const struct kube_store *store;
        struct lease *lease;     /* NULL: this one leads, and there is no other */
        struct event_sink *sink; /* NULL: says nothing */
};

bool api_side_leads(const struct api_side *side);
