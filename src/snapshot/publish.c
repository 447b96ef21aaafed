#include "snapshot/publish.h"

#include "base/must.h"

void publisher_init(struct publisher *publisher)
{
        must(pthread_mutex_init(&publisher->lock, NULL) == 0);
        atomic_init(&publisher->generation, 0);
        publisher->current = NULL;
}

void publisher_done(struct publisher *publisher)
{
        snapshot_unref(publisher->current);
        publisher->current = NULL;
        pthread_mutex_destroy(&publisher->lock);
}

void publisher_publish(struct publisher *publisher, struct snapshot *snapshot)
{
        pthread_mutex_lock(&publisher->lock);
        struct snapshot *former = publisher->current;
        must(!former || snapshot->generation > former->generation);
        publisher->current = snapshot;
        atomic_store_explicit(&publisher->generation, snapshot->generation, memory_order_release);
        pthread_mutex_unlock(&publisher->lock);
        snapshot_unref(former);
}

bool publisher_adopt(struct publisher *publisher, struct snapshot **held)
{
        struct snapshot *former = *held;
        unsigned long long now = atomic_load_explicit(&publisher->generation, memory_order_acquire);
        if (now == (former ? former->generation : 0))
                return false;
        pthread_mutex_lock(&publisher->lock);
        *held = snapshot_ref(publisher->current);
        pthread_mutex_unlock(&publisher->lock);
        snapshot_unref(former);
        return true;
}
