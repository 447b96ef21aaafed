#include "route/frozen_map.h"

#include "base/map.h"
#include "base/must.h"

void frozen_map_init(struct frozen_map *map, size_t count, struct arena *arena)
{
        size_t slots = 2;
        while (slots < count * 2)
                slots *= 2;
        *map = (struct frozen_map){0};
        if (count == 0)
                return;
        map->slots = ARENA_ARRAY(arena, struct frozen_slot, slots);
        map->mask = slots - 1;
}

/* The key's slot, or the free one where it would stand: at half load there is always one. */
static struct frozen_slot *slot_of(const struct frozen_map *map, struct slice key, uint64_t hash)
{
        for (size_t at = hash & map->mask;; at = (at + 1) & map->mask) {
                struct frozen_slot *slot = &map->slots[at];
                if (!slot->value || (slot->hash == hash && slice_equal(slot->key, key)))
                        return slot;
        }
}

void *frozen_map_put(struct frozen_map *map, struct slice key, void *value)
{
        uint64_t hash = hash_bytes(key.data, key.len);
        must(value != NULL && map->slots != NULL);
        struct frozen_slot *slot = slot_of(map, key, hash);
        if (!slot->value) {
                must(map->count * 2 <= map->mask);
                map->count++;
                *slot = (struct frozen_slot){key, value, hash};
        }
        return slot->value;
}

void *frozen_map_find(const struct frozen_map *map, struct slice key)
{
        if (map->count == 0)
                return NULL;
        return slot_of(map, key, hash_bytes(key.data, key.len))->value;
}
