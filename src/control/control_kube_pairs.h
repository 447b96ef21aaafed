/* The key pairs of the first generation, decoded one by one as their Secrets come, whenever the
 * loop has nothing else to do: while lists are on their way it has. On the control thread. */
#pragma once

#include <uv.h>

#include "control/kube/store.h"
#include "control/translate/translate.h"

struct kube_pairs;

/* Of those that a translation missed. */
struct kube_pairs *kube_pairs_open(uv_loop_t *loop, const struct kube_store *store,
                                   const struct translation *translation);
/* Memory returns in the loop's close callback; the cache at once. NULL is fine. */
void kube_pairs_close(struct kube_pairs *pairs);

/* A Secret came, or came anew. NULL is fine. */
void kube_pairs_heard(struct kube_pairs *pairs, struct slice namespace, struct slice name);
/* What is decoded so far. NULL for NULL. */
const struct set_cache *kube_pairs_cache(const struct kube_pairs *pairs);
