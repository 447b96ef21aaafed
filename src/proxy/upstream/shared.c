#include "proxy/upstream/shared.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/must.h"
#include "proxy/upstream/stream.h"

enum {
        OUT_BYTES_MAX = 256 * 1024,
        OUT_BYTES_WANTED = 64 * 1024, /* frames are gathered up to here while the backend is slow */
        READS_A_TURN = 8,
        READ_BYTES = 16 * 1024,
        SILENCE_MS_MAX = 10 * 1000, /* then the next request brings a PING along */
        PONG_MS_MAX = 5 * 1000,
        FIRST_MEMBERS_MAX = 100, /* RFC 9113, 6.5.2: what a backend should take at least */
        FRESH_MS = 1000, /* made so recently, it is no other than the one that would be made now */
};

/* ---- members ---- */

static void member_add(struct upstream_shared *shared, struct upstream_lease *lease)
{
        lease->shared = shared;
        lease->member_next = shared->members;
        lease->member_link = &shared->members;
        if (lease->member_next)
                lease->member_next->member_link = &lease->member_next;
        shared->members = lease;
        shared->member_count++;
        shared->idle_calls++;
        if (shared->target)
                shared->target->requests++;
}

static void member_remove(struct upstream_lease *lease)
{
        struct upstream_shared *shared = lease->shared;
        must(shared);
        *lease->member_link = lease->member_next;
        if (lease->member_next)
                lease->member_next->member_link = lease->member_link;
        shared->member_count--;
        if (!lease->call_begun)
                shared->idle_calls--;
        lease->shared = NULL;
        if (!shared->target)
                return;
        shared->target->requests--;
        target_drop_unused(shared->pool, shared->target);
}

/* ---- its life ---- */

static void list_in(struct upstream_shared *shared, struct upstream_target *target)
{
        shared->target = target;
        shared->next = target->shared;
        shared->link = &target->shared;
        if (shared->next)
                shared->next->link = &shared->next;
        target->shared = shared;
}

static void list_all_out(struct upstream_shared *shared)
{
        *shared->all_link = shared->all_next;
        if (shared->all_next)
                shared->all_next->all_link = shared->all_link;
}

/* No more members join. */
static void list_out(struct upstream_shared *shared)
{
        if (!shared->link)
                return;
        *shared->link = shared->next;
        if (shared->next)
                shared->next->link = shared->link;
        shared->link = NULL;
}

static bool flush(struct upstream_shared *shared);

void shared_end(struct upstream_shared *shared)
{
        list_out(shared);
        list_all_out(shared);
        if (shared->client) {
                h2_client_goaway(shared->client);
                flush(shared); /* a word of farewell, if there is room for it */
        }
        h2_client_free(shared->client);
        while (shared->members)
                member_remove(shared->members);
        deadline_clear(&shared->deadline);
        task_cancel(&shared->pool->tasks, &shared->task);
        upstream_release(&shared->lease, false);
        buffer_done(&shared->out);
        free(shared);
}

static void on_idle_expired(struct deadline *deadline)
{
        shared_end(CONTAINER_OF(deadline, struct upstream_shared, deadline));
}

static void on_no_pong(struct deadline *deadline)
{
        shared_end(CONTAINER_OF(deadline, struct upstream_shared, deadline));
}

static void watch_time(struct upstream_shared *shared)
{
        const struct upstream_options *options = &shared->pool->options;
        if (shared->pinged) /* runs since the PING went */
                return;
        if (shared->member_count > 0)
                deadline_clear(&shared->deadline);
        else if (!deadline_is_set(&shared->deadline))
                deadline_set(options->wheel, &shared->deadline,
                             *options->now_ms + options->idle_ms_max, on_idle_expired);
}

/* ---- bytes ---- */

/* False: it broke. */
static bool out_send(struct upstream_shared *shared)
{
        while (shared->out.len > 0) {
                ssize_t n = socket_send(shared->lease.socket, buffer_slice(&shared->out));
                if (n == UPSTREAM_LATER)
                        return true;
                if (n < 0)
                        return false;
                buffer_consume(&shared->out, (size_t)n);
        }
        buffer_release(&shared->out); /* an idle connection holds no memory for it */
        return true;
}

