#include "proxy/address_counts.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"
#include "base/must.h"

enum {
        COUNT_BITS = 24,
        V4_BYTES = 4,
        V6_BYTES = 8, /* a /64 */
};
#define COUNT_MAX ((UINT64_C(1) << COUNT_BITS) - 1)

/* The upper bits of an address' hash, and how many are in. At count 0 anybody may take it. */
struct address_seat {
        _Atomic uint64_t word;
};

struct address_counts {
        uint64_t each_max, bucket_mask;
        struct address_seat *seats;
};

struct address_counts *address_counts_new(uint64_t each_max, uint64_t connections_max)
{
        if (each_max == 0)
                return NULL;
        struct address_counts *counts = NEW(struct address_counts);
        uint64_t count = ADDRESS_BUCKET_SEATS;
        while (count < ADDRESS_SEATS_MAX && count / ADDRESS_SEATS_PER_CONNECTION < connections_max)
                count *= 2;
        counts->each_max = each_max < COUNT_MAX ? each_max : COUNT_MAX;
        counts->bucket_mask = count / ADDRESS_BUCKET_SEATS - 1;
        counts->seats = memory_new(count * sizeof(struct address_seat));
        return counts;
}

void address_counts_free(struct address_counts *counts)
{
        if (!counts)
                return;
        free(counts->seats);
        free(counts);
}

static uint64_t hash_of(const struct event_address *address)
{
        unsigned char key[1 + V6_BYTES] = {address->family};
        size_t len = address->family == 4 ? V4_BYTES : V6_BYTES;
        memcpy(key + 1, address->bytes, len);
        return hash_bytes(key, 1 + len);
}

struct look {
        struct address_seat *seat; /* its own, else a free one; NULL: neither */
        uint64_t word;             /* that was seen there */
        uint64_t total;            /* that are in */
};

static struct look look_for(struct address_seat *bucket, uint64_t mark)
{
        struct look look = {0};
        bool own = false;
        for (size_t i = 0; i < ADDRESS_BUCKET_SEATS; i++) {
                uint64_t word = atomic_load(&bucket[i].word);
                bool its = word >> COUNT_BITS == mark;
                if (its)
                        look.total += word & COUNT_MAX;
                if ((its && !own) || ((word & COUNT_MAX) == 0 && !look.seat)) {
                        look.seat = &bucket[i];
                        look.word = word;
                        own = own || its;
                }
        }
        return look;
}

bool address_counts_enter(struct address_counts *counts, const struct event_address *address,
                          struct address_seat **seat)
{
        *seat = NULL;
        if (!counts || address->family == 0)
                return true;
        uint64_t hash = hash_of(address), mark = hash >> COUNT_BITS;
        struct address_seat *bucket =
                &counts->seats[(hash & counts->bucket_mask) * ADDRESS_BUCKET_SEATS];
        struct look look;
        uint64_t taken;
        do {
                look = look_for(bucket, mark);
                if (look.total >= counts->each_max)
                        return false;
                if (!look.seat) /* a cap on one may not keep out others */
                        return true;
                taken = (mark << COUNT_BITS) | ((look.word & COUNT_MAX) + 1);
        } while (!atomic_compare_exchange_strong(&look.seat->word, &look.word, taken));
        /* Only where it has two seats can others have come in meanwhile. Who is in stays in the
         * seat that it took, so of too many the last to come sees all others. */
        if (look_for(bucket, mark).total > counts->each_max) {
                address_seat_leave(look.seat);
                return false;
        }
        *seat = look.seat;
        return true;
}

void address_seat_leave(struct address_seat *seat)
{
        if (!seat)
                return;
        uint64_t former = atomic_fetch_sub(&seat->word, 1);
        must((former & COUNT_MAX) > 0);
}
