#include "trust/pin_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "trust/pin_set_table.h"

struct pin_set *pin_set_ref(struct pin_set *set)
{
        atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
        return set;
}

void pin_set_unref(struct pin_set *set)
{
        if (!set || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1)
                return;
        for (int kind = 0; kind < PIN_KIND_COUNT; kind++) {
                free(set->tables[kind].entries);
                free(set->tables[kind].starts);
        }
        free(set->records);
        free(set->texts);
        free(set);
}

size_t pin_set_count(const struct pin_set *set)
{
        size_t count = 0;
        for (int kind = 0; kind < PIN_KIND_COUNT; kind++)
                count += set->tables[kind].count;
        return count;
}

size_t pin_set_bytes(const struct pin_set *set)
{
        size_t bytes = sizeof(*set) + set->records_len + set->texts_len;
        for (int kind = 0; kind < PIN_KIND_COUNT; kind++) {
                const struct pin_table *table = &set->tables[kind];
                size_t buckets = table->shift == 32 ? 1 : (size_t)1 << (32 - table->shift);
                bytes += table->count * sizeof(*table->entries);
                bytes += (buckets + 1) * sizeof(*table->starts);
        }
        return bytes;
}

int64_t pin_set_first_end(const struct pin_set *set)
{
        return set->first_end;
}

const struct pin_faults *pin_set_faults(const struct pin_set *set)
{
        return &set->faults;
}

const struct digest *pin_set_digest(const struct pin_set *set)
{
        return &set->digest;
}

static struct slice text_at(const struct pin_set *set, uint32_t place)
{
        return slice_from(set->texts + place + 1, set->texts[place]);
}

struct pin_match pin_set_record(const struct pin_set *set, uint32_t record)
{
        struct pin_match match = {.not_before = PIN_ALWAYS_FROM, .not_after = PIN_ALWAYS_UNTIL};
        if (record == 0)
                return match;
        const unsigned char *at = set->records + record;
        unsigned flags = *at++;
        uint32_t place;
        if (flags & RECORD_NAME) {
                memcpy(&place, at, sizeof(place));
                match.name = text_at(set, place);
                at += sizeof(place);
        }
        if (flags & RECORD_OWNER) {
                memcpy(&place, at, sizeof(place));
                match.owner = text_at(set, place);
                at += sizeof(place);
        }
        if (flags & RECORD_NOT_BEFORE) {
                memcpy(&match.not_before, at, sizeof(match.not_before));
                at += sizeof(match.not_before);
        }
        if (flags & RECORD_NOT_AFTER)
                memcpy(&match.not_after, at, sizeof(match.not_after));
        return match;
}

/* The first entry that is not before the digest. */
static uint32_t lower_bound(const struct pin_table *table, const struct digest *digest)
{
        uint32_t bucket = pin_bucket(table, digest);
        uint32_t low = table->starts[bucket], high = table->starts[bucket + 1];
        while (low < high) {
                uint32_t middle = low + (high - low) / 2;
                if (digest_compare(&table->entries[middle].digest, digest) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

enum pin_presence pin_set_find(const struct pin_set *set, enum pin_kind kind,
                               const struct digest *digest, int64_t now, struct pin_match *match)
{
        must((unsigned)kind < PIN_KIND_COUNT);
        const struct pin_table *table = &set->tables[kind];
        enum pin_presence presence = PIN_ABSENT;
        for (uint32_t i = lower_bound(table, digest);
             i < table->count && digest_equal(&table->entries[i].digest, digest); i++) {
                struct pin_match here = pin_set_record(set, table->entries[i].record);
                bool open = here.not_before <= now && now < here.not_after;
                enum pin_presence found = open ? PIN_OPEN : PIN_CLOSED;
                if (found > presence || (found == presence && here.not_after > match->not_after))
                        *match = here;
                presence = found > presence ? found : presence;
        }
        return presence;
}

int64_t pin_set_opens_at(const struct pin_set *set, enum pin_kind kind, const struct digest *digest,
                         int64_t now)
{
        must((unsigned)kind < PIN_KIND_COUNT);
        const struct pin_table *table = &set->tables[kind];
        int64_t at = PIN_ALWAYS_UNTIL;
        for (uint32_t i = lower_bound(table, digest);
             i < table->count && digest_equal(&table->entries[i].digest, digest); i++) {
                struct pin_match here = pin_set_record(set, table->entries[i].record);
                if (here.not_before > now && here.not_before < at)
                        at = here.not_before;
        }
        return at;
}

static struct pin pin_at(const struct pin_set *set, int kind, uint32_t index)
{
        const struct pin_entry *entry = &set->tables[kind].entries[index];
        struct pin_match match = pin_set_record(set, entry->record);
        return (struct pin){.kind = (enum pin_kind)kind,
                            .digest = entry->digest,
                            .name = match.name,
                            .owner = match.owner,
                            .not_before = match.not_before,
                            .not_after = match.not_after};
}

bool pin_set_next(const struct pin_set *set, size_t *at, struct pin *pin)
{
        size_t index = (*at)++;
        for (int kind = 0; kind < PIN_KIND_COUNT; kind++) {
                const struct pin_table *table = &set->tables[kind];
                if (index >= table->count) {
                        index -= table->count;
                        continue;
                }
                *pin = pin_at(set, kind, (uint32_t)index);
                return true;
        }
        return false;
}

/* Whether the table has the digest; *at only ever moves forward, in leaps that double: a few pins
 * beside a million cost no million steps. */
static bool table_meets(const struct pin_table *table, uint32_t *at, const struct digest *digest)
{
        size_t low = *at, high = *at;
        for (size_t leap = 1; high < table->count; leap *= 2) {
                if (digest_compare(&table->entries[high].digest, digest) >= 0)
                        break;
                low = high + 1;
                high = low + leap;
        }
        high = high < table->count ? high : table->count;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (digest_compare(&table->entries[middle].digest, digest) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        *at = (uint32_t)low;
        return low < table->count && digest_equal(&table->entries[low].digest, digest);
}

bool pin_set_meets(const struct pin_set *set, struct pin_cursor *cursor, const struct pin *pin)
{
        if (cursor->kind != pin->kind)
                *cursor = (struct pin_cursor){.kind = pin->kind};
        return table_meets(&set->tables[pin->kind], &cursor->at, &pin->digest);
}

bool pin_set_next_missing(const struct pin_set *set, const struct pin_set *other,
                          struct pin_walk *walk, struct pin *pin)
{
        for (; walk->kind < PIN_KIND_COUNT; *walk = (struct pin_walk){.kind = walk->kind + 1}) {
                const struct pin_table *table = &set->tables[walk->kind];
                while (walk->at < table->count) {
                        uint32_t at = walk->at++;
                        if (table_meets(&other->tables[walk->kind], &walk->other_at,
                                        &table->entries[at].digest))
                                continue;
                        *pin = pin_at(set, walk->kind, at);
                        return true;
                }
        }
        return false;
}
