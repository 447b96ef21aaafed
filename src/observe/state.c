#include "observe/state.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/memory.h"
#include "event/emit.h"
#include "observe/format_field.h"
#include "observe/metrics.h"
#include "observe/pin_ledger.h"
#include "text/time.h"

struct gateway_state {
        pthread_mutex_t lock;
        const struct event_hub *hub;
        int64_t started_ms;
        struct arena arena; /* of the generation's texts */
        struct state_generation generation;
        bool draining;
        struct buffer source_error;                    /* empty: all sources are well */
        int64_t source_error_ms, source_error_last_ms; /* began; told last, 0: never */
        struct buffer probe_failure;                   /* empty: the last probes have passed */
        uint64_t probes_passed, probes_failed;
        struct state_source sources[STATE_SOURCES_MAX];
        size_t source_count;
        uint64_t started_monotonic_ms;
};

static int64_t now_ms(void)
{
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t monotonic_ms(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct gateway_state *gateway_state_new(const struct event_hub *hub)
{
        struct gateway_state *state = NEW(struct gateway_state);
        pthread_mutex_init(&state->lock, NULL);
        state->hub = hub;
        state->started_ms = now_ms();
        state->started_monotonic_ms = monotonic_ms();
        arena_init(&state->arena, 4096);
        buffer_init(&state->source_error, 4096);
        buffer_init(&state->probe_failure, 4096);
        return state;
}

void gateway_state_free(struct gateway_state *state)
{
        if (!state)
                return;
        arena_done(&state->arena);
        buffer_done(&state->source_error);
        buffer_done(&state->probe_failure);
        pthread_mutex_destroy(&state->lock);
        free(state);
}

static void copy_conditions(struct arena *arena, struct state_conditions *to)
{
        struct state_condition *copies = ARENA_ARRAY(arena, struct state_condition, to->count + 1);
        for (size_t i = 0; i < to->count; i++) {
                copies[i] = to->items[i];
                copies[i].type = arena_slice(arena, copies[i].type);
                copies[i].reason = arena_slice(arena, copies[i].reason);
                copies[i].message = arena_slice(arena, copies[i].message);
        }
        to->items = copies;
}

static void copy_gateway(struct arena *arena, struct state_gateway *to)
{
        to->name = arena_slice(arena, to->name);
        copy_conditions(arena, &to->conditions);
}

static void copy_listener(struct arena *arena, struct state_listener *to)
{
        struct slice *texts[] = {&to->gateway,  &to->name,     &to->address,
                                 &to->protocol, &to->hostname, &to->mode};
        for (size_t i = 0; i < COUNT_OF(texts); i++)
                *texts[i] = arena_slice(arena, *texts[i]);
        copy_conditions(arena, &to->conditions);
}

void gateway_state_set_generation(struct gateway_state *state, const struct state_generation *g)
{
        pthread_mutex_lock(&state->lock);
        arena_reset(&state->arena);
        state->generation = *g;
        struct state_listener *listeners =
                ARENA_ARRAY(&state->arena, struct state_listener, g->listener_count + 1);
        for (size_t i = 0; i < g->listener_count; i++) {
                listeners[i] = g->listeners[i];
                copy_listener(&state->arena, &listeners[i]);
        }
        state->generation.listeners = listeners;
        struct state_gateway *gateways =
                ARENA_ARRAY(&state->arena, struct state_gateway, g->gateway_count + 1);
        for (size_t i = 0; i < g->gateway_count; i++) {
                gateways[i] = g->gateways[i];
                copy_gateway(&state->arena, &gateways[i]);
        }
        state->generation.gateways = gateways;
        pthread_mutex_unlock(&state->lock);
}

void gateway_state_set_probes(struct gateway_state *state, size_t count, struct slice failure)
{
        pthread_mutex_lock(&state->lock);
        size_t failed = failure.len > 0;
        state->probes_failed += failed;
        state->probes_passed += count - failed;
        buffer_clear(&state->probe_failure);
        buffer_append(&state->probe_failure, slice_sub(failure, 0, state->probe_failure.max));
        pthread_mutex_unlock(&state->lock);
}

void gateway_state_set_draining(struct gateway_state *state)
{
        pthread_mutex_lock(&state->lock);
        state->draining = true;
        pthread_mutex_unlock(&state->lock);
}

void gateway_state_set_source_error(struct gateway_state *state, struct slice text)
{
        pthread_mutex_lock(&state->lock);
        if (state->source_error.len == 0)
                state->source_error_ms = now_ms();
        if (text.len > 0)
                state->source_error_last_ms = now_ms();
        buffer_clear(&state->source_error);
        buffer_append(&state->source_error, slice_sub(text, 0, state->source_error.max));
        pthread_mutex_unlock(&state->lock);
}

void gateway_state_set_sources(struct gateway_state *state, const struct state_source *sources,
                               size_t count)
{
        pthread_mutex_lock(&state->lock);
        state->source_count = count < STATE_SOURCES_MAX ? count : STATE_SOURCES_MAX;
        memcpy(state->sources, sources, state->source_count * sizeof(*sources));
        pthread_mutex_unlock(&state->lock);
}

/* One that was never heard has been silent since the start. */
static double silence_s(const struct gateway_state *state, const struct state_source *source)
{
        uint64_t since = source->heard_ms ? source->heard_ms : state->started_monotonic_ms;
        uint64_t now = monotonic_ms();
        return now > since ? (double)(now - since) / 1000 : 0;
}

static uint64_t worker_generation(const struct gateway_state *state, size_t worker)
{
        return counter_get(&event_hub_counters(state->hub, worker)->generation);
}

/* Any generation will do: while a new one is being adopted, the one before serves. */
static const char *readiness(const struct gateway_state *state)
{
        if (state->draining)
                return "draining";
        if (state->generation.number == 0)
                return "no_generation";
        for (size_t i = 0; i < event_hub_workers(state->hub); i++)
                if (worker_generation(state, i) == 0)
                        return "workers_not_serving";
        return "ready";
}

const char *gateway_state_readiness(struct gateway_state *state)
{
        pthread_mutex_lock(&state->lock);
        const char *token = readiness(state);
        pthread_mutex_unlock(&state->lock);
        return token;
}

static void field_time(struct json_writer *w, const char *key, int64_t unix_ms)
{
        char text[TIME_SIZE];
        json_field_text(w, key, time_print_ms(unix_ms, text));
}

/* ---- what the workers have to prove ---- */

struct progress { /* of the newest generation */
        size_t workers, serving, judged;
        char serves[96], judges[96];
        struct slice probe_failure;
};

static void progress_read(const struct gateway_state *state, struct progress *progress)
{
        uint64_t newest = state->generation.number;
        *progress = (struct progress){.workers = event_hub_workers(state->hub),
                                      .probe_failure = buffer_slice(&state->probe_failure)};
        for (size_t i = 0; i < progress->workers; i++) {
                const struct worker_counters *counters = event_hub_counters(state->hub, i);
                progress->serving += counter_get(&counters->generation) >= newest;
                progress->judged += counter_get(&counters->judged_generation) >= newest;
        }
        snprintf(progress->serves, sizeof(progress->serves),
                 "generation %llu is served by %zu of %zu workers", (unsigned long long)newest,
                 progress->serving, progress->workers);
        snprintf(progress->judges, sizeof(progress->judges),
                 "%zu of %zu workers have judged their open connections by generation %llu",
                 progress->judged, progress->workers, (unsigned long long)newest);
}

void gateway_state_missing(struct gateway_state *state, struct state_missing *missing)
{
        struct progress progress;
        *missing = (struct state_missing){0};
        pthread_mutex_lock(&state->lock);
        progress_read(state, &progress);
        if (progress.serving < progress.workers)
                memcpy(missing->unserved, progress.serves, sizeof(missing->unserved));
        if (progress.judged < progress.workers)
                memcpy(missing->unjudged, progress.judges, sizeof(missing->unjudged));
        snprintf(missing->probe_failure, sizeof(missing->probe_failure), "%.*s",
                 SLICE_ARG(progress.probe_failure));
        pthread_mutex_unlock(&state->lock);
}

static struct state_condition not_yet(const struct state_condition *condition, const char *reason,
                                      struct slice message)
{
        struct state_condition now = *condition;
        now.holds = false;
        now.reason = slice_of(reason);
        now.message = message;
        return now;
}

/* The condition as it is now. */
static struct state_condition proven(const struct progress *progress,
                                     const struct state_condition *condition)
{
        if (!condition->holds || condition->proof == PROOF_NONE)
                return *condition;
        bool enforced = condition->proof == PROOF_ENFORCED;
        if (enforced && progress->probe_failure.len > 0)
                return not_yet(condition, "ProbeFailed", progress->probe_failure);
        if (progress->serving < progress->workers)
                return not_yet(condition, "Pending", slice_of(progress->serves));
        if (enforced && progress->judged < progress->workers)
                return not_yet(condition, "Pending", slice_of(progress->judges));
        return *condition;
}

static bool is_programmed(const struct progress *progress, const struct state_conditions *all)
{
        for (size_t i = 0; i < all->count; i++)
                if (slice_is(all->items[i].type, "Programmed"))
                        return proven(progress, &all->items[i]).holds;
        return false;
}

/* ---- print ---- */

static void print_conditions(struct json_writer *w, const struct progress *progress,
                             const struct state_conditions *all)
{
        json_key(w, SLICE("conditions"));
        json_begin_array(w);
        for (size_t i = 0; i < all->count; i++) {
                struct state_condition now = proven(progress, &all->items[i]);
                json_begin_object(w);
                json_field_string(w, "type", now.type);
                json_field_text(w, "status", now.holds ? "True" : "False");
                json_field_string(w, "reason", now.reason);
                json_field_string(w, "message", now.message);
                json_end_object(w);
        }
        json_end_array(w);
}

static void print_listener(struct json_writer *w, const struct progress *progress,
                           const struct state_listener *l)
{
        json_begin_object(w);
        json_field_string(w, "gateway", l->gateway);
        json_field_string(w, "name", l->name);
        json_field_string(w, "address", l->address);
        json_field_string(w, "protocol", l->protocol);
        field_known(w, "hostname", l->hostname);
        field_known(w, "mode", l->mode);
        json_field_bool(w, "programmed", is_programmed(progress, &l->conditions));
        json_field_bool(w, "pinned", l->pinned);
        json_field_unsigned(w, "pins", l->pins);
        field_digest(w, "digest", &l->digest);
        print_conditions(w, progress, &l->conditions);
        json_end_object(w);
}

static void print_listeners(struct json_writer *w, const struct progress *progress,
                            const struct state_generation *g)
{
        json_key(w, SLICE("gateways"));
        json_begin_array(w);
        for (size_t i = 0; i < g->gateway_count; i++) {
                json_begin_object(w);
                json_field_string(w, "name", g->gateways[i].name);
                print_conditions(w, progress, &g->gateways[i].conditions);
                json_end_object(w);
        }
        json_end_array(w);
        json_key(w, SLICE("listeners"));
        json_begin_array(w);
        for (size_t i = 0; i < g->listener_count; i++)
                print_listener(w, progress, &g->listeners[i]);
        json_end_array(w);
}

static void print_generation(struct json_writer *w, const struct state_generation *g)
{
        json_key(w, SLICE("generation"));
        json_begin_object(w);
        json_field_unsigned(w, "number", g->number);
        field_digest(w, "digest", &g->digest);
        if (g->number)
                field_time(w, "published", g->published_ms);
        json_field_unsigned(w, "pins", g->pins);
        json_field_unsigned(w, "routes", g->routes);
        json_end_object(w);
}

static void field_expiry(struct json_writer *w, const char *key, int64_t unix_s)
{
        if (unix_s != EXPIRY_NONE)
                field_time(w, key, unix_s * 1000);
}

static void print_expiries(struct json_writer *w, const struct expiries *e)
{
        json_key(w, SLICE("expires"));
        json_begin_object(w);
        field_expiry(w, "cas", e->cas);
        field_expiry(w, "crls", e->crls);
        field_expiry(w, "server_certificates", e->server_certificates);
        json_end_object(w);
}

static void print_worker(struct json_writer *w, const struct worker_counters *c)
{
        json_begin_object(w);
        json_field_unsigned(w, "generation", counter_get(&c->generation));
        json_field_unsigned(w, "judged_generation", counter_get(&c->judged_generation));
        json_field_unsigned(w, "handshaking", counter_get(&c->connections_handshaking));
        json_field_unsigned(w, "serving", counter_get(&c->connections_serving));
        json_field_unsigned(w, "draining", counter_get(&c->connections_draining));
        json_field_unsigned(w, "admitted",
                            counter_get(&c->handshakes_accepted) +
                                    counter_get(&c->handshakes_unverified));
        json_field_unsigned(w, "refused", counter_get(&c->handshakes_refused));
        json_field_unsigned(w, "ejected_endpoints", counter_get(&c->upstream_ejected));
        json_end_object(w);
}

static void print_sources(struct json_writer *w, const struct gateway_state *state)
{
        json_key(w, SLICE("sources"));
        json_begin_array(w);
        for (size_t i = 0; i < state->source_count; i++) {
                const struct state_source *source = &state->sources[i];
                char seconds[32];
                snprintf(seconds, sizeof(seconds), "%.1f", silence_s(state, source));
                json_begin_object(w);
                json_field_text(w, "kind", source->kind);
                json_field_bool(w, "synced", source->synced);
                json_key(w, SLICE("seconds_since_heard"));
                json_write_number(w, slice_of(seconds));
                json_end_object(w);
        }
        json_end_array(w);
}

void gateway_state_print(struct gateway_state *state, struct pin_ledger *pins,
                         struct json_writer *w)
{
        struct progress progress;
        pthread_mutex_lock(&state->lock);
        progress_read(state, &progress);
        json_begin_object(w);
        json_field_text(w, "version", PINGATE_VERSION);
        field_time(w, "started", state->started_ms);
        json_field_integer(w, "uptime_s", (now_ms() - state->started_ms) / 1000);
        json_field_text(w, "readiness", readiness(state));
        print_generation(w, &state->generation);
        if (state->generation.number)
                print_expiries(w, &state->generation.expires);
        if (pins) {
                json_key(w, SLICE("pins"));
                pin_ledger_print(pins, now_ms(), w);
        }
        print_listeners(w, &progress, &state->generation);
        json_key(w, SLICE("workers"));
        json_begin_array(w);
        for (size_t i = 0; i < event_hub_workers(state->hub); i++)
                print_worker(w, event_hub_counters(state->hub, i));
        json_end_array(w);
        json_key(w, SLICE("source_error"));
        if (state->source_error.len > 0) {
                json_begin_object(w);
                field_time(w, "since", state->source_error_ms);
                field_known(w, "says", buffer_slice(&state->source_error));
                json_end_object(w);
        } else {
                json_write_null(w);
        }
        if (state->source_count > 0)
                print_sources(w, state);
        json_end_object(w);
        pthread_mutex_unlock(&state->lock);
}

void gateway_state_measure(struct gateway_state *state, struct metrics_extra *extra)
{
        pthread_mutex_lock(&state->lock);
        extra->ready = slice_is(slice_of(readiness(state)), "ready");
        extra->generation = state->generation.number;
        extra->published_ms = state->generation.published_ms;
        extra->expires = state->generation.expires;
        extra->source_error_ms = state->source_error_last_ms;
        extra->pins = state->generation.pins;
        extra->listeners = state->generation.listener_count;
        extra->source_failing = state->source_error.len > 0;
        extra->probes_passed = state->probes_passed;
        extra->probes_failed = state->probes_failed;
        extra->probe_failing = state->probe_failure.len > 0;
        extra->source_count = state->source_count;
        for (size_t i = 0; i < state->source_count; i++) {
                extra->sources[i].kind = state->sources[i].kind;
                extra->sources[i].silence_s = silence_s(state, &state->sources[i]);
        }
        extra->started_s = (double)state->started_ms / 1000;
        pthread_mutex_unlock(&state->lock);
}
