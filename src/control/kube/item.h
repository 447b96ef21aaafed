/* One object as an API server writes it, cut into what pingate decodes and what it only notes. What
 * managedFields and a former status say, often most of the text, is never parsed, and whether two
 * texts ask for the same is seen by comparing what is left. */
#pragma once

#include "base/buffer.h"
#include "control/api/object.h"

enum {
        /* Bytes of one object. Whoever may write one stops a list and a watch of its kind, so of
         * everybody's, by one that is longer: no API server may have such. It takes requests of 3
         * MiB (etcd, by default, of half of that) and keeps them in protobuf; of what is one byte
         * there, JSON makes up to six. */
        KUBE_ITEM_MAX = 24 << 20
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
