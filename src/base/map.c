#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/memory.h"
#include "base/must.h"

static uint64_t hash_key[2];
static pthread_once_t hash_key_once = PTHREAD_ONCE_INIT;

static void hash_key_init(void)
{
        must(getrandom(hash_key, sizeof(hash_key), 0) == sizeof(hash_key));
}

#define ROTATE(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

static inline void sip_round(uint64_t v[4])
{
        v[0] += v[1];
        v[1] = ROTATE(v[1], 13) ^ v[0];
        v[0] = ROTATE(v[0], 32);
        v[2] += v[3];
        v[3] = ROTATE(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = ROTATE(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = ROTATE(v[1], 17) ^ v[2];
        v[2] = ROTATE(v[2], 32);
}

/* SipHash-1-3 (Aumasson, Bernstein): what a hash table needs against chosen keys, and no more. */
uint64_t hash_bytes(const void *bytes, size_t len)
{
        pthread_once(&hash_key_once, hash_key_init);
        const unsigned char *at = bytes;
        uint64_t v[4] = {hash_key[0] ^ 0x736f6d6570736575U, hash_key[1] ^ 0x646f72616e646f6dU,
                         hash_key[0] ^ 0x6c7967656e657261U, hash_key[1] ^ 0x7465646279746573U};
        size_t left = len;
        for (; left >= 8; left -= 8, at += 8) {
                uint64_t word;
                memcpy(&word, at, 8);
                v[3] ^= word;
                sip_round(v);
                v[0] ^= word;
        }
        uint64_t last = (uint64_t)(len & 0xff) << 56;
        for (size_t i = 0; i < left; i++)
                last |= (uint64_t)at[i] << (8 * i);
        v[3] ^= last;
        sip_round(v);
        v[0] ^= last;
        v[2] ^= 0xff;
        for (int i = 0; i < 3; i++)
                sip_round(v);
        uint64_t hash = v[0] ^ v[1] ^ v[2] ^ v[3];
        return hash ? hash : 1;
}

/* The slot that holds key, or the free one where it belongs; the map has a free slot. */
static struct map_slot *slot_for(const struct map *map, struct slice key, uint64_t hash)
{
        size_t at = hash & (map->capacity - 1);
        while (map->slots[at].hash != 0) {
                if (map->slots[at].hash == hash && slice_equal(map->slots[at].key, key))
                        break;
                at = (at + 1) & (map->capacity - 1);
        }
        return &map->slots[at];
}

static void grow(struct map *map, size_t capacity)
{
        struct map old = *map;
        map->capacity = capacity;
        map->slots = memory_new(map->capacity * sizeof(*map->slots));
        for (size_t i = 0; i < old.capacity; i++) {
                if (old.slots[i].hash != 0)
                        *slot_for(map, old.slots[i].key, old.slots[i].hash) = old.slots[i];
        }
        free(old.slots);
}

void map_done(struct map *map)
{
        free(map->slots);
        *map = (struct map){0};
}

void *map_find(const struct map *map, struct slice key)
{
        if (map->count == 0)
                return NULL;
        return slot_for(map, key, hash_bytes(key.data, key.len))->value;
}

void map_reserve(struct map *map, size_t count)
{
        size_t capacity = map->capacity ? map->capacity : 16;
        must(count < SIZE_MAX / 8);
        while (count * 4 > capacity * 3)
                capacity *= 2;
        if (capacity > map->capacity)
                grow(map, capacity);
}

void *map_set(struct map *map, struct slice key, void *value)
{
        return map_set_hashed(map, key, hash_bytes(key.data, key.len), value);
}

void *map_set_hashed(struct map *map, struct slice key, uint64_t hash, void *value)
{
        must(value != NULL);
        map_reserve(map, map->count + 1);
        struct map_slot *slot = slot_for(map, key, hash);
        void *former = slot->value;
        if (slot->hash == 0)
                map->count++;
        *slot = (struct map_slot){former ? slot->key : key, value, hash};
        return former;
}

void *map_remove(struct map *map, struct slice key)
{
        if (map->count == 0)
                return NULL;
        struct map_slot *slot = slot_for(map, key, hash_bytes(key.data, key.len));
        void *former = slot->value;
        if (!former)
                return NULL;
        size_t mask = map->capacity - 1, hole = (size_t)(slot - map->slots);
        for (size_t at = (hole + 1) & mask; map->slots[at].hash != 0; at = (at + 1) & mask) {
                /* Move back what may not stay behind the hole: its home is not between hole and at.
                 */
                if (((at - map->slots[at].hash) & mask) >= ((at - hole) & mask)) {
                        map->slots[hole] = map->slots[at];
                        hole = at;
                }
        }
        map->slots[hole] = (struct map_slot){0};
        map->count--;
        return former;
}

bool map_next(const struct map *map, size_t *at, struct map_slot **slot)
{
        for (; *at < map->capacity; (*at)++) {
                if (map->slots[*at].hash != 0) {
                        *slot = &map->slots[(*at)++];
                        return true;
                }
        }
        return false;
}
