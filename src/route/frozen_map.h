/* From byte strings to values, in an arena, for tables that are built once and then only read by
 * many threads: what base/map.h is for the heap. Keys are not copied. Its size is fixed at birth.
 * An empty one, or a zeroed one, finds nothing. Private to route/. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

struct frozen_slot {
        struct slice key;
        void *value; /* NULL: free */
        uint64_t hash;
};

struct frozen_map {
        struct frozen_slot *slots;
        size_t mask; /* slots - 1, a power of two less one */
        size_t count;
};

/* Room for `count` keys at half load. */
void frozen_map_init(struct frozen_map *map, size_t count, struct arena *arena);
/* The value that the key has now: the first one put stays. */
void *frozen_map_put(struct frozen_map *map, struct slice key, void *value);
void *frozen_map_find(const struct frozen_map *map, struct slice key); /* or NULL */
