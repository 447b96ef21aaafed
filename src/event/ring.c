#include "event/ring.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/must.h"

enum {
        CACHE_LINE = 64
};

/* Indices only grow; a slot is index & mask. Each side keeps the other's index as it last saw it,
 * so that the shared lines move only when the ring looks full or empty. */
struct event_ring {
        _Alignas(CACHE_LINE) _Atomic uint64_t head; /* next to write; producer's */
        _Atomic uint64_t lost;                      /* producer's */
        uint64_t tail_seen;
        _Alignas(CACHE_LINE) _Atomic uint64_t tail; /* next to read; consumer's */
        uint64_t head_seen;
        uint64_t lost_told; /* of the losses, those that peek has reported */
        _Alignas(CACHE_LINE) uint64_t mask;
        struct event *slots;
};

struct event_ring *event_ring_new(size_t slots)
{
        size_t size = 2;
        while (size < slots)
                size *= 2;
        struct event_ring *ring = aligned_alloc(CACHE_LINE, sizeof(*ring));
        must(ring != NULL);
        *ring = (struct event_ring){.mask = size - 1};
        ring->slots = memory_new(size * sizeof(*ring->slots));
        return ring;
}

void event_ring_free(struct event_ring *ring)
{
        if (!ring)
                return;
        free(ring->slots);
        free(ring);
}

bool event_ring_has_room(struct event_ring *ring)
{
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
        if (head - ring->tail_seen <= ring->mask)
                return true;
        /* Acquire: the consumer has done reading the slots that it gave back. */
        ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
        return head - ring->tail_seen <= ring->mask;
}

struct event *event_ring_reserve(struct event_ring *ring)
{
        uint64_t lost = atomic_load_explicit(&ring->lost, memory_order_relaxed);
        if (!event_ring_has_room(ring)) {
                atomic_store_explicit(&ring->lost, lost + 1, memory_order_relaxed);
                return NULL;
        }
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
        struct event *event = &ring->slots[head & ring->mask];
        event->lost_total = lost;
        event->text_len = 0;
        event->truncated = false;
        return event;
}

void event_ring_commit(struct event_ring *ring)
{
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
        /* seq_cst, not only release: pairs with event_ring_is_empty, so that a consumer about to
         * sleep sees this record or the producer sees that it sleeps. */
        atomic_store_explicit(&ring->head, head + 1, memory_order_seq_cst);
}

const struct event *event_ring_peek(struct event_ring *ring, uint64_t *lost)
{
        uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
        /* Losses first: those counted by now came before any record that is not yet seen. */
        uint64_t lost_total = atomic_load_explicit(&ring->lost, memory_order_relaxed);
        if (ring->head_seen == tail)
                ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
        const struct event *event = NULL;
        if (ring->head_seen != tail) {
                event = &ring->slots[tail & ring->mask];
                lost_total = event->lost_total;
        }
        /* At the end of the ring more may have been told already than this record knew. */
        *lost = lost_total > ring->lost_told ? lost_total - ring->lost_told : 0;
        ring->lost_told += *lost;
        return event;
}

void event_ring_release(struct event_ring *ring)
{
        uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
        atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
}

bool event_ring_is_empty(const struct event_ring *ring)
{
        /* seq_cst: pairs with event_hub_wake, see event_hub_sleep. */
        return atomic_load_explicit(&ring->head, memory_order_seq_cst) ==
               atomic_load_explicit(&ring->tail, memory_order_relaxed);
}

uint64_t event_ring_lost(const struct event_ring *ring)
{
        return atomic_load_explicit(&ring->lost, memory_order_relaxed);
}
