#include "trust/pin_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/vec.h"
#include "trust/pin_set_table.h"

enum {
        RECENT_BITS = 12,
        RECENT_TEXTS = 1 << RECENT_BITS,
};

struct bytes {
        unsigned char *items;
        size_t count, capacity;
};

struct pin_set_builder {
        VEC(struct pin_entry) entries[PIN_KIND_COUNT];
        struct bytes records, texts;
        int64_t first_end;
        size_t last_record; /* where the newest record begins */
        /* Places in texts, each where its hash points. An owner that stands in every line is kept
         * once; a map of all names would cost more than the pins do, and finds nothing. */
        uint32_t recent[RECENT_TEXTS];
        struct pin_faults faults;
};

/* Places are 32 bits wide; what would not fit is refused entry by entry. */
#define PLACE_MAX (UINT32_MAX - 1024)

static void bytes_append(struct bytes *to, const void *from, size_t count)
{
        size_t wanted = to->count + count;
        if (wanted > to->capacity) {
                to->capacity = wanted + to->capacity + 64;
                to->items = memory_resize(to->items, to->capacity);
        }
        memcpy(to->items + to->count, from, count);
        to->count = wanted;
}

struct pin_set_builder *pin_set_builder_new(void)
{
        struct pin_set_builder *builder = NEW(struct pin_set_builder);
        builder->first_end = PIN_ALWAYS_UNTIL;
        /* Place 0 means "none" in both. */
        bytes_append(&builder->records, "", 1);
        bytes_append(&builder->texts, "", 1);
        return builder;
}

void pin_set_builder_free(struct pin_set_builder *builder)
{
        if (!builder)
                return;
        for (int kind = 0; kind < PIN_KIND_COUNT; kind++)
                vec_done(&builder->entries[kind]);
        free(builder->records.items);
        free(builder->texts.items);
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

/* Whoever makes texts collide gains a second copy of them and nothing else. */
static size_t recent_slot(struct slice text)
{
        uint64_t first = 0, last = 0;
        size_t some = text.len < sizeof(first) ? text.len : sizeof(first);
        memcpy(&first, text.data, some);
        memcpy(&last, text.data + text.len - some, some);
        uint64_t mixed = (first ^ (last << 1 | last >> 63) ^ text.len) * 0x9e3779b97f4a7c15U;
        return mixed >> (64 - RECENT_BITS);
}

/* The place of a text of 1 to 255 bytes. */
static uint32_t text_place(struct pin_set_builder *builder, struct slice text)
{
        uint32_t *recent = &builder->recent[recent_slot(text)];
        const unsigned char *there = builder->texts.items + *recent;
        if (*recent != 0 && *there == text.len && memcmp(there + 1, text.data, text.len) == 0)
                return *recent;
        unsigned char len = (unsigned char)text.len;
        *recent = (uint32_t)builder->texts.count;
        bytes_append(&builder->texts, &len, 1);
        bytes_append(&builder->texts, text.data, text.len);
        return *recent;
}

static size_t record_put(unsigned char *record, size_t len, const void *bytes, size_t count)
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
                uint32_t place = text_place(builder, pin->name);
                record[0] |= RECORD_NAME;
                len = record_put(record, len, &place, sizeof(place));
        }
        if (pin->owner.len > 0) {
                uint32_t place = text_place(builder, pin->owner);
                record[0] |= RECORD_OWNER;
                len = record_put(record, len, &place, sizeof(place));
        }
        if (pin->not_before != PIN_ALWAYS_FROM) {
                record[0] |= RECORD_NOT_BEFORE;
                len = record_put(record, len, &pin->not_before, sizeof(pin->not_before));
        }
        if (pin->not_after != PIN_ALWAYS_UNTIL) {
                record[0] |= RECORD_NOT_AFTER;
                len = record_put(record, len, &pin->not_after, sizeof(pin->not_after));
        }
        if (len == 1)
                return 0;
        size_t last = builder->last_record;
        if (last != 0 && builder->records.count - last == len &&
            memcmp(builder->records.items + last, record, len) == 0)
                return (uint32_t)last;
        builder->last_record = builder->records.count;
        bytes_append(&builder->records, record, len);
        return (uint32_t)builder->last_record;
}

static bool check_texts(const struct pin *pin, struct error *err)
{
        return (pin->name.len == 0 || pin_name_check(pin->name, err)) &&
               (pin->owner.len == 0 || pin_owner_check(pin->owner, err));
}

static bool check_window_and_room(const struct pin_set_builder *builder, const struct pin *pin,
                                  struct error *err)
{
        if (pin->not_before >= pin->not_after)
                return error_set(err, ERROR_INPUT, "not-before is not before not-after");
        if (builder->records.count > PLACE_MAX || builder->texts.count > PLACE_MAX ||
            builder->entries[pin->kind].count > PLACE_MAX)
                return error_set(err, ERROR_LIMIT, "too many pins in one set");
        return true;
}

bool pin_set_builder_add_read(struct pin_set_builder *builder, const struct pin *pin,
                              struct error *err)
{
        must((unsigned)pin->kind < PIN_KIND_COUNT);
        if (!check_window_and_room(builder, pin, err))
                return false;
        struct pin_entry entry = {.digest = pin->digest, .record = record_of(builder, pin)};
        vec_push(&builder->entries[pin->kind], entry);
        if (pin->not_after < builder->first_end)
                builder->first_end = pin->not_after;
        return true;
}

void pin_set_builder_add(struct pin_set_builder *builder, const struct pin *pin, size_t line)
{
        struct error err;
        if (!check_texts(pin, &err) || !pin_set_builder_add_read(builder, pin, &err))
                pin_set_builder_fault(builder, line, err.text);
}

static unsigned char *bytes_take(struct bytes *from, size_t *count)
{
        unsigned char *items = memory_resize(from->items, from->count);
        *count = from->count;
        *from = (struct bytes){0};
        return items;
}

struct pin_set *pin_set_build(struct pin_set_builder *builder)
{
        struct pin_set *set = NEW(struct pin_set);
        atomic_init(&set->references, 1);
        set->faults = builder->faults;
        set->first_end = builder->first_end;
        set->records = bytes_take(&builder->records, &set->records_len);
        set->texts = bytes_take(&builder->texts, &set->texts_len);
        for (int kind = 0; kind < PIN_KIND_COUNT; kind++) {
                pin_table_build(set, &set->tables[kind], builder->entries[kind].items,
                                builder->entries[kind].count);
                vec_done(&builder->entries[kind]);
        }
        set->digest = pin_set_hash(set);
        pin_set_builder_free(builder);
        return set;
}
