/* What one worker counts. Written by that worker alone, read by any thread at any time: plain loads
 * and stores of relaxed atomics, no read-modify-write, so counting costs an addition. Sums over
 * workers are made by the reader. The emitters (event/emit.h) do handshakes, refusal reasons,
 * requests by status, bodies and durations; all else is the worker's to count where it happens. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/reason.h"

struct counter {
        _Atomic uint64_t value;
};

enum {
        /* Upper bounds in microseconds are in counters.c; the last bucket has none. */
        HISTOGRAM_BUCKETS = 16,
};

struct histogram {
        struct counter buckets[HISTOGRAM_BUCKETS]; /* not cumulative */
        struct counter sum_us;
};

struct worker_counters {
#define COUNTER(field, metric, labels, help) struct counter field;
#define GAUGE(field, metric, labels, help)   struct counter field;
#include "event/counters.def"
#undef COUNTER
#undef GAUGE
        /* By reason; and what ReportOnly policies would have refused. */
        struct counter refused[REASON_COUNT], would_refuse[REASON_COUNT];
        struct counter requests_refused[REASON_COUNT], requests_would_refuse[REASON_COUNT];
        struct counter backend_tls_refused[REASON_COUNT]; /* backends, by us */
        struct histogram handshake_us, request_us, upstream_us;
};

static inline uint64_t counter_get(const struct counter *c)
{
        return atomic_load_explicit(&c->value, memory_order_relaxed);
}

static inline void counter_set(struct counter *c, uint64_t value)
{
        atomic_store_explicit(&c->value, value, memory_order_relaxed);
}

static inline void counter_add(struct counter *c, uint64_t n)
{
        counter_set(c, counter_get(c) + n);
}

static inline void counter_sub(struct counter *c, uint64_t n)
{
        counter_set(c, counter_get(c) - n);
}

void histogram_add(struct histogram *h, uint64_t us);
/* Upper bound of a bucket in microseconds; UINT64_MAX for the last. */
uint64_t histogram_bound_us(unsigned bucket);
