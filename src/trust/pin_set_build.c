#include "trust/pin_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/must.h"
#include "base/vec.h"
#include "trust/hash.h"
#include "trust/pin_set_table.h"

struct pin_set_builder {
        VEC(struct pin_entry) entries[PIN_KIND_COUNT];
        VEC(unsigned char) records;
        VEC(unsigned char) texts;
        size_t last_record; /* where the newest record begins */
        uint32_t *interned; /* places in texts, hashed; 0: free */
        size_t interned_count, interned_capacity;
        struct pin_faults faults;
};

/* Places are 32 bits wide; what would not fit is refused entry by entry. */
#define PLACE_MAX (UINT32_MAX - 1024)

struct pin_set_builder *pin_set_builder_new(void)
{
        struct pin_set_builder *builder = NEW(struct pin_set_builder);
        /* Place 0 means "none" in both. */
        vec_push(&builder->records, 0);
        vec_push(&builder->texts, 0);
        return builder;
}

void pin_set_builder_free(struct pin_set_builder *builder)
{
        if (!builder)
                return;
        for (int kind = 0; kind < PIN_KIND_COUNT; kind++)
                vec_done(&builder->entries[kind]);
        vec_done(&builder->records);
        vec_done(&builder->texts);
        free(builder->interned);
        free(builder);
}

void pin_set_builder_fault(struct pin_set_builder *builder, size_t line, const char *text)
{
        struct pin_faults *faults = &builder->faults;
        if (faults->count < PIN_FAULTS_KEPT) {
                struct pin_fault *fault = &faults->kept[faults->count];
                fault->line = line;
                snprintf(fault->text, sizeof(fault->text), "%s", text);
        }
        faults->count++;
}

static struct slice interned_at(const struct pin_set_builder *builder, uint32_t place)
{
        return slice_from(builder->texts.items + place + 1, builder->texts.items[place]);
}

static size_t interned_slot(const struct pin_set_builder *builder, struct slice text)
{
        size_t mask = builder->interned_capacity - 1;
        size_t slot = hash_bytes(text.data, text.len) & mask;
        while (builder->interned[slot] != 0 &&
               !slice_equal(interned_at(builder, builder->interned[slot]), text))
                slot = (slot + 1) & mask;
        return slot;
}

static void interned_grow(struct pin_set_builder *builder)
{
        uint32_t *old = builder->interned;
        size_t old_capacity = builder->interned_capacity;
        builder->interned_capacity = old_capacity ? old_capacity * 4 : 64;
        builder->interned = memory_new(builder->interned_capacity * sizeof(uint32_t));
        for (size_t i = 0; i < old_capacity; i++) {
                if (old[i] != 0)
                        builder->interned[interned_slot(builder, interned_at(builder, old[i]))] =
                                old[i];
        }
        free(old);
}

/* The place of a text of 1 to 255 bytes; the same text always has the same. */
static uint32_t intern(struct pin_set_builder *builder, struct slice text)
{
        if (builder->interned_count * 2 >= builder->interned_capacity)
                interned_grow(builder);
        size_t slot = interned_slot(builder, text);
        if (builder->interned[slot] != 0)
                return builder->interned[slot];
        uint32_t place = (uint32_t)builder->texts.count;
        vec_push(&builder->texts, (unsigned char)text.len);
        for (size_t i = 0; i < text.len; i++)
                vec_push(&builder->texts, (unsigned char)text.data[i]);
        builder->interned[slot] = place;
        builder->interned_count++;
        return place;
}

static size_t append_bytes(unsigned char *record, size_t len, const void *bytes, size_t count)
{
        memcpy(record + len, bytes, count);
        return len + count;
}

