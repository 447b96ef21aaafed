#include "proxy/upstream/pool.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/must.h"
#include "proxy/upstream/shared.h"

struct upstream_options upstream_options_default(void)
{
        return (struct upstream_options){
                .connect_ms_max = 5000,
                .idle_ms_max = 60000,
                .dns_ttl_ms = 10000,
                .idle_max = 1024,
                .idle_endpoint_max = 128,
                .connections_max = 65536,
                .endpoint_connections_max = 65536,
                .failures_max = 5,
                .eject_ms = 10000,
                .eject_ms_max = 300000,
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
        balance_init(&pool->balance, &pool->options);
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
        while (pool->shared)
                shared_end(pool->shared);
        for (size_t at = 0; map_next(&pool->targets, &at, &slot);) {
                struct upstream_target *target = slot->value;
                must(target->leased == 0);
                while (target->idle)
                        socket_close(target->idle);
        }
        dns_close(pool->dns);
        balance_done(&pool->balance);
        pool->dns = NULL;
        task_queue_close(&pool->tasks, on_queue_closed);
}

/* ---- choosing ---- */

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

/* It is under way there no more. */
static void record_leave(struct upstream_lease *lease)
{
        balance_end(lease->record);
        lease->record = NULL;
}

static void lease_fail(struct upstream_lease *lease, enum upstream_failure failure)
{
        const struct upstream_callbacks *callbacks = lease->callbacks;
        void *self = lease->self;
        record_leave(lease);
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

void lease_elsewhere(struct upstream_lease *lease, enum upstream_failure failure)
{
        bool elsewhere = lease->backend->endpoint_count > 1 ||
                         lease->backend->endpoints[0].address.ss_family == AF_UNSPEC;
        lease->socket = NULL;
        record_leave(lease);
        if (lease->attempt > 0 || !elsewhere) {
                fail_later(lease, failure);
                return;
        }
        lease->attempt++;
        lease->avoid = lease->endpoint;
        lease_try(lease);
}

static void try_other(struct upstream_lease *lease, enum upstream_failure failure)
{
        counter_add(&lease->pool->options.counters->upstream_errors, 1);
        balance_tell(lease->record, lease->backend, false);
        lease_elsewhere(lease, failure);
}

void lease_ready_later(struct upstream_lease *lease)
{
        task_queue_put(&lease->pool->tasks, &lease->task, on_ready_task);
}

void lease_connect_to(struct upstream_lease *lease, const struct upstream_lease *member,
                      const struct upstream_callbacks *callbacks, void *self)
{
        *lease = (struct upstream_lease){
                .pool = member->pool,
                .backend = member->backend,
                .endpoint = member->endpoint,
                .address = member->address,
                .attempt = 1,
                .callbacks = callbacks,
                .self = self,
        };
        lease->socket = socket_connect(lease);
        if (!lease->socket)
                try_other(lease, UPSTREAM_CONNECT_FAILED);
}

bool lease_is_over_limit(const struct upstream_lease *lease)
{
        const struct upstream_options *options = &lease->pool->options;
        const struct upstream_target *target =
                target_find(lease->pool, lease->backend, &lease->address);
        if (lease->pool->leased_count < options->connections_max &&
            (!target || target->leased < options->endpoint_connections_max))
                return false;
        counter_add(&options->counters->limit_refusals, 1);
        return true;
}

static void lease_connect(struct upstream_lease *lease)
{
        struct worker_counters *counters = lease->pool->options.counters;
        lease->shares = lease->backend->protocol == BACKEND_HTTP2;
        if (lease->shares) {
                shared_join(lease);
                return;
        }
        if (lease_is_over_limit(lease)) {
                lease_elsewhere(lease, UPSTREAM_OVER_LIMIT);
                return;
        }
        lease->socket = lease->fresh ? NULL : socket_reuse(lease);
        lease->reused = lease->socket != NULL;
        if (lease->reused) {
                counter_add(&counters->upstream_reuses, 1);
                lease_ready_later(lease);
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
        struct balance *balance = &lease->pool->balance;
        size_t index = balance_choose(balance, lease->backend, lease->avoid);
        lease->endpoint = &lease->backend->endpoints[index];
        lease->record = balance_begin(balance, lease->backend, lease->endpoint);
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
        if (lease->backend->protocol == BACKEND_TCP) /* of its bytes we know nothing */
                balance_tell(lease->record, lease->backend, true);
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
                                                   .fresh = lease->fresh,
                                                   .avoid = lease->avoid,
                                                   .callbacks = callbacks,
                                                   .self = self});
}

void upstream_tell(const struct upstream_lease *lease, bool well)
{
        balance_tell(lease->record, lease->backend, well);
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
        if (lease->shared)
                shared_leave(lease);
        else if (lease->socket && reusable)
                socket_keep(lease->socket);
        else if (lease->socket)
                socket_close(lease->socket);
        record_leave(lease);
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
