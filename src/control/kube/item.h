/* One object as an API server writes it, cut into what pingate decodes and what it only notes. What
 * managedFields and a former status say, often most of the text, is never parsed, and whether two
 * texts ask for the same is seen by comparing what is left. */
#pragma once

#include "base/buffer.h"
#include "control/api/object.h"

enum {
        KUBE_ITEM_MAX = 8 << 20 /* bytes of one object; etcd has 1.5 MiB by default */
};

struct kube_item { /* views into the text */
        struct slice namespace, name, uid, resource_version;
        struct slice status, finalizers; /* as JSON; empty: none */
        bool deleting;
};

/* `rest` becomes the object without apiVersion and kind, metadata.resourceVersion,
 * metadata.managedFields and status; of that only the member `kept` stays (NULL: none). False: it
 * is no object, or has no name. */
bool kube_item_cut(struct slice text, const char *kept, struct kube_item *out, struct buffer *rest,
                   struct error *err);