/* The record's place; pins in a row that say the same share one. */
static uint32_t record_of(struct pin_set_builder *builder, const struct pin *pin)
{
        unsigned char record[1 + 2 * sizeof(uint32_t) + 2 * sizeof(int64_t)] = {0};
        size_t len = 1;
        if (pin->name.len > 0) {
                uint32_t place = intern(builder, pin->name);
                record[0] |= RECORD_NAME;
                len = append_bytes(record, len, &place, sizeof(place));
        }
        if (pin->owner.len > 0) {
                uint32_t place = intern(builder, pin->owner);
                record[0] |= RECORD_OWNER;
                len = append_bytes(record, len, &place, sizeof(place));
        }
        if (pin->not_before != PIN_ALWAYS_FROM) {
                record[0] |= RECORD_NOT_BEFORE;
                len = append_bytes(record, len, &pin->not_before, sizeof(pin->not_before));
        }
        if (pin->not_after != PIN_ALWAYS_UNTIL) {
                record[0] |= RECORD_NOT_AFTER;
                len = append_bytes(record, len, &pin->not_after, sizeof(pin->not_after));
        }
        if (len == 1)
                return 0;
        size_t last = builder->last_record;
        if (last != 0 && builder->records.count - last == len &&
            memcmp(builder->records.items + last, record, len) == 0)
                return (uint32_t)last;
        builder->last_record = builder->records.count;
        for (size_t i = 0; i < len; i++)
                vec_push(&builder->records, record[i]);
        return (uint32_t)builder->last_record;
}

static bool check_pin(const struct pin_set_builder *builder, const struct pin *pin,
                      struct error *err)
{
        if (pin->name.len > 0 && !pin_name_check(pin->name, err))
                return false;
        if (pin->owner.len > 0 && !pin_owner_check(pin->owner, err))
                return false;
        if (pin->not_before >= pin->not_after)
                return error_set(err, ERROR_INPUT, "not-before is not before not-after");
        if (builder->records.count > PLACE_MAX || builder->texts.count > PLACE_MAX ||
            builder->entries[pin->kind].count > PLACE_MAX)
                return error_set(err, ERROR_LIMIT, "too many pins in one set");
        return true;
}

void pin_set_builder_add(struct pin_set_builder *builder, const struct pin *pin, size_t line)
{
        must((unsigned)pin->kind < PIN_KIND_COUNT);
        struct error err;
        if (!check_pin(builder, pin, &err)) {
                pin_set_builder_fault(builder, line, err.text);
                return;
        }
        struct pin_entry entry = {.digest = pin->digest, .record = record_of(builder, pin)};
        vec_push(&builder->entries[pin->kind], entry);
}

/* By digest, then by what the records say, so that the order of lines leaves no trace. */
static int compare_entries(const struct pin_set *set, const struct pin_entry *a,
                           const struct pin_entry *b)
{
        int order = digest_compare(&a->digest, &b->digest);
        if (order != 0 || a->record == b->record)
                return order;
        struct pin_match x = pin_set_record(set, a->record), y = pin_set_record(set, b->record);
        if (x.not_before != y.not_before)
                return x.not_before < y.not_before ? -1 : 1;
        if (x.not_after != y.not_after)
                return x.not_after < y.not_after ? -1 : 1;
        order = slice_compare(x.name, y.name);
        return order != 0 ? order : slice_compare(x.owner, y.owner);
}

static int compare_by_qsort(const void *a, const void *b, void *set)
{
        return compare_entries(set, a, b);
}

static void sort_bucket(const struct pin_set *set, struct pin_entry *entries, size_t count)
{
        if (count > 16) {
                qsort_r(entries, count, sizeof(*entries), compare_by_qsort, (void *)(uintptr_t)set);
                return;
        }
        for (size_t i = 1; i < count; i++) {
                struct pin_entry moved = entries[i];
                size_t at = i;
                for (; at > 0 && compare_entries(set, &entries[at - 1], &moved) > 0; at--)
                        entries[at] = entries[at - 1];
                entries[at] = moved;
        }
}

/* Buckets of about four. */
static unsigned shift_for(size_t count)
{
        unsigned bits = 0;
        while (bits < 24 && ((size_t)4 << bits) < count)
                bits++;
        return 32 - bits;
}

