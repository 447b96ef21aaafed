#include "proxy/worker.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/must.h"
#include "proxy/connection.h"

enum {
        GRACE_SLACK_MS = 1000, /* connections end themselves first */
};

/* ---- time ---- */

/* RFC 9110, 5.6.7. */
static void write_date(struct worker *worker, int64_t now_s)
{
        static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        struct tm tm;
        time_t at = (time_t)now_s;
        gmtime_r(&at, &tm);
        int len = snprintf(worker->date_text, sizeof(worker->date_text),
                           "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday % 7],
                           tm.tm_mday % 100, months[tm.tm_mon % 12], (tm.tm_year + 1900) % 10000,
                           tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
        worker->date = slice_from(worker->date_text, (size_t)len);
        worker->date_s = now_s;
}

static void update_time(struct worker *worker)
{
        struct timespec now;
        worker->now_ms = uv_now(&worker->loop);
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
        if (now.tv_sec != worker->date_s)
                write_date(worker, now.tv_sec);
}

/* ---- the end ---- */

static void on_handle_closed(uv_handle_t *handle)
{
        (void)handle;
}

static void close_handle(void *handle)
{
        if (!uv_is_closing(handle))
                uv_close(handle, on_handle_closed);
}

static void on_pool_closed(void *self)
{
        (void)self;
}

/* Its connections are gone: with the last handle the loop ends, and the thread with it. */
static void end(struct worker *worker)
{
        if (worker->ending)
                return;
        worker->ending = true;
        acceptors_close(worker->acceptors);
        mirrors_close(&worker->mirrors); /* nobody waits for them */
        upstream_pool_close(worker->pool, on_pool_closed, worker);
        close_handle(&worker->prepare);
        close_handle(&worker->check);
        close_handle(&worker->spin);
        close_handle(&worker->tick);
        close_handle(&worker->wake);
}

static void on_grace_over(struct deadline *deadline)
{
        connections_close(CONTAINER_OF(deadline, struct worker, grace));
}

static void drain(struct worker *worker)
{
        if (worker->draining)
                return;
        acceptors_close(worker->acceptors); /* takes what was queued first (I45) */
        worker->draining = true;
        uint64_t grace_ms = worker->limits->drain_grace_ms + GRACE_SLACK_MS;
        deadline_set(&worker->wheel, &worker->grace, worker->now_ms + grace_ms, on_grace_over);
        connections_drain(worker);
}

static void follow_order(struct worker *worker)
{
        switch ((enum worker_order)atomic_load(&worker->order)) {
        case ORDER_SERVE:
                return;
        case ORDER_DRAIN:
                drain(worker);
                break;
        case ORDER_STOP:
                drain(worker);
                connections_close(worker);
                break;
        }
        if (worker->connection_count == 0)
                end(worker);
}

/* ---- a turn of the loop ---- */

static void adopt(struct worker *worker)
{
        unsigned long long retried = atomic_load(&worker->listeners->retried);
        bool newer = publisher_adopt(worker->publisher, &worker->snapshot);
        if (newer)
                connections_adopt(worker); /* before new ones come in under the new generation */
        if (!newer && retried == worker->retried)
                return;
        worker->retried = retried;
        /* Draining, it accepts nothing, but who is out is out (I40). */
        if (!worker->draining && !acceptors_adopt(worker->acceptors, worker->snapshot))
                event_warningf(worker->sink, "worker", "a port of generation %llu can't be watched",
                               (unsigned long long)worker->snapshot->generation);
        counter_set(&worker->counters->generation, worker->snapshot->generation);
}

/* The loop may not sleep while a connection still has something to do. */
static void go_on(struct worker *worker)
{
        connections_turn(worker);
        if (uv_is_closing((uv_handle_t *)&worker->spin))
                return;
        if (worker->ready || !connections_are_judged(worker))
                uv_idle_start(&worker->spin, worker->on_spin);
        else
                uv_idle_stop(&worker->spin);
}

static void on_spin(uv_idle_t *spin)
{
        (void)spin;
}

static void on_prepare(uv_prepare_t *prepare)
{
        struct worker *worker = CONTAINER_OF(prepare, struct worker, prepare);
        update_time(worker);
        worker->handshake_steps = worker->limits->handshake_steps;
        adopt(worker);
        connections_judge(worker);
        follow_order(worker);
        go_on(worker);
}

static void on_check(uv_check_t *check)
{
        struct worker *worker = CONTAINER_OF(check, struct worker, check);
        update_time(worker);
        go_on(worker);
        event_sink_turn(worker->sink);
}

static void on_tick(uv_timer_t *tick)
{
        struct worker *worker = CONTAINER_OF(tick, struct worker, tick);
        update_time(worker);
        wheel_run(&worker->wheel, worker->now_ms);
}

static void on_wake(uv_async_t *wake)
{
        (void)wake; /* the turn itself looks at what there is to do */
}

static void on_accept(size_t port, int fd, const struct sockaddr *peer, void *self)
{
        struct worker *worker = self;
        if (worker->connection_count >= worker->limits->connections) {
                counter_add(&worker->counters->limit_refusals, 1);
                close(fd);
                return;
        }
        connection_open(worker, port, fd, peer);
}

static void *run(void *self)
{
        struct worker *worker = self;
        uv_run(&worker->loop, UV_RUN_DEFAULT);
        event_sink_turn(worker->sink);
        counter_set(&worker->counters->generation, 0);
        counter_set(&worker->counters->judged_generation, 0);
        return NULL;
}

/* ---- life ---- */

static void init_handles(struct worker *worker)
{
        must(uv_prepare_init(&worker->loop, &worker->prepare) == 0);
        must(uv_check_init(&worker->loop, &worker->check) == 0);
        must(uv_idle_init(&worker->loop, &worker->spin) == 0);
        must(uv_timer_init(&worker->loop, &worker->tick) == 0);
        uv_prepare_start(&worker->prepare, on_prepare);
        uv_check_start(&worker->check, on_check);
        uv_timer_start(&worker->tick, on_tick, WHEEL_TICK_MS, WHEEL_TICK_MS);
        worker->on_spin = on_spin;
        worker->ready_end = &worker->ready;
}

static void init_pool(struct worker *worker, bool local_names)
{
        struct upstream_options options = upstream_options_default();
        options.loop = &worker->loop;
        options.wheel = &worker->wheel;
        options.now_ms = &worker->now_ms;
        options.counters = worker->counters;
        options.random_state = &worker->random_state;
        options.connect_ms_max = worker->limits->connect_ms;
        options.local_names = local_names;
        options.connections_max = worker->limits->backend_connections;
        options.endpoint_connections_max = worker->limits->endpoint_connections;
        options.failures_max = (unsigned)worker->limits->eject_failures;
        options.eject_ms = worker->limits->eject_ms;
        options.eject_ms_max = worker->limits->eject_max_ms;
        options.sink = worker->sink;
        options.worker = worker->index;
        options.path_cache = worker->cache;
        worker->pool = upstream_pool_open(&options);
}

static void init_acceptors(struct worker *worker)
{
        worker->acceptors = acceptors_new(&(struct acceptors_env){
                .loop = &worker->loop,
                .wheel = &worker->wheel,
                .now_ms = &worker->now_ms,
                .counters = worker->counters,
                .listeners = worker->listeners,
                .worker = worker->index,
                .on_accept = on_accept,
                .self = worker,
        });
}

static void init_env(struct worker *worker)
{
        worker->env = (struct exchange_env){
                .loop = &worker->loop,
                .wheel = &worker->wheel,
                .pool = worker->pool,
                .sink = worker->sink,
                .now_ms = &worker->now_ms,
                .date = &worker->date,
                .request_ms_max = worker->limits->request_ms,
                .response_ms_max = worker->limits->response_ms,
                .body_progress_ms_max = worker->limits->body_progress_ms,
                .random_state = &worker->random_state,
                .mirrors = &worker->mirrors,
        };
        worker->mirrors.count_max = worker->limits->mirrors;
}

/* Signals are the main thread's. */
static bool thread_start(struct worker *worker)
{
        sigset_t all, former;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &former);
        bool ok = pthread_create(&worker->thread, NULL, run, worker) == 0;
        pthread_sigmask(SIG_SETMASK, &former, NULL);
        return ok;
}

