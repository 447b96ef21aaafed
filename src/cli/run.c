/* `pingate run`: the composition root. It joins control, proxy and observe, puts up the sandbox
 * before the first thread starts, and turns signals into orders: SIGHUP reads the files again,
 * SIGTERM and SIGINT drain, a second one of them ends everything at once. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/memory.h"
#include "base/must.h"
#include "cli/cli.h"
#include "cli/run.h"
#include "cli/run_state.h"
#include "cli/sandbox.h"
#include "control/control.h"
#include "event/emit.h"
#include "observe/admin.h"
#include "observe/observe.h"
#include "observe/pin_ledger.h"
#include "observe/state.h"
#include "proxy/handshake/handshake.h"
#include "proxy/handshake/probe.h"
#include "proxy/proxy.h"

enum {
        SIGNALS = 3,
        BEAT_MS = 250,
        BIND_AGAIN_MS = 1000,
};

struct run {
        const struct run_options *options;
        uv_loop_t loop;
        uv_signal_t signals[SIGNALS];
        uv_timer_t drain_delay;
        uv_timer_t beat;       /* a turn of control's sink at least once a second */
        uv_timer_t bind_again; /* runs while a port can't be bound */
        uv_work_t join;
        bool draining, joining;
        struct publisher publisher;
        struct event_hub *hub;
        struct gateway_state *state;
        struct observer *observer;
        struct admin *admin;
        struct probe *probe;
        struct proxy *proxy;
        struct control *control;
        struct tls_library *library; /* NULL: OpenSSL's own */
        struct kube_access *access;  /* NULL: files */
        struct control_kube_options kube;
        char identity[256];
        struct tls_options tls;
        struct run_facts facts; /* what /status says */
};

/* ---- ports that can't be bound ---- */

static void on_bind_again(uv_timer_t *timer);

/* What serves is said once; what doesn't, too, and it is tried again until it does. */
static void take_faults(struct run *run)
{
        run->facts.faults = proxy_faults(run->proxy);
        run_state_tell(run->state, &run->facts);
        if (run->facts.faults.count == 0)
                uv_timer_stop(&run->bind_again);
        else if (!uv_is_active((uv_handle_t *)&run->bind_again))
                uv_timer_start(&run->bind_again, on_bind_again, BIND_AGAIN_MS, BIND_AGAIN_MS);
}

static void warn_of_faults(struct run *run)
{
        struct listener_faults faults = proxy_faults(run->proxy);
        for (size_t i = 0; i < faults.count; i++) {
                struct port_fault fault = run_state_fault(&faults.items[i]);
                char text[PORT_FAULT_SIZE];
                event_warningf(event_hub_control(run->hub), "port", "%s; tried again each second",
                               port_fault_print(&fault, text));
        }
}

static void on_bind_again(uv_timer_t *timer)
{
        struct run *run = timer->data;
        size_t before = run->facts.faults.count;
        if (!proxy_retry(run->proxy, run->facts.translation->snapshot)) {
                run->facts.faults = proxy_faults(run->proxy);
                return;
        }
        take_faults(run);
        event_lifecyclef(event_hub_control(run->hub), "bound",
                         "%zu of %zu ports that could not be bound before",
                         before - run->facts.faults.count, before);
        event_sink_turn(event_hub_control(run->hub));
}

/* ---- what control asks for ---- */

static bool probes_pass(struct run *run, const struct snapshot *snapshot, struct error *err)
{
        struct error failure = {.text = ""};
        size_t count;
        bool ok = probe_run(run->probe, snapshot, &count, &failure);
        gateway_state_set_probes(run->state, count, ok ? SLICE_NONE : slice_of(failure.text));
        if (ok)
                return true;
        event_warningf(event_hub_control(run->hub), "probe", "%s", failure.text);
        *err = failure;
        return error_wrap(err, "pins would not be enforced, so this is not published");
}

/* A gateway that could serve nothing at all of its files is not started; a port alone that can't be
 * bound is told and tried again. */
static bool on_prepare(const struct snapshot *snapshot, struct error *err, void *self)
{
        struct run *run = self;
        if (!probes_pass(run, snapshot, err))
                return false;
        proxy_prepare(run->proxy, snapshot);
        struct listener_faults faults = proxy_faults(run->proxy);
        bool first = !run->facts.translation && !run->access;
        if (first && faults.count > 0 && faults.count == snapshot->port_count) {
                struct port_fault fault = run_state_fault(&faults.items[0]);
                char text[PORT_FAULT_SIZE];
                return error_set(err, ERROR_SYSTEM, "%s%s", port_fault_print(&fault, text),
                                 faults.count > 1 ? "; nor can any other port" : "");
        }
        return true;
}

