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

struct shelf {
        struct map map;
        struct entry **ring; /* in the order they came; NULL: a gap */
        size_t max, next;    /* next: the oldest, and where the newest will stand */
};

struct path_cache {
        struct shelf proven;  /* of clients that came in */
        struct shelf refused; /* of clients that a pin kept out */
};

static void shelf_init(struct shelf *shelf, size_t max)
{
        shelf->max = max;
        shelf->ring = memory_new(max * sizeof(struct entry *));
}

static void shelf_done(struct shelf *shelf)
{
        for (size_t i = 0; i < shelf->max; i++)
                free(shelf->ring[i]);
        free(shelf->ring);
        map_done(&shelf->map);
}

struct path_cache *path_cache_new(size_t max)
{
        must(max > 0 && max <= PATH_CACHE_MAX);
        struct path_cache *cache = NEW(struct path_cache);
        shelf_init(&cache->proven, max);
        shelf_init(&cache->refused, max < PATH_CACHE_REFUSED_MAX ? max : PATH_CACHE_REFUSED_MAX);
        return cache;
}

void path_cache_free(struct path_cache *cache)
{
        if (!cache)
                return;
        shelf_done(&cache->proven);
        shelf_done(&cache->refused);
        free(cache);
}

size_t path_cache_count(const struct path_cache *cache)
{
        return cache->proven.map.count;
}

static struct slice key_slice(const struct digest *key)
{
        return slice_from(key->bytes, DIGEST_BYTES);
}

/* The ring keeps dropped entries until their place comes round again: they are empty then, and
 * bounded by the ring like all others. */
static bool shelf_find(struct shelf *shelf, const struct digest *key, int64_t now,
                       struct path *path)
{
        const struct entry *entry = map_find(&shelf->map, key_slice(key));
        if (!entry)
                return false;
        if (now < entry->path.valid_from || now >= entry->path.valid_until) {
                map_remove(&shelf->map, key_slice(key));
                return false;
        }
        *path = entry->path;
        return true;
}

bool path_cache_find(struct path_cache *cache, const struct digest *key, int64_t now,
                     struct path *path)
{
        return shelf_find(&cache->proven, key, now, path) ||
               shelf_find(&cache->refused, key, now, path);
}

static void evict(struct shelf *shelf, struct entry *entry)
{
        /* Another entry may bear the same key by now. */
        if (entry && map_find(&shelf->map, key_slice(&entry->key)) == entry)
                map_remove(&shelf->map, key_slice(&entry->key));
        free(entry);
}

static void shelf_add(struct shelf *shelf, const struct verdict *verdict)
{
        if (verdict->path_from_cache || digest_is_none(&verdict->path_key) ||
            map_find(&shelf->map, key_slice(&verdict->path_key)))
                return;
        must(verdict->path.count > 0);
        evict(shelf, shelf->ring[shelf->next]);
        struct entry *entry = NEW(struct entry);
        entry->key = verdict->path_key;
        entry->path = verdict->path;
        shelf->ring[shelf->next] = entry;
        shelf->next = (shelf->next + 1) % shelf->max;
        map_set(&shelf->map, key_slice(&entry->key), entry);
}

void path_cache_commit(struct path_cache *cache, const struct verdict *verdict)
{
        if (cache && verdict->verified)
                shelf_add(&cache->proven, verdict);
}

void path_cache_commit_refused(struct path_cache *cache, const struct verdict *verdict)
{
        if (cache && !verdict->verified && verdict->path.count > 0)
                shelf_add(&cache->refused, verdict);
}