/* Drops equal neighbours and closes the gaps; starts follow. */
static void drop_duplicates(const struct pin_set *set, struct pin_table *table, size_t buckets)
{
        uint32_t kept = 0, begin = 0;
        for (size_t bucket = 0; bucket < buckets; bucket++) {
                uint32_t end = table->starts[bucket + 1];
                for (uint32_t i = begin; i < end; i++) {
                        if (kept > 0 && compare_entries(set, &table->entries[kept - 1],
                                                        &table->entries[i]) == 0)
                                continue;
                        if (kept != i)
                                table->entries[kept] = table->entries[i];
                        kept++;
                }
                table->starts[bucket + 1] = kept;
                begin = end;
        }
        table->count = kept;
}

/* A counting sort by the digest's first bits, then each bucket by itself. */
static void table_build(const struct pin_set *set, struct pin_table *table,
                        const struct pin_entry *staged, size_t count)
{
        table->shift = shift_for(count);
        size_t buckets = (size_t)1 << (32 - table->shift);
        table->starts = memory_new((buckets + 1) * sizeof(uint32_t));
        table->entries = memory_new((count ? count : 1) * sizeof(*table->entries));
        for (size_t i = 0; i < count; i++)
                table->starts[pin_bucket(table, &staged[i].digest) + 1]++;
        for (size_t bucket = 0; bucket < buckets; bucket++)
                table->starts[bucket + 1] += table->starts[bucket];
        uint32_t *next = memory_new(buckets * sizeof(uint32_t));
        memcpy(next, table->starts, buckets * sizeof(uint32_t));
        for (size_t i = 0; i < count; i++)
                table->entries[next[pin_bucket(table, &staged[i].digest)]++] = staged[i];
        free(next);
        for (size_t bucket = 0; bucket < buckets; bucket++)
                sort_bucket(set, table->entries + table->starts[bucket],
                            table->starts[bucket + 1] - table->starts[bucket]);
        drop_duplicates(set, table, buckets);
}

static void hash_pin(struct hasher *hasher, const struct pin_set *set, const struct pin_entry *pin)
{
        unsigned char flat[DIGEST_BYTES + 1];
        memcpy(flat, pin->digest.bytes, DIGEST_BYTES);
        flat[DIGEST_BYTES] = pin->record != 0;
        hasher_raw(hasher, flat, sizeof(flat));
        if (pin->record == 0)
                return;
        struct pin_match match = pin_set_record(set, pin->record);
        hasher_bytes(hasher, match.name);
        hasher_bytes(hasher, match.owner);
        hasher_number(hasher, match.not_before);
        hasher_number(hasher, match.not_after);
}

static struct digest set_digest(const struct pin_set *set)
{
        struct hasher hasher;
        hasher_init(&hasher, "pin_set 1");
        for (int kind = 0; kind < PIN_KIND_COUNT; kind++) {
                const struct pin_table *table = &set->tables[kind];
                if (table->count == 0)
                        continue; /* a kind more leaves the digests of sets without it */
                hasher_number(&hasher, kind);
                hasher_number(&hasher, table->count);
                for (uint32_t i = 0; i < table->count; i++)
                        hash_pin(&hasher, set, &table->entries[i]);
        }
        return hasher_done(&hasher);
}

struct pin_set *pin_set_build(struct pin_set_builder *builder)
{
        struct pin_set *set = NEW(struct pin_set);
        atomic_init(&set->references, 1);
        set->faults = builder->faults;
        set->records_len = builder->records.count;
        set->records = memory_resize(builder->records.items, set->records_len);
        set->texts_len = builder->texts.count;
        set->texts = memory_resize(builder->texts.items, set->texts_len);
        builder->records.items = NULL;
        builder->texts.items = NULL;
        for (int kind = 0; kind < PIN_KIND_COUNT; kind++) {
                table_build(set, &set->tables[kind], builder->entries[kind].items,
                            builder->entries[kind].count);
                vec_done(&builder->entries[kind]);
        }
        set->digest = set_digest(set);
        pin_set_builder_free(builder);
        return set;
}
