/* The inside of a pin set, shared by the file that builds it and the one that searches it.
 *
 * A table holds one kind, sorted by digest. The digest's first bits name a bucket of about four
 * entries, and `starts` says where each begins. Digests are uniform, so that is constant time; a
 * hostile list that shares all first bits costs a binary search instead. What a pin has besides its
 * digest stands in a record: a byte of flags and the fields that are there. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "trust/pin_set.h"

enum record_flag {
        RECORD_NAME = BIT(0),       /* u32: place in texts */
        RECORD_OWNER = BIT(1),      /* u32 */
        RECORD_NOT_BEFORE = BIT(2), /* i64 */
        RECORD_NOT_AFTER = BIT(3),  /* i64 */
};

struct pin_entry {
        struct digest digest;
        uint32_t record; /* place in records; 0: neither name nor owner nor window */
};

struct pin_table {
        struct pin_entry *entries;
        uint32_t *starts; /* bucket_count + 1 */
        uint32_t count;
        unsigned shift; /* bucket = first 32 bits of the digest >> shift */
};

struct pin_set {
        atomic_uint references;
        struct pin_table tables[PIN_KIND_COUNT];
        unsigned char *records;
        size_t records_len;
        unsigned char *texts; /* each: a byte of length, then the text */
        size_t texts_len;
        int64_t first_end; /* of all windows */
        struct digest digest;
        struct pin_faults faults;
};

_Static_assert(sizeof(struct pin_entry) == 36, "a pin costs 36 bytes and its share of the index");

static inline uint32_t pin_prefix(const struct digest *digest)
{
        const unsigned char *b = digest->bytes;
        return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline uint32_t pin_bucket(const struct pin_table *table, const struct digest *digest)
{
        return table->shift == 32 ? 0 : pin_prefix(digest) >> table->shift;
}

/* The record of an entry, read out. */
struct pin_match pin_set_record(const struct pin_set *set, uint32_t record);

/* As pin_set_builder_add, for a pin whose name and owner were checked when they were read. */
bool pin_set_builder_add_read(struct pin_set_builder *builder, const struct pin *pin,
                              struct error *err);
/* Sorts what was staged, drops exact duplicates, builds the index. The set's records stand. */
void pin_table_build(const struct pin_set *set, struct pin_table *table,
                     const struct pin_entry *staged, size_t count);
struct digest pin_set_hash(const struct pin_set *set); /* see pin_set_digest */
