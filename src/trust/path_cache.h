/* Paths that verified before, so that a returning client costs a lookup instead of 95 to 180 us.
 * One per worker and used by it alone; at most PATH_CACHE_MAX entries, the oldest goes first.
 *
 * The key covers the leaf, everything presented with it in order, the CAs, the CRLs and all rules.
 * Only the path of an accepted client whose handshake completed enters: a failure never does, so
 * nobody who can't prove a key can write here. A hit outside its bounds in time is no refusal: it
 * is dropped and the chain verified in full. Pins, windows and deny are judged anew each time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

enum {
        PATH_CACHE_MAX = 4096,
        PATH_CERTIFICATES_MAX = 12, /* leaf, PATH_DEPTH_MAX intermediates, anchor */
};

/* A verified path from the leaf to its anchor. */
struct path {
        size_t count;
        struct digest certificates[PATH_CERTIFICATES_MAX];
        struct digest spki[PATH_CERTIFICATES_MAX]; /* of the same, in the same order */
        int64_t valid_from, valid_until;           /* of certificates and CRLs: [from, until) */
};

struct path_cache;
struct verdict;

struct path_cache *path_cache_new(size_t max); /* 1 to PATH_CACHE_MAX */
void path_cache_free(struct path_cache *cache);
size_t path_cache_count(const struct path_cache *cache);

/* False: not there, or out of its bounds, and then gone. */
bool path_cache_find(struct path_cache *cache, const struct digest *key, int64_t now,
                     struct path *path);
/* Call it when the handshake that the verdict was for has completed. Takes nothing from a verdict
 * that is not verified, or whose path came from the cache. */
void path_cache_commit(struct path_cache *cache, const struct verdict *verdict);
