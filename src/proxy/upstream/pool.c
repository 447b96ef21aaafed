#include "proxy/upstream/pool.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/must.h"
#include "proxy/upstream/socket.h"

struct upstream_options upstream_options_default(void)
{
        return (struct upstream_options){
                .connect_ms_max = 5000,
                .idle_ms_max = 60000,
                .dns_ttl_ms = 10000,
                .idle_max = 1024,
                .idle_endpoint_max = 128,
        };
}

uint64_t random_next(uint64_t *state)
{
        uint64_t z = *state += 0x9e3779b97f4a7c15U;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31);
}

/* ---- the pool ---- */

static void lease_resolved(struct dns_wait *wait);

struct upstream_pool *upstream_pool_open(const struct upstream_options *options)
{
        struct upstream_pool *pool = NEW(struct upstream_pool);
        pool->options = *options;
        task_queue_init(&pool->tasks, options->loop);
        pool->open_handles = 2;
        pool->dns = dns_open(&pool->options, lease_resolved);
        return pool;
}

struct task_queue *upstream_pool_tasks(struct upstream_pool *pool)
{
        return &pool->tasks;
}

void pool_handle_closed(struct upstream_pool *pool)
{
        must(pool->open_handles > 0);
        if (--pool->open_handles > 0)
                return;
        on_pool_closed_fn on_closed = pool->on_closed;
        void *self = pool->self;
        map_done(&pool->targets);
        free(pool);
        on_closed(self);
}

static void on_queue_closed(uv_handle_t *handle)
{
        struct task_queue *queue = handle->data;
        pool_handle_closed(CONTAINER_OF(queue, struct upstream_pool, tasks));
}

void upstream_pool_close(struct upstream_pool *pool, on_pool_closed_fn on_closed, void *self)
{
        struct map_slot *slot;
        pool->on_closed = on_closed;
        pool->self = self;
        for (size_t at = 0; map_next(&pool->targets, &at, &slot);) {
                struct upstream_target *target = slot->value;
                must(target->leased == 0);
                while (target->idle)
                        socket_close(target->idle);
        }
        dns_close(pool->dns);
        pool->dns = NULL;
        task_queue_close(&pool->tasks, on_queue_closed);
}

/* ---- choosing ---- */

static size_t load_of(const struct upstream_lease *lease, size_t index)
{
        const struct endpoint *endpoint = &lease->backend->endpoints[index];
        struct upstream_target *target =
                target_find(lease->pool, lease->backend, &endpoint->address);
        return target ? target->leased : 0;
}

/* Two draws, the less busy one wins; a second try never draws what failed, if there is other. */
static size_t endpoint_choose(const struct upstream_lease *lease)
{
        size_t count = lease->backend->endpoint_count;
        uint64_t *random = lease->pool->options.random_state;
        must(count > 0); /* the gate has let nothing else through */
        if (count == 1)
                return 0;
        if (lease->attempt > 0) {
                size_t step = 1 + (size_t)(random_next(random) % (count - 1));
                return (lease->tried + step) % count;
        }
        size_t a = (size_t)(random_next(random) % count);
        size_t b = (size_t)(random_next(random) % count);
        return load_of(lease, b) < load_of(lease, a) ? b : a;
}

static void address_take(struct upstream_lease *lease, const struct sockaddr_storage *addresses,
                         size_t count)
{
        uint64_t first = lease->attempt > 0 ? 1 : random_next(lease->pool->options.random_state);
        lease->address = addresses[first % count];
        in_port_t port = htons(lease->endpoint->port);
        if (lease->address.ss_family == AF_INET6)
                ((struct sockaddr_in6 *)(void *)&lease->address)->sin6_port = port;
        else
                ((struct sockaddr_in *)(void *)&lease->address)->sin_port = port;
}

/* ---- a lease's way ---- */

static void lease_fail(struct upstream_lease *lease, enum upstream_failure failure)
{
        const struct upstream_callbacks *callbacks = lease->callbacks;
        void *self = lease->self;
        *lease = (struct upstream_lease){.tls_reason = lease->tls_reason};
        callbacks->on_failed(failure, self);
}

static void on_fail_task(struct task *task)
{
        struct upstream_lease *lease = CONTAINER_OF(task, struct upstream_lease, task);
        lease_fail(lease, lease->failure);
}

static void on_ready_task(struct task *task)
{
        struct upstream_lease *lease = CONTAINER_OF(task, struct upstream_lease, task);
        lease->callbacks->on_ready(lease->self);
}

static void fail_later(struct upstream_lease *lease, enum upstream_failure failure)
{
        lease->failure = failure;
        task_queue_put(&lease->pool->tasks, &lease->task, on_fail_task);
}

static void lease_try(struct upstream_lease *lease);