static int64_t now_ms(void)
{
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void on_published(const struct translation *translation, void *self)
{
        struct run *run = self;
        run->facts.translation = translation;
        run->facts.published_ms = now_ms();
        if (!run->joining) /* workers go one by one, and those left look up with what comes in */
                proxy_wake(run->proxy);
        pin_ledger_set_snapshot(observer_pins(run->observer), translation->snapshot,
                                run->facts.published_ms);
        take_faults(run);
        warn_of_faults(run);
}

static void on_source_error(struct slice text, void *self)
{
        struct run *run = self;
        gateway_state_set_source_error(run->state, text);
}

static void on_facts(struct served_facts *facts, struct arena *arena, void *self)
{
        struct run *run = self;
        struct listener_faults faults = proxy_faults(run->proxy);
        run_state_facts(run->state, &faults, facts, arena);
}

static void on_source_heard(const struct source_kind *kinds, size_t count, void *self)
{
        struct run *run = self;
        run_state_heard(run->state, kinds, count);
}

static const struct control_hooks control_hooks = {on_prepare, on_published, on_source_error,
                                                   on_facts, on_source_heard};

static void join_workers(uv_work_t *work)
{
        struct run *run = work->data;
        proxy_join(run->proxy);
}

static void on_joined(uv_work_t *work, int status)
{
        struct run *run = work->data;
        (void)status;
        uv_stop(&run->loop);
}

static void on_drain_delay_over(uv_timer_t *timer)
{
        struct run *run = timer->data;
        if (run->joining)
                return;
        run->joining = true;
        proxy_drain(run->proxy);
        run->join.data = run;
        uv_queue_work(&run->loop, &run->join, join_workers, on_joined);
}

/* I45: not ready at once, accepting goes on for the delay, so that load balancers can turn away. */
static void drain(struct run *run)
{
        if (run->draining) {
                proxy_stop(run->proxy);
                on_drain_delay_over(&run->drain_delay);
                return;
        }
        run->draining = true;
        gateway_state_set_draining(run->state);
        control_leave(run->control); /* while there is time: another replica takes over */
        event_lifecyclef(event_hub_control(run->hub), "draining",
                         "no longer ready; %llu ms until listeners close",
                         (unsigned long long)run->options->drain_delay_ms);
        event_sink_turn(event_hub_control(run->hub));
        uv_timer_start(&run->drain_delay, on_drain_delay_over, run->options->drain_delay_ms, 0);
}

static void on_signal(uv_signal_t *handle, int number)
{
        struct run *run = handle->data;
        if (number == SIGHUP)
                control_reload(run->control);
        else
                drain(run);
}

static void on_beat(uv_timer_t *timer)
{
        struct run *run = timer->data;
        snapshot_reap();
        event_sink_turn(event_hub_control(run->hub));
}

static void watch_signals(struct run *run)
{
        static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
        for (size_t i = 0; i < SIGNALS; i++) {
                must(uv_signal_init(&run->loop, &run->signals[i]) == 0);
                run->signals[i].data = run;
                uv_signal_start(&run->signals[i], on_signal, numbers[i]);
        }
        uv_timer_init(&run->loop, &run->drain_delay);
        run->drain_delay.data = run;
        uv_timer_init(&run->loop, &run->beat);
        run->beat.data = run;
        uv_timer_start(&run->beat, on_beat, BEAT_MS, BEAT_MS);
        uv_timer_init(&run->loop, &run->bind_again);
        run->bind_again.data = run;
}

/* Before any thread: what can't be had costs time and nothing else. */
static void open_library(struct run *run)
{
        struct error err = {.text = ""};
        if (!run->options->plain_openssl && !(run->library = tls_library_open(&err)))
                event_warningf(event_hub_control(run->hub), "openssl", "handshakes take longer: %s",
                               err.text);
        run->tls = (struct tls_options){.workers = run->options->workers,
                                        .hooks = handshake_hooks(),
                                        .library = run->library};
}

static void on_sandbox_warning(const char *text, void *self)
{
        struct run *run = self;
        event_warningf(event_hub_control(run->hub), "sandbox", "%s", text);
}

/* A token is read again as it is rotated; a kubeconfig is not. */
static bool wall_in(struct run *run, struct error *err)
{
        const struct run_options *options = run->options;
        const char *token = run->access ? run->access->token_file.data : NULL;
        struct sandbox_options sandbox = {.read_paths = options->paths,
                                          .read_path_count = options->path_count,
                                          .user = options->user};
        if (token && run->access->token_file.len > 0) {
                sandbox.read_paths = &token;
                sandbox.read_path_count = 1;
        }
        if (!options->no_sandbox)
                return sandbox_enter(&sandbox, on_sandbox_warning, run, err);
        on_sandbox_warning("all of it is off: --no-sandbox", run);
        return true;
}

static bool open_cluster(struct run *run, struct error *err)
{
        const struct run_options *options = run->options;
        bool ok = options->kubeconfig
                          ? kube_access_from_file(options->kubeconfig, slice_of(options->context),
                                                  &run->access, err)
                          : kube_access_in_cluster(&run->access, err);
        if (!ok)
                return false;
        run->kube.pool = options->pool;
        run->kube.services = options->services;
        run->kube.selector = options->selector;
        if (options->namespace)
                run->access->namespace = slice_of(options->namespace);
        if (!options->identity && gethostname(run->identity, sizeof(run->identity) - 1) != 0)
                return error_set_errno(err, "the host's name (see --identity)");
        run->kube.access = run->access;
        run->kube.services.namespace = run->access->namespace;
        run->kube.silence_ms = options->limits.source_silence_ms;
        run->kube.pod_uid = slice_of(options->pod_uid);
        run->kube.identity = slice_of(options->identity ? options->identity : run->identity);
        return true;
}

/* What needs no thread: files, the first generation, listening sockets. */
static bool prepare(struct run *run, struct error *err)
{
        const struct run_options *options = run->options;
        struct observe_options observe = {.audit_log = options->audit_log,
                                          .access_log = options->access_log};
        struct event_hub_options hub = {.workers = options->workers};
        if (!(run->hub = event_hub_new(&hub, err)))
                return false;
        run->state = gateway_state_new(run->hub);
        if (!(run->observer = observer_open(&observe, run->hub, err)))
                return false;
        run->facts.clustered = options->kubernetes;
        if (options->kubernetes && !open_cluster(run, err))
                return false;
        publisher_init(&run->publisher);
        open_library(run);
        if (!(run->probe = probe_new(&run->tls, tls_contexts_build, err)))
                return false;
        struct proxy_options proxy = {.workers = options->workers,
                                      .limits = &options->limits,
                                      .publisher = &run->publisher,
                                      .hub = run->hub,
                                      .strict_audit = options->strict_audit,
                                      .local_names = !options->kubernetes};
        run->proxy = proxy_new(&proxy);
        struct control_options control = {.loop = &run->loop,
                                          .paths = options->paths,
                                          .path_count = options->path_count,
                                          .kube = run->access ? &run->kube : NULL,
                                          .require_pinning = options->require_pinning,
                                          .publisher = &run->publisher,
                                          .sink = event_hub_control(run->hub),
                                          .tls = &run->tls,
                                          .hooks = &control_hooks,
                                          .self = run};
        return control_start(&control, &run->control, err);
}

static bool start(struct run *run, struct error *err)
{
        if (!prepare(run, err) || !wall_in(run, err) || !observer_begin(run->observer, err))
                return false;
        struct admin_options admin = {.address = run->options->admin,
                                      .probe_address = run->options->probe,
                                      .hub = run->hub,
                                      .state = run->state,
                                      .observer = run->observer};
        if (!(run->admin = admin_start(&admin, err)))
                return false;
        if (!proxy_start(run->proxy, err))
                return false;
        event_lifecyclef(event_hub_control(run->hub), "started", "%zu workers",
                         run->options->workers);
        event_sink_turn(event_hub_control(run->hub));
        return true;
}

static void close_any(uv_handle_t *handle, void *self)
{
        (void)self;
        if (!uv_is_closing(handle))
                uv_close(handle, NULL);
}

/* The order matters: workers have ended, pages next, the last records, then what they pointed to.
 */
static void finish(struct run *run)
{
        if (run->hub) {
                event_lifecyclef(event_hub_control(run->hub), "stopped", "pid %d", (int)getpid());
                event_sink_turn(event_hub_control(run->hub));
        }
        control_leave(run->control);
        while (!control_left(run->control))
                uv_run(&run->loop, UV_RUN_ONCE);
        control_stop(run->control);
        if (run->admin)
                admin_stop(run->admin);
        observer_stop(run->observer);
        proxy_free(run->proxy);
        if (run->proxy)
                publisher_done(&run->publisher);
        probe_free(run->probe);
        snapshot_reap();
        tls_library_close(run->library);
        if (run->state)
                gateway_state_free(run->state);
        if (run->hub)
                event_hub_free(run->hub);
        uv_walk(&run->loop, close_any, NULL);
        uv_run(&run->loop, UV_RUN_DEFAULT);
        must(uv_loop_close(&run->loop) == 0);
        kube_access_free(run->access);
}

int run_gateway(const struct run_options *options, struct error *err)
{
        struct run *run = NEW(struct run);
        run->options = options;
        signal(SIGPIPE, SIG_IGN);
        must(uv_loop_init(&run->loop) == 0);
        watch_signals(run);
        bool ok = start(run, err);
        if (ok)
                uv_run(&run->loop, UV_RUN_DEFAULT);
        finish(run);
        free(run);
        return ok ? EXIT_OK : EXIT_FAILED;
}
