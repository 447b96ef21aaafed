/* Where the current generation is handed from the control thread to the workers: one pointer. */
#pragma once

#include <pthread.h>

#include "snapshot/snapshot.h"

struct publisher {
        pthread_mutex_t lock; /* held for a reference count's length, once a generation a worker */
        atomic_ullong generation; /* of `current`: a worker looks here first, without the lock */
        struct snapshot *current;
};

void publisher_init(struct publisher *publisher);
void publisher_done(struct publisher *publisher);
/* Control thread. Takes over the caller's reference. */
void publisher_publish(struct publisher *publisher, struct snapshot *snapshot);
/* A worker, once a loop turn: when there is a newer generation than *held, lets *held go and holds
 * the new one. True when it changed. *held may be NULL. */
bool publisher_adopt(struct publisher *publisher, struct snapshot **held);