/* One more try, where there is somewhere else to go. */
static void try_other(struct upstream_lease *lease, enum upstream_failure failure)
{
        bool elsewhere = lease->backend->endpoint_count > 1 ||
                         lease->backend->endpoints[0].address.ss_family == AF_UNSPEC;
        lease->socket = NULL;
        counter_add(&lease->pool->options.counters->upstream_errors, 1);
        if (lease->attempt > 0 || !elsewhere) {
                fail_later(lease, failure);
                return;
        }
        lease->attempt++;
        lease_try(lease);
}

static void lease_connect(struct upstream_lease *lease)
{
        struct worker_counters *counters = lease->pool->options.counters;
        lease->socket = lease->fresh ? NULL : socket_reuse(lease);
        lease->reused = lease->socket != NULL;
        if (lease->reused) {
                counter_add(&counters->upstream_reuses, 1);
                task_queue_put(&lease->pool->tasks, &lease->task, on_ready_task);
                return;
        }
        lease->socket = socket_connect(lease);
        if (!lease->socket)
                try_other(lease, UPSTREAM_CONNECT_FAILED);
}

static void lease_resolve(struct upstream_lease *lease)
{
        const struct sockaddr_storage *addresses;
        size_t count;
        if (!dns_find(lease->pool->dns, lease->endpoint->dns_name, &lease->wait, &addresses,
                      &count))
                return;
        if (count == 0) {
                fail_later(lease, UPSTREAM_NO_ADDRESS);
                return;
        }
        address_take(lease, addresses, count);
        lease_connect(lease);
}

static void lease_resolved(struct dns_wait *wait)
{
        lease_resolve(CONTAINER_OF(wait, struct upstream_lease, wait));
}

static void lease_try(struct upstream_lease *lease)
{
        lease->tried = endpoint_choose(lease);
        lease->endpoint = &lease->backend->endpoints[lease->tried];
        if (lease->endpoint->address.ss_family == AF_UNSPEC) {
                lease_resolve(lease);
                return;
        }
        lease->address = lease->endpoint->address;
        lease_connect(lease);
}

void lease_connected(struct upstream_lease *lease)
{
        counter_add(&lease->pool->options.counters->upstream_connects, 1);
        lease->callbacks->on_ready(lease->self);
}

void lease_connect_failed(struct upstream_lease *lease, enum upstream_failure failure)
{
        try_other(lease, failure);
}

void lease_tls_failed(struct upstream_lease *lease, enum reason reason)
{
        counter_add(&lease->pool->options.counters->backend_tls_refused[reason], 1);
        lease->tls_reason = reason;
        if (reason == REASON_PORT_NOT_USABLE)
                fail_later(lease, UPSTREAM_TLS_FAILED);
        else
                try_other(lease, UPSTREAM_TLS_FAILED);
}

/* Nobody can be whom the policy asks for: not even asked, and never in the clear. */
static bool tls_is_closed(const struct backend *backend)
{
        struct slice why;
        return backend->tls && client_policy_is_closed(backend->tls->peer, &why);
}

static void lease_start(struct upstream_lease *lease, struct upstream_lease wanted)
{
        must(lease->pool == NULL && wanted.pool->on_closed == NULL);
        *lease = wanted;
        if (lease->backend->endpoint_count == 0)
                fail_later(lease, UPSTREAM_NO_ENDPOINT);
        else if (tls_is_closed(lease->backend))
                lease_tls_failed(lease, REASON_PORT_NOT_USABLE);
        else
                lease_try(lease);
}

void upstream_lease(struct upstream_lease *lease, struct upstream_pool *pool,
                    const struct backend *backend, const struct upstream_callbacks *callbacks,
                    void *self)
{
        lease_start(lease, (struct upstream_lease){.pool = pool,
                                                   .backend = backend,
                                                   .callbacks = callbacks,
                                                   .self = self});
}

void upstream_lease_fresh(struct upstream_lease *lease, struct upstream_pool *pool,
                          const struct backend *backend, const struct upstream_callbacks *callbacks,
                          void *self)
{
        lease_start(lease, (struct upstream_lease){.pool = pool,
                                                   .backend = backend,
                                                   .fresh = true,
                                                   .callbacks = callbacks,
                                                   .self = self});
}

bool upstream_leased(const struct upstream_lease *lease)
{
        return lease->pool != NULL;
}

void upstream_release(struct upstream_lease *lease, bool reusable)
{
        if (!lease->pool)
                return;
        task_cancel(&lease->pool->tasks, &lease->task);
        dns_wait_cancel(&lease->wait);
        if (lease->socket && reusable)
                socket_keep(lease->socket);
        else if (lease->socket)
                socket_close(lease->socket);
        *lease = (struct upstream_lease){0};
}

/* ---- bytes ---- */

ssize_t upstream_send(struct upstream_lease *lease, struct slice bytes)
{
        return socket_send(lease->socket, bytes);
}

ssize_t upstream_receive(struct upstream_lease *lease, char *into, size_t room)
{
        return socket_receive(lease->socket, into, room);
}