/* Frames are gathered into few writes where they are small. False: it broke. */
static bool flush(struct upstream_shared *shared)
{
        for (;;) {
                while (shared->out.len < OUT_BYTES_WANTED) {
                        struct slice bytes = h2_client_send_next(shared->client);
                        if (bytes.len == 0)
                                break;
                        if (!buffer_append(&shared->out, bytes))
                                return false;
                }
                if (shared->out.len == 0)
                        return true;
                if (!out_send(shared))
                        return false;
                if (shared->out.len > 0)
                        return true;
        }
}

static void on_bytes(struct upstream_shared *shared)
{
        shared->received_ms = *shared->pool->options.now_ms;
        if (!shared->pinged)
                return;
        shared->pinged = false;
        deadline_clear(&shared->deadline);
}

static void on_task(struct task *task);

/* False: nothing more can come. */
static bool receive(struct upstream_shared *shared)
{
        char bytes[READ_BYTES];
        for (int i = 0; i < READS_A_TURN; i++) {
                ssize_t n = socket_receive(shared->lease.socket, bytes, sizeof(bytes));
                if (n == UPSTREAM_LATER)
                        return true;
                if (n <= 0)
                        return false;
                on_bytes(shared);
                if (!h2_client_receive(shared->client, slice_from(bytes, (size_t)n),
                                       shared->received_ms))
                        return false;
        }
        task_queue_put(&shared->pool->tasks, &shared->task, on_task);
        return true;
}

/* All that can be done now; may be its end. */
static void turn(struct upstream_shared *shared, bool read)
{
        bool open = !read || receive(shared);
        bool sends = flush(shared);
        if (!open || !sends) {
                shared_end(shared);
                return;
        }
        shared->target->streams = h2_client_streams(shared->client);
        if (h2_client_is_leaving(shared->client))
                list_out(shared);
        if (!shared->link && shared->member_count == 0) {
                shared_end(shared);
                return;
        }
        upstream_want(&shared->lease, true, shared->out.len > 0);
        watch_time(shared);
}

static void on_task(struct task *task)
{
        turn(CONTAINER_OF(task, struct upstream_shared, task), true);
}

static void turn_later(struct upstream_shared *shared)
{
        task_queue_put(&shared->pool->tasks, &shared->task, on_task);
}

/* ---- connecting ---- */

static void waiting_fail(struct upstream_shared *shared, enum upstream_failure failure)
{
        if (shared->opener) /* one failure, however many wait */
                upstream_tell(shared->opener, false);
        while (shared->members) {
                struct upstream_lease *waiting = shared->members;
                member_remove(waiting);
                waiting->tls_reason = shared->lease.tls_reason;
                lease_elsewhere(waiting, failure);
        }
}

static void on_ready(void *self)
{
        struct upstream_shared *shared = self;
        if (shared->lease.backend->tls && !upstream_is_h2(&shared->lease)) {
                list_out(shared);
                waiting_fail(shared, UPSTREAM_NO_HTTP2);
                shared_end(shared);
                return;
        }
        const struct h2_client_limits limits = h2_client_limits_default(&shared->limits);
        shared->client = h2_client_new(&limits);
        shared->opener = NULL;
        shared->connected_ms = shared->received_ms = *shared->pool->options.now_ms;
        upstream_detach(&shared->lease); /* what made it may go, with its generation */
        for (struct upstream_lease *member = shared->members; member; member = member->member_next)
                lease_ready_later(member);
        turn_later(shared);
}

/* Each of those who wait goes its own way: to another endpoint, or to its answer. */
static void on_failed(enum upstream_failure failure, void *self)
{
        struct upstream_shared *shared = self;
        list_out(shared);
        list_all_out(shared);
        waiting_fail(shared, failure);
        free(shared);
}

static void on_event(void *self)
{
        turn(self, true);
}

static const struct upstream_callbacks callbacks = {on_ready, on_failed, on_event};

