#include "control/report/lease.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/memory.h"
#include "base/must.h"
#include "control/api/names.h"
#include "control/kube/rule.h"
#include "control/report/lease_parts.h"

/* --- for all parts --- */

uint64_t lease_now_ms(void)
{
        struct timespec now;
        must(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int64_t lease_unix_us(void)
{
        struct timespec now;
        must(clock_gettime(CLOCK_REALTIME, &now) == 0);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

uint64_t lease_jitter(uint64_t below)
{
        uint64_t random;
        must(getrandom(&random, sizeof(random), 0) == sizeof(random));
        return random % below;
}

void lease_timer_open(struct lease *lease, uv_timer_t *timer)
{
        must(uv_timer_init(lease->options.loop, timer) == 0);
        timer->data = lease;
        lease->open_handles++;
}

struct slice lease_path(const struct lease *lease, struct arena *arena, struct slice name)
{
        return arena_printf(arena, "%.*s/%.*s", SLICE_ARG(lease->collection), SLICE_ARG(name));
}

void lease_warn(struct lease *lease, bool *failing, const char *what, struct slice fault)
{
        if (!*failing && lease->options.sink)
                event_warningf(lease->options.sink, "lease", "%s: %.*s", what, SLICE_ARG(fault));
        *failing = true;
}

void lease_warn_answer(struct lease *lease, bool *failing, const char *what,
                       const struct kube_answer *answer)
{
        struct arena arena;
        arena_init(&arena, 1024);
        struct slice fault = answer->fault;
        if (answer->status == 403)
                fault = arena_printf(&arena, "%.*s" RULE_WANTED " in namespace %.*s",
                                     SLICE_ARG(fault), "coordination.k8s.io", "leases",
                                     "get, list, watch, create, update, patch, delete",
                                     SLICE_ARG(lease->options.namespace));
        lease_warn(lease, failing, what, fault);
        arena_done(&arena);
}

/* --- open --- */

/* Not by the identity alone: two processes that were given the same one would both lead. */
static void name_holder(struct lease *lease)
{
        uint64_t random;
        must(getrandom(&random, sizeof(random), 0) == sizeof(random));
        lease->holder =
                arena_printf(&lease->arena, "%.*s_%016llx", SLICE_ARG(lease->options.identity),
                             (unsigned long long)random);
}

struct lease *lease_open(const struct lease_options *options)
{
        struct lease *lease = NEW(struct lease);
        arena_init(&lease->arena, 1024);
        lease->options = *options;
        lease->options.namespace = arena_slice(&lease->arena, options->namespace);
        lease->options.identity = arena_slice(&lease->arena, options->identity);
        lease->options.pod_uid = arena_slice(&lease->arena, options->pod_uid);
        lease->collection =
                arena_printf(&lease->arena, "/apis/coordination.k8s.io/v1/namespaces/%.*s/leases",
                             SLICE_ARG(options->namespace));
        name_holder(lease);
        lease_timer_open(lease, &lease->closing);
        lease_leader_open(lease);
        lease_own_open(lease);
        lease_watch_open(lease);
        return lease;
}

/* --- close --- */

static void on_handle_closed(uv_handle_t *handle)
{
        struct lease *lease = handle->data;
        if (--lease->open_handles > 0)
                return;
        void (*on_closed)(void *self) = lease->on_closed;
        void *self = lease->options.self;
        arena_done(&lease->arena);
        free(lease);
        if (on_closed)
                on_closed(self);
}

static void let_go(struct lease *lease)
{
        uv_timer_t *const timers[] = {&lease->closing,         &lease->leader.timer,
                                      &lease->leader.deadline, &lease->own.timer,
                                      &lease->watch.timer,     &lease->watch.tick};
        lease->state = LEASE_CLOSED;
        lease_leader_close(lease);
        lease_own_close(lease);
        lease_watch_close(lease);
        for (size_t i = 0; i < COUNT_OF(timers); i++)
                uv_close((uv_handle_t *)timers[i], on_handle_closed);
}

void lease_part_done(struct lease *lease)
{
        if (lease->state == LEASE_CLOSING && lease->leader.state == LEADER_DONE && lease->own.done)
                let_go(lease);
}

static void on_closing_timer(uv_timer_t *timer)
{
        struct lease *lease = timer->data;
        bool failing = false;
        lease_warn(lease, &failing, "not let go of in time", SLICE("the others wait 13 s"));
        let_go(lease);
}

void lease_close(struct lease *lease, void (*on_closed)(void *self))
{
        must(lease->state == LEASE_OPEN);
        lease->state = LEASE_CLOSING;
        lease->on_closed = on_closed;
        must(uv_timer_start(&lease->closing, on_closing_timer, LEASE_CLOSE_MS, 0) == 0);
        lease_watch_stop(lease);
        lease_leader_release(lease);
        lease_own_remove(lease);
}