struct worker *worker_start(const struct worker_options *options, struct error *err)
{
        struct worker *worker = NEW(struct worker);
        worker->index = options->index;
        worker->limits = options->limits;
        worker->publisher = options->publisher;
        worker->sink = event_hub_sink(options->hub, options->index);
        worker->counters = event_sink_counters(worker->sink);
        worker->listeners = options->listeners;
        worker->addresses = options->addresses;
        worker->strict_audit = options->strict_audit;
        if (uv_loop_init(&worker->loop) != 0) {
                free(worker);
                error_set_errno(err, "worker %zu: event loop", options->index);
                return NULL;
        }
        must(uv_async_init(&worker->loop, &worker->wake, on_wake) == 0);
        must(getrandom(&worker->random_state, sizeof(worker->random_state), 0) ==
             (ssize_t)sizeof(worker->random_state));
        wheel_init(&worker->wheel, uv_now(&worker->loop));
        update_time(worker);
        worker->cache = path_cache_new(PATH_CACHE_MAX);
        init_handles(worker);
        init_pool(worker, options->local_names);
        init_acceptors(worker);
        init_env(worker);
        must(thread_start(worker));
        return worker;
}

void worker_wake(struct worker *worker)
{
        uv_async_send(&worker->wake);
}

void worker_give_order(struct worker *worker, enum worker_order order)
{
        atomic_store(&worker->order, order);
        worker_wake(worker);
}

void worker_join(struct worker *worker)
{
        if (!worker)
                return;
        pthread_join(worker->thread, NULL);
        must(uv_loop_close(&worker->loop) == 0); /* else a handle was lost */
        acceptors_free(worker->acceptors);
        path_cache_free(worker->cache);
        snapshot_unref(worker->snapshot);
        free(worker);
}
