/* A bounded ring of events with one producer and one consumer thread, without locks (C11 atomics).
 * The producer never waits: where there is no room the record is dropped and counted, and the next
 * record that fits carries that count, so the consumer can say how many are missing and where. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"

struct event_ring;

struct event_ring *event_ring_new(size_t slots); /* rounded up to a power of two */
void event_ring_free(struct event_ring *ring);

/* Producer. The slot to fill, or NULL (counted as lost); commit hands it over. Text is not zeroed.
 */
struct event *event_ring_reserve(struct event_ring *ring);
void event_ring_commit(struct event_ring *ring);
bool event_ring_has_room(struct event_ring *ring); /* stays true until the producer commits */

/* Consumer. The oldest record, or NULL; it may be read until release. *lost: how many were dropped
 * between the record before and this one (or the end, where NULL is returned). */
const struct event *event_ring_peek(struct event_ring *ring, uint64_t *lost);
void event_ring_release(struct event_ring *ring);
bool event_ring_is_empty(const struct event_ring *ring);

uint64_t event_ring_lost(const struct event_ring *ring); /* since birth; any thread */
