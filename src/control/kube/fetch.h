/* Asks for Secrets and ConfigMaps by themselves that came to be wanted after their kind was listed:
 * the watch says nothing of what does not change. Until each is answered it is not known what there
 * is; what can't be had is asked for again, by itself or, where it is much, by a list. */
#pragma once

#include <uv.h>

#include "control/kube/client.h"
#include "control/kube/store.h"

struct kube_fetch;

struct kube_fetch_hooks {
        void (*on_fetched)(void *self);                       /* all are answered */
        void (*on_fault)(struct slice text, void *self);      /* empty: it is well again */
        void (*on_relist)(enum object_kind kind, void *self); /* too many to ask for each */
};

struct kube_fetch *kube_fetch_new(uv_loop_t *loop, struct kube_client *client,
                                  struct kube_store *store, void *self,
                                  const struct kube_fetch_hooks *hooks);
/* Memory returns in the loop's close callbacks. NULL is fine. */
void kube_fetch_close(struct kube_fetch *fetch);
/* Asks for all that the store does not know (kube_store_unknown); how many that are. */
size_t kube_fetch_unknown(struct kube_fetch *fetch);
