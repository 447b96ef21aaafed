/* The frozen order of a pin set: its tables, sorted, and its digests. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "trust/hash.h"
#include "trust/pin_set_table.h"

enum {
        FEW = 16, /* entries that are sorted by insertion */
        FIRST_BITS = 10,
        NEXT_BITS = 8,
};

/* Windows, name and owner in an order of their own, so that the order of lines leaves no trace. */
static int compare_records(const struct pin_set *set, uint32_t a, uint32_t b)
{
        if (a == b)
                return 0;
        struct pin_match x = pin_set_record(set, a), y = pin_set_record(set, b);
        if (x.not_before != y.not_before)
                return x.not_before < y.not_before ? -1 : 1;
        if (x.not_after != y.not_after)
                return x.not_after < y.not_after ? -1 : 1;
        int order = slice_compare(x.name, y.name);
        return order != 0 ? order : slice_compare(x.owner, y.owner);
}

static int compare_entries(const struct pin_set *set, const struct pin_entry *a,
                           const struct pin_entry *b)
{
        /* Nearly always decides, without a call. */
        uint32_t first_a = pin_prefix(&a->digest), first_b = pin_prefix(&b->digest);
        if (first_a != first_b)
                return first_a < first_b ? -1 : 1;
        int order = digest_compare(&a->digest, &b->digest);
        return order != 0 ? order : compare_records(set, a->record, b->record);
}

static int compare_by_qsort(const void *a, const void *b, void *set)
{
        return compare_entries(set, a, b);
}

static void sort_few(const struct pin_set *set, struct pin_entry *entries, size_t count)
{
        for (size_t i = 1; i < count; i++) {
                if (compare_entries(set, &entries[i - 1], &entries[i]) <= 0)
                        continue;
                struct pin_entry moved = entries[i];
                size_t at = i;
                for (; at > 0 && compare_entries(set, &entries[at - 1], &moved) > 0; at--)
                        entries[at] = entries[at - 1];
                entries[at] = moved;
        }
}

/* Where the ranges of entries that share their next bits begin and end. */
struct ranges {
        unsigned offset, bits; /* which bits of the digest, from its front */
        uint32_t next[1 << FIRST_BITS], end[1 << FIRST_BITS];
};

static unsigned range_of(const struct ranges *ranges, const struct pin_entry *entry)
{
        uint64_t front;
        memcpy(&front, entry->digest.bytes, sizeof(front));
        return (unsigned)(be64toh(front) << ranges->offset >> (64 - ranges->bits));
}

static void ranges_count(struct ranges *ranges, const struct pin_entry *entries, size_t count)
{
        uint32_t begin = 0;
        memset(ranges->next, 0, sizeof(ranges->next[0]) << ranges->bits);
        for (size_t i = 0; i < count; i++)
                ranges->next[range_of(ranges, &entries[i])]++;
        for (size_t r = 0; r < (size_t)1 << ranges->bits; r++) {
                uint32_t size = ranges->next[r];
                ranges->next[r] = begin;
                ranges->end[r] = begin += size;
        }
}

/* Each entry into its range, in place (an American flag sort). */
static void partition(struct ranges *ranges, struct pin_entry *entries)
{
        for (unsigned r = 0; r < 1U << ranges->bits; r++) {
                while (ranges->next[r] < ranges->end[r]) {
                        struct pin_entry held = entries[ranges->next[r]];
                        unsigned to = range_of(ranges, &held);
                        while (to != r) {
                                struct pin_entry out = entries[ranges->next[to]];
                                entries[ranges->next[to]++] = held;
                                held = out;
                                to = range_of(ranges, &held);
                        }
                        entries[ranges->next[r]++] = held;
                }
        }
}

static void sort(const struct pin_set *set, struct pin_entry *entries, size_t count,
                 unsigned offset);

static void sort_many(const struct pin_set *set, struct pin_entry *entries, size_t count,
                      unsigned offset)
{
        struct ranges ranges = {.offset = offset, .bits = NEXT_BITS};
        uint32_t begin = 0;
        ranges_count(&ranges, entries, count);
        partition(&ranges, entries);
        for (size_t r = 0; r < 1 << NEXT_BITS; begin = ranges.end[r++])
                sort(set, entries + begin, ranges.end[r] - begin, offset + NEXT_BITS);
}

static void sort(const struct pin_set *set, struct pin_entry *entries, size_t count,
                 unsigned offset)
{
        if (count <= FEW)
                sort_few(set, entries, count);
        else if (offset + NEXT_BITS > 64) /* such digests were made to share so much */
                qsort_r(entries, count, sizeof(*entries), compare_by_qsort, (void *)(uintptr_t)set);
        else
                sort_many(set, entries, count, offset);
}

/* The first bits from one table to the other: in place, each exchange would wait for memory, while
 * writes need not be waited for. The ranges that it leaves fit into a processor's cache. */
static void sort_into(const struct pin_set *set, struct pin_entry *to, const struct pin_entry *from,
                      size_t count)
{
        struct ranges ranges = {.bits = FIRST_BITS};
        uint32_t begin = 0;
        ranges_count(&ranges, from, count);
        for (size_t i = 0; i < count; i++)
                to[ranges.next[range_of(&ranges, &from[i])]++] = from[i];
        for (size_t r = 0; r < 1 << FIRST_BITS; begin = ranges.end[r++])
                sort(set, to + begin, ranges.end[r] - begin, FIRST_BITS);
}

static void drop_duplicates(const struct pin_set *set, struct pin_table *table)
{
        uint32_t kept = 0;
        for (uint32_t i = 0; i < table->count; i++) {
                struct pin_entry *entry = &table->entries[i];
                if (kept > 0 && compare_entries(set, &table->entries[kept - 1], entry) == 0)
                        continue;
                if (kept != i)
                        table->entries[kept] = *entry;
                kept++;
        }
        table->count = kept;
}

