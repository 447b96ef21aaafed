#include "trust/path_cache.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/memory.h"
#include "base/must.h"
#include "trust/judge.h"

struct entry {
        struct digest key; /* the map's key points here */
        struct path path;
};

struct path_cache {
        struct map map;
        struct entry **ring; /* in the order they came; NULL: a gap */
        size_t max, next;    /* next: the oldest, and where the newest will stand */
};

struct path_cache *path_cache_new(size_t max)
{
        must(max > 0 && max <= PATH_CACHE_MAX);
        struct path_cache *cache = NEW(struct path_cache);
        cache->max = max;
        cache->ring = memory_new(max * sizeof(struct entry *));
        return cache;
}

void path_cache_free(struct path_cache *cache)
{
        if (!cache)
                return;
        for (size_t i = 0; i < cache->max; i++)
                free(cache->ring[i]);
        free(cache->ring);
        map_done(&cache->map);
        free(cache);
}

size_t path_cache_count(const struct path_cache *cache)
{
        return cache->map.count;
}

static struct slice key_slice(const struct digest *key)
{
        return slice_from(key->bytes, DIGEST_BYTES);
}

/* The ring keeps dropped entries until their place comes round again: they are empty then, and
 * bounded by the ring like all others. */
bool path_cache_find(struct path_cache *cache, const struct digest *key, int64_t now,
                     struct path *path)
{
        const struct entry *entry = map_find(&cache->map, key_slice(key));
        if (!entry)
                return false;
        if (now < entry->path.valid_from || now >= entry->path.valid_until) {
                map_remove(&cache->map, key_slice(key));
                return false;
        }
        *path = entry->path;
        return true;
}

static void evict(struct path_cache *cache, struct entry *entry)
{
        /* Another entry may bear the same key by now. */
        if (entry && map_find(&cache->map, key_slice(&entry->key)) == entry)
                map_remove(&cache->map, key_slice(&entry->key));
        free(entry);
}

void path_cache_commit(struct path_cache *cache, const struct verdict *verdict)
{
        if (!verdict->verified || verdict->path_from_cache || digest_is_none(&verdict->path_key) ||
            map_find(&cache->map, key_slice(&verdict->path_key)))
                return;
        must(verdict->path.count > 0);
        evict(cache, cache->ring[cache->next]);
        struct entry *entry = NEW(struct entry);
        entry->key = verdict->path_key;
        entry->path = verdict->path;
        cache->ring[cache->next] = entry;
        cache->next = (cache->next + 1) % cache->max;
        map_set(&cache->map, key_slice(&entry->key), entry);
}
