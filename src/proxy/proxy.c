#include "proxy/proxy.h"

#include <signal.h>
#include <stdlib.h>

#include "base/memory.h"
#include "proxy/worker.h"

struct proxy {
        struct proxy_options options;
        struct listener_set *listeners;
        struct address_counts *addresses; /* NULL: not limited */
        struct worker **workers;
        size_t running;
        bool draining;
};

struct proxy *proxy_new(const struct proxy_options *options)
{
        struct proxy *proxy = NEW(struct proxy);
        proxy->options = *options;
        proxy->listeners = listener_set_new(options->workers);
        const struct limits *limits = options->limits;
        proxy->addresses = address_counts_new(limits->connections_per_address,
                                              options->workers * limits->connections);
        proxy->workers = memory_new(options->workers * sizeof(struct worker *));
        return proxy;
}

void proxy_prepare(struct proxy *proxy, const struct snapshot *snapshot)
{
        if (!proxy->draining) /* nobody would accept from new sockets */
                listener_set_prepare(proxy->listeners, snapshot);
}

bool proxy_retry(struct proxy *proxy, const struct snapshot *snapshot)
{
        if (proxy->draining || !listener_set_retry(proxy->listeners, snapshot))
                return false;
        proxy_wake(proxy);
        return true;
}

struct listener_faults proxy_faults(const struct proxy *proxy)
{
        return listener_set_faults(proxy->listeners);
}

bool proxy_start(struct proxy *proxy, struct error *err)
{
        signal(SIGPIPE, SIG_IGN); /* libssl writes with write(2) */
        for (size_t i = 0; i < proxy->options.workers; i++) {
                struct worker_options options = {
                        .index = i,
                        .limits = proxy->options.limits,
                        .publisher = proxy->options.publisher,
                        .hub = proxy->options.hub,
                        .listeners = proxy->listeners,
                        .addresses = proxy->addresses,
                        .strict_audit = proxy->options.strict_audit,
                        .local_names = proxy->options.local_names,
                };
                proxy->workers[i] = worker_start(&options, err);
                if (!proxy->workers[i]) {
                        proxy_stop(proxy);
                        proxy_join(proxy);
                        return false;
                }
                proxy->running++;
        }
        return true;
}

void proxy_wake(struct proxy *proxy)
{
        for (size_t i = 0; i < proxy->running; i++)
                worker_wake(proxy->workers[i]);
}

size_t proxy_serving(const struct proxy *proxy, uint64_t generation)
{
        size_t serving = 0;
        for (size_t i = 0; i < proxy->options.workers; i++) {
                const struct worker_counters *counters = event_hub_counters(proxy->options.hub, i);
                serving += counter_get(&counters->generation) >= generation;
        }
        return serving;
}

static void give_order(struct proxy *proxy, enum worker_order order)
{
        proxy->draining = true;
        for (size_t i = 0; i < proxy->running; i++)
                worker_give_order(proxy->workers[i], order);
}

void proxy_drain(struct proxy *proxy)
{
        give_order(proxy, ORDER_DRAIN);
}

void proxy_stop(struct proxy *proxy)
{
        give_order(proxy, ORDER_STOP);
}

void proxy_join(struct proxy *proxy)
{
        for (size_t i = 0; i < proxy->running; i++) {
                worker_join(proxy->workers[i]);
                proxy->workers[i] = NULL;
        }
        proxy->running = 0;
}

void proxy_free(struct proxy *proxy)
{
        if (!proxy)
                return;
        listener_set_free(proxy->listeners);
        address_counts_free(proxy->addresses);
        free(proxy->workers);
        free(proxy);
}
