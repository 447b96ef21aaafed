/* How a thread says what happened. Each producing thread (worker or control) has one sink, with two
 * rings: admissions have their own, so that no flood of refusals or requests can push them out.
 * Emitting copies one record and adds to the sink's counters: counters are never lossy, so accepted
 * + refused = handshakes holds whatever the rings drop (I44). Nothing here waits or allocates.
 *
 * A flood of refusals for one reason is folded: in a calm second the first EVENT_FOLD_FULL of them
 * are written in full and the others counted; while it lasts, one is written in full each second.
 * So for handshakes, connections and requests, whose access records are not folded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "event/counters.h"
#include "event/facts.h"

enum {
        EVENT_FOLD_FULL = 32, /* refusals of one reason in one second on one worker */
        EVENT_RING_SLOTS = 1024,
        EVENT_ACCEPT_SLOTS = 1024,
};

struct event_ring;
struct event_sink;
/* All sinks and the wake-up of their one consumer. Made by cli/run.c before any thread starts,
 * freed after all have ended. Sinks 0 to workers - 1 are the workers'; sink `workers` is control's.
 */
struct event_hub;

struct event_hub_options {
        size_t workers;
        size_t ring_slots, accept_slots; /* 0: as above */
};

struct event_hub *event_hub_new(const struct event_hub_options *options, struct error *err);
void event_hub_free(struct event_hub *hub);
size_t event_hub_workers(const struct event_hub *hub);
struct event_sink *event_hub_sink(struct event_hub *hub, size_t index);
struct event_sink *event_hub_control(struct event_hub *hub);

struct worker_counters *event_sink_counters(struct event_sink *sink);
const struct worker_counters *event_hub_counters(const struct event_hub *hub, size_t index);

/* To be called at the end of each loop turn and at least once a second: writes what folding has
 * counted and wakes the consumer if it sleeps and there is anything to read. */
void event_sink_turn(struct event_sink *sink);

/* False when an admission found its ring full: nothing is recorded or counted then. Under --audit
 * strict the caller refuses with AUDIT_FULL; otherwise it calls event_handshake_lossy. Refusals are
 * always counted and always return true. */
bool event_handshake(struct event_sink *sink, const struct handshake_facts *facts);
/* The same, but an admission that finds no room is counted, and its record lost (a gap says so). */
void event_handshake_lossy(struct event_sink *sink, const struct handshake_facts *facts);
bool event_accept_has_room(struct event_sink *sink);

void event_request(struct event_sink *sink, const struct request_facts *facts);
/* Counted, and folded as well. */
void event_connection_refused(struct event_sink *sink, const struct refused_facts *facts);
void event_stream(struct event_sink *sink, const struct stream_facts *facts);
void event_connection_closed(struct event_sink *sink, const struct closed_facts *facts);
void event_generation(struct event_sink *sink, const struct generation_facts *facts);
void event_pin_change(struct event_sink *sink, const struct pin_change_facts *facts);
void event_source_error(struct event_sink *sink, const struct source_facts *facts);
void event_source_recovered(struct event_sink *sink, const struct source_facts *facts);
void event_lifecycle(struct event_sink *sink, const struct lifecycle_facts *facts);
void event_warning(struct event_sink *sink, const struct warning_facts *facts);
/* The last two with one printed text: what or where is a literal or lives for the call. */
void event_lifecyclef(struct event_sink *sink, const char *what, const char *format, ...)
        PRINTF_LIKE(3, 4);
void event_warningf(struct event_sink *sink, const char *where, const char *format, ...)
        PRINTF_LIKE(3, 4);

/* The consumer's side: the observe thread alone. */
struct event_ring *event_hub_ring(struct event_hub *hub, size_t sink, bool accepts);
int event_hub_fd(const struct event_hub *hub); /* readable once a producer has woken us */
/* Says that the consumer is about to sleep. False when there is something to read after all. */
bool event_hub_sleep(struct event_hub *hub);