/* Buckets of about four. */
static unsigned shift_for(size_t count)
{
        unsigned bits = 0;
        while (bits < 24 && ((size_t)4 << bits) < count)
                bits++;
        return 32 - bits;
}

static void index_build(struct pin_table *table)
{
        table->shift = shift_for(table->count);
        size_t buckets = (size_t)1 << (32 - table->shift), done = 0;
        table->starts = memory_new((buckets + 1) * sizeof(uint32_t));
        for (uint32_t i = 0; i < table->count; i++)
                for (uint32_t in = pin_bucket(table, &table->entries[i].digest); done <= in; done++)
                        table->starts[done] = i;
        for (; done <= buckets; done++)
                table->starts[done] = table->count;
}

void pin_table_build(const struct pin_set *set, struct pin_table *table,
                     const struct pin_entry *staged, size_t count)
{
        table->count = (uint32_t)count;
        table->entries = memory_new(count * sizeof(*table->entries));
        sort_into(set, table->entries, staged, count);
        drop_duplicates(set, table);
        index_build(table);
}

/* --- the digest --- */

enum {
        AHEAD = 16, /* entries for which memory is asked early */
        GATHERED_BYTES = 4096,
        PIN_FLAT_MAX = DIGEST_BYTES + 1 + 4 * 8 + 2 * UINT8_MAX, /* what one pin adds */
};

/* Pins in one line of bytes, hashed in large pieces: a call for each part of each pin costs more
 * than hashing it. The bytes are those that hasher_bytes and hasher_number would give. */
struct gathered {
        struct hasher *hasher;
        size_t len;
        unsigned char bytes[GATHERED_BYTES];
};

static void gather(struct gathered *to, const void *bytes, size_t len)
{
        memcpy(to->bytes + to->len, bytes, len);
        to->len += len;
}

static void gather_number(struct gathered *to, int64_t number)
{
        unsigned char bytes[8];
        for (int i = 0; i < 8; i++)
                bytes[i] = (unsigned char)((uint64_t)number >> (56 - 8 * i));
        gather(to, bytes, sizeof(bytes));
}

static void gather_text(struct gathered *to, struct slice text)
{
        gather_number(to, (int64_t)text.len);
        if (text.len > 0)
                gather(to, text.data, text.len);
}

static void gathered_hash(struct gathered *from)
{
        hasher_raw(from->hasher, from->bytes, from->len);
        from->len = 0;
}

static void gather_pin(struct gathered *to, const struct pin_set *set, const struct pin_entry *pin)
{
        unsigned char has_record = pin->record != 0;
        if (to->len + PIN_FLAT_MAX > sizeof(to->bytes))
                gathered_hash(to);
        gather(to, pin->digest.bytes, DIGEST_BYTES);
        gather(to, &has_record, 1);
        if (!has_record)
                return;
        struct pin_match match = pin_set_record(set, pin->record);
        gather_text(to, match.name);
        gather_text(to, match.owner);
        gather_number(to, match.not_before);
        gather_number(to, match.not_after);
}

/* Records and texts stand in the order of the lines, entries in that of their digests: not asked
 * for early, each would be waited for. (gcc drops calls of functions that only prefetch.) */
__attribute__((always_inline)) static inline void
ask_early(const struct pin_set *set, const struct pin_table *table, uint32_t i)
{
        uint32_t places[2] = {0};
        if (i + 2 * AHEAD < table->count)
                __builtin_prefetch(set->records + table->entries[i + 2 * AHEAD].record);
        if (i + AHEAD >= table->count || table->entries[i + AHEAD].record == 0)
                return;
        const unsigned char *record = set->records + table->entries[i + AHEAD].record;
        if (*record & (RECORD_NAME | RECORD_OWNER))
                memcpy(&places[0], record + 1, sizeof(places[0]));
        if ((*record & (RECORD_NAME | RECORD_OWNER)) == (RECORD_NAME | RECORD_OWNER))
                memcpy(&places[1], record + 1 + sizeof(places[0]), sizeof(places[1]));
        __builtin_prefetch(set->texts + places[0]);
        __builtin_prefetch(set->texts + places[1]);
}

struct digest pin_set_hash(const struct pin_set *set)
{
        struct hasher hasher;
        struct gathered gathered = {.hasher = &hasher};
        hasher_init(&hasher, "pin_set 1");
        for (int kind = 0; kind < PIN_KIND_COUNT; kind++) {
                const struct pin_table *table = &set->tables[kind];
                if (table->count == 0)
                        continue; /* a kind more leaves the digests of sets without it */
                hasher_number(&hasher, kind);
                hasher_number(&hasher, table->count);
                for (uint32_t i = 0; i < table->count; i++) {
                        ask_early(set, table, i);
                        gather_pin(&gathered, set, &table->entries[i]);
                }
                gathered_hash(&gathered);
        }
        return hasher_done(&hasher);
}

struct digest pin_set_identity(const struct pin_set *set)
{
        const struct pin_faults *faults = &set->faults;
        struct hasher hasher;
        hasher_init(&hasher, "pin_set and faults 1");
        hasher_digest(&hasher, &set->digest);
        hasher_number(&hasher, (int64_t)faults->count);
        for (size_t i = 0; i < faults->count && i < PIN_FAULTS_KEPT; i++) {
                hasher_number(&hasher, (int64_t)faults->kept[i].line);
                hasher_bytes(&hasher, slice_of(faults->kept[i].text));
        }
        return hasher_done(&hasher);
}
