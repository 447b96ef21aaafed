#include "observe/observe.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "event/emit.h"
#include "event/ring.h"
#include "observe/format.h"
#include "observe/log_file.h"
#include "observe/pin_ledger.h"
#include "observe/refusals.h"
#include "observe/renewals.h"

enum {
        BATCH = 256,    /* records of one ring before the next has its turn */
        TICK_MS = 5,    /* between two looks while there is work: spares the producers wake-ups */
        IDLE_MS = 1000, /* at most, when nobody wakes us */
        LAST_MS = 1000, /* for a slow log at the end */
};

struct observer {
        struct event_hub *hub;
        pthread_t thread;
        bool begun;  /* the thread runs */
        int stop_fd; /* eventfd: readable once the thread is to end */
        bool quiet;
        struct log_file audit, access, people;
        struct buffer line; /* scratch */
        struct refusals *refusals;
        struct renewals *renewals;
        struct pin_ledger *pins;
        uint64_t untold[2];          /* lines dropped since the last gap line: audit, access */
        _Atomic uint64_t lines_lost; /* ever, of all logs */
        _Atomic uint64_t renewals_told;
};

static int64_t clock_ms(clockid_t which)
{
        struct timespec now;
        clock_gettime(which, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Puts o->line into the log, with what was dropped before it told first. */
static void put_line(struct observer *o, struct log_file *log)
{
        uint64_t *untold = log == &o->audit ? &o->untold[0] : &o->untold[1];
        struct buffer gap;
        buffer_init(&gap, 512);
        if (*untold > 0 && log_file_has_room(log, 2) &&
            format_gap(clock_ms(CLOCK_REALTIME), -1, "lines", *untold, &gap) &&
            log_file_put(log, buffer_slice(&gap)))
                *untold = 0;
        buffer_done(&gap);
        /* While a gap waits to be told all is dropped, so that its line stands where the gap is. */
        if (*untold > 0 || !log_file_put(log, buffer_slice(&o->line))) {
                *untold += 1;
                atomic_fetch_add_explicit(&o->lines_lost, 1, memory_order_relaxed);
        }
}

/* The audit log knows all who were refused, whatever becomes of the access log. */
static void write_refused_request(struct observer *o, const struct event *event)
{
        buffer_clear(&o->line);
        if (o->audit.fd >= 0 && format_refusal(event, &o->line))
                put_line(o, &o->audit);
}

static void write_event(struct observer *o, const struct event *event)
{
        enum event_log where = event_log_of(event->kind);
        buffer_clear(&o->line);
        if (where == EVENT_LOG_LIFE && !o->quiet && format_people(event, &o->line))
                log_file_put(&o->people, buffer_slice(&o->line));
        buffer_clear(&o->line);
        struct log_file *log = where == EVENT_LOG_ACCESS ? &o->access : &o->audit;
        if (log->fd >= 0 && format_json(event, &o->line))
                put_line(o, log);
        if (event_is_refusal(event) && where == EVENT_LOG_ACCESS && !event->request.folded)
                write_refused_request(o, event);
        if (event_is_refusal(event) || event_is_would_refuse(event))
                refusals_add(o->refusals, event);
}

/* A handshake is looked at before it is written: who is refused may be known by name. The record
 * in the ring is its producer's, so the name is put into a copy. */
static void write_handshake(struct observer *o, const struct event *event)
{
        const struct handshake_facts *facts = &event->handshake;
        struct slice renewal_of = renewals_find(o->renewals, facts);
        if (renewal_of.len > 0 && pin_ledger_may_have(o->pins, renewal_of)) {
                struct event told = *event;
                told.handshake.renewal_of = renewal_of;
                atomic_fetch_add_explicit(&o->renewals_told, 1, memory_order_relaxed);
                write_event(o, &told);
        } else {
                write_event(o, event);
        }
        renewals_note(o->renewals, facts);
        pin_ledger_note(o->pins, facts, event->time_ms);
}

static void write_gap(struct observer *o, size_t sink, bool accepts, uint64_t lost)
{
        if (lost == 0)
                return;
        buffer_clear(&o->line);
        if (!format_gap(clock_ms(CLOCK_REALTIME), (int)sink, accepts ? "admissions" : "records",
                        lost, &o->line))
                return;
        put_line(o, &o->audit);
        /* Requests share the ring of all else, so some of the missing may be theirs. */
        if (!accepts)
                put_line(o, &o->access);
}

static bool drain_ring(struct observer *o, size_t sink, bool accepts)
{
        struct event_ring *ring = event_hub_ring(o->hub, sink, accepts);
        bool any = false;
        for (int i = 0; i < BATCH; i++) {
                /* Room for a gap, its own line, and one told before: never drop an admission. */
                if (accepts && !log_file_has_room(&o->audit, 3))
                        break;
                uint64_t lost;
                const struct event *event = event_ring_peek(ring, &lost);
                write_gap(o, sink, accepts, lost);
                if (!event)
                        break;
                if (event->kind == EVENT_HANDSHAKE)
                        write_handshake(o, event);
                else
                        write_event(o, event);
                if (event->kind == EVENT_REQUEST)
                        pin_ledger_note_request(o->pins, &event->request, event->time_ms);
                event_ring_release(ring);
                any = true;
        }
        return any;
}

static bool drain(struct observer *o)
{
        bool any = false;
        for (size_t i = 0; i <= event_hub_workers(o->hub); i++) {
                any |= drain_ring(o, i, true);
                any |= drain_ring(o, i, false);
        }
        log_file_flush(&o->audit);
        log_file_flush(&o->access);
        log_file_flush(&o->people);
        return any;
}

static bool all_flushed(const struct observer *o)
{
        return log_file_is_flushed(&o->audit) && log_file_is_flushed(&o->access) &&
               log_file_is_flushed(&o->people);
}

/* Waits for an end or a wake-up; true: the thread is to end. */
static bool wait_for_work(struct observer *o, bool any)
{
        struct pollfd fds[] = {{.fd = o->stop_fd, .events = POLLIN},
                               {.fd = event_hub_fd(o->hub), .events = POLLIN}};
        bool busy = any || !all_flushed(o) || !event_hub_sleep(o->hub);
        poll(fds, busy ? 1 : 2, busy ? TICK_MS : IDLE_MS);
        return (fds[0].revents & POLLIN) != 0;
}

static void *observe(void *self)
{
        struct observer *o = self;
        while (!wait_for_work(o, drain(o)))
                ;
        /* The producers have ended: what lies in the rings is all there will be. */
        int64_t until = clock_ms(CLOCK_MONOTONIC) + LAST_MS;
        while ((drain(o) || !all_flushed(o)) && clock_ms(CLOCK_MONOTONIC) < until)
                if (!all_flushed(o))
                        poll(NULL, 0, 1);
        return NULL;
}

static void observer_free(struct observer *o)
{
        log_file_close(&o->audit);
        log_file_close(&o->access);
        log_file_close(&o->people);
        buffer_done(&o->line);
        refusals_free(o->refusals);
        renewals_free(o->renewals);
        pin_ledger_free(o->pins);
        if (o->stop_fd >= 0)
                close(o->stop_fd);
        free(o);
}

/* Signals are the main thread's; a reader that went away shows as EPIPE, not as a signal. */
static int thread_start(struct observer *o)
{
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int failed = pthread_create(&o->thread, NULL, observe, o);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return failed;
}

static bool files_open(struct observer *o, const struct observe_options *options, struct error *err)
{
        if (!log_file_open(&o->audit, options->audit_log, err))
                return error_wrap(err, "--audit-log");
        if (!log_file_open(&o->access, options->access_log, err))
                return error_wrap(err, "--access-log");
        /* Not opened anew: standard error is there. */
        log_file_open(&o->people, NULL, NULL);
        if (!o->quiet)
                o->people.fd = STDERR_FILENO;
        o->stop_fd = eventfd(0, EFD_CLOEXEC);
        if (o->stop_fd < 0)
                return error_set_errno(err, "eventfd");
        return true;
}

struct observer *observer_open(const struct observe_options *options, struct event_hub *hub,
                               struct error *err)
{
        struct observer *o = NEW(struct observer);
        o->hub = hub;
        o->quiet = options->quiet;
        o->stop_fd = o->audit.fd = o->access.fd = o->people.fd = -1;
        buffer_init(&o->line, LOG_LINE_MAX);
        o->refusals = refusals_new();
        o->renewals = renewals_new();
        o->pins = pin_ledger_new();
        if (files_open(o, options, err))
                return o;
        observer_free(o);
        return NULL;
}

bool observer_begin(struct observer *observer, struct error *err)
{
        int failed = thread_start(observer);
        if (failed)
                return error_set(err, ERROR_SYSTEM, "the observe thread: error %d", failed);
        observer->begun = true;
        return true;
}

struct observer *observer_start(const struct observe_options *options, struct event_hub *hub,
                                struct error *err)
{
        struct observer *o = observer_open(options, hub, err);
        if (o && !observer_begin(o, err)) {
                observer_free(o);
                return NULL;
        }
        return o;
}

void observer_stop(struct observer *observer)
{
        if (!observer)
                return;
        uint64_t one = 1;
        ssize_t put = write(observer->stop_fd, &one, sizeof(one));
        (void)put;
        if (observer->begun)
                pthread_join(observer->thread, NULL);
        observer_free(observer);
}

struct refusals *observer_refusals(struct observer *observer)
{
        return observer->refusals;
}

struct pin_ledger *observer_pins(struct observer *observer)
{
        return observer->pins;
}

uint64_t observer_renewals(const struct observer *observer)
{
        return atomic_load_explicit(&observer->renewals_told, memory_order_relaxed);
}

uint64_t observer_lines_lost(const struct observer *observer)
{
        return atomic_load_explicit(&observer->lines_lost, memory_order_relaxed);
}
