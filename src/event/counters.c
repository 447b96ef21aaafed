#include "event/counters.h"

/* Half a millisecond to ten seconds: a handshake on a quiet machine lies in the first, its deadline
 * in the last. */
static const uint64_t bounds_us[HISTOGRAM_BUCKETS] = {
        250,    500,    1000,   2500,    5000,    10000,   25000,    50000,
        100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, UINT64_MAX,
};

uint64_t histogram_bound_us(unsigned bucket)
{
        return bounds_us[bucket];
}

void histogram_add(struct histogram *h, uint64_t us)
{
        unsigned bucket = 0;
        while (us > bounds_us[bucket])
                bucket++;
        counter_add(&h->buckets[bucket], 1);
        counter_add(&h->sum_us, us);
}