static void shared_open(struct upstream_lease *lease)
{
        struct upstream_shared *shared = NEW(struct upstream_shared);
        shared->pool = lease->pool;
        shared->limits = http_limits_default();
        shared->opener = lease;
        buffer_init(&shared->out, OUT_BYTES_MAX);
        shared->all_next = shared->pool->shared;
        shared->all_link = &shared->pool->shared;
        if (shared->all_next)
                shared->all_next->all_link = &shared->all_next;
        shared->pool->shared = shared;
        lease_connect_to(&shared->lease, lease, &callbacks, shared);
        if (shared->lease.socket)
                list_in(shared, shared->lease.socket->target);
        member_add(shared, lease);
}

/* Whether one more call fits. */
static bool has_room(const struct upstream_shared *shared, const struct upstream_lease *lease)
{
        uint64_t now_ms = *shared->pool->options.now_ms;
        if (!shared->client) {
                size_t known = shared->target->streams;
                return shared->member_count < (known ? known : FIRST_MEMBERS_MAX);
        }
        if (lease->fresh && now_ms - shared->connected_ms > FRESH_MS)
                return false;
        return h2_client_room(shared->client) > shared->idle_calls &&
               socket_is_trusted(shared->lease.socket);
}

void shared_join(struct upstream_lease *lease)
{
        struct upstream_target *target = target_find(lease->pool, lease->backend, &lease->address);
        struct upstream_shared *shared = target ? target->shared : NULL;
        while (shared && !has_room(shared, lease))
                shared = shared->next;
        lease->reused = shared && shared->client;
        if (!shared && lease_is_over_limit(lease)) {
                lease_elsewhere(lease, UPSTREAM_OVER_LIMIT);
                return;
        }
        if (!shared) {
                shared_open(lease);
                return;
        }
        member_add(shared, lease);
        if (!lease->reused)
                return;
        watch_time(shared);
        counter_add(&lease->pool->options.counters->upstream_reuses, 1);
        lease_ready_later(lease);
}

/* Its backend, by which the socket is being connected, goes with it: those who wait beside it begin
 * anew. */
static void opener_leave(struct upstream_shared *shared)
{
        struct upstream_lease *others = NULL;
        while (shared->members) {
                struct upstream_lease *lease = shared->members;
                member_remove(lease);
                lease->member_next = others;
                others = lease;
        }
        shared_end(shared);
        while (others) {
                struct upstream_lease *lease = others;
                others = lease->member_next;
                shared_join(lease);
        }
}

void shared_leave(struct upstream_lease *lease)
{
        struct upstream_shared *shared = lease->shared;
        member_remove(lease);
        if (shared->opener == lease) {
                opener_leave(shared);
                return;
        }
        if (!shared->client)
                return;
        /* Who gave up on a backend that says nothing at all: nobody else need try it. */
        uint64_t now_ms = *shared->pool->options.now_ms;
        if (now_ms - shared->received_ms > SILENCE_MS_MAX)
                list_out(shared);
        turn_later(shared);
}

/* ---- calls ---- */

bool upstream_is_shared(const struct upstream_lease *lease)
{
        return lease->shares;
}

bool upstream_call_begin(struct upstream_lease *lease, struct h2_call *call,
                         const struct h2_request *request)
{
        struct upstream_shared *shared = lease->shared;
        if (!shared || h2_client_room(shared->client) == 0 ||
            !h2_call_begin(call, shared->client, request))
                return false;
        const struct upstream_options *options = &shared->pool->options;
        lease->call_begun = true;
        shared->idle_calls--;
        if (*options->now_ms - shared->received_ms > SILENCE_MS_MAX && !shared->pinged) {
                shared->pinged = true;
                h2_client_ping(shared->client);
                deadline_set(options->wheel, &shared->deadline, *options->now_ms + PONG_MS_MAX,
                             on_no_pong);
        }
        turn_later(shared);
        return true;
}

void upstream_call_flush(struct upstream_lease *lease)
{
        if (lease->shared)
                turn_later(lease->shared);
}
