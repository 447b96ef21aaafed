/* From a byte string to a pointer, on the heap, with one owner. Keys are not copied: they live as
 * long as the map. Open addressing with a hash that is keyed per process, so that no outside key
 * can aim for a bucket; find, set and remove are O(1) on average, 32 bytes a slot at most 3/4 full.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct map_slot {
        struct slice key;
        void *value;
        uint64_t hash; /* 0: free */
};

struct map {
        struct map_slot *slots;
        size_t count, capacity;
};

void map_done(struct map *map);                          /* values are the caller's */
void *map_find(const struct map *map, struct slice key); /* NULL: not there */
void *map_set(struct map *map, struct slice key,
              void *value); /* value must not be NULL; returns the former one */
/* The same with hash_bytes of the key, for one that goes into many maps. */
void *map_set_hashed(struct map *map, struct slice key, uint64_t hash, void *value);
void map_reserve(struct map *map, size_t count);     /* room for so many in all, at once */
void *map_remove(struct map *map, struct slice key); /* returns what was there */
bool map_next(const struct map *map, size_t *at,
              struct map_slot **slot); /* *at starts at 0; unordered */

uint64_t hash_bytes(const void *bytes, size_t len); /* keyed per process; never 0 */
