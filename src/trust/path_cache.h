/* Paths that verified before, so that a returning client costs a lookup instead of 95 to 180 us.
 * One per worker and used by it alone; at most PATH_CACHE_MAX entries, the oldest goes first.
 *
 * The key covers the leaf, everything presented with it in order, the CAs, the CRLs and all rules.
 * Only the path of an accepted client whose handshake completed enters, so nobody who can't prove a
 * key can push out who did. A path that does not verify enters nowhere. One that does, of a client
 * that a pin keeps out, stands on a small shelf of its own: such clients come again and again, and
 * should cost no more than a wanted one. Who fills that shelf with other people's certificates has
 * made refusals a little dearer, and nothing else. A hit outside its bounds in time is no refusal:
 * it is dropped and the chain verified in full. Pins, windows and deny are judged anew each time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

enum {
        PATH_CACHE_MAX = 16384, /* of 0.8 KB, each when it is first seen */
        PATH_CACHE_REFUSED_MAX = 256,
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
size_t path_cache_count(const struct path_cache *cache); /* without those of refused clients */

/* False: not there, or out of its bounds, and then gone. */
bool path_cache_find(struct path_cache *cache, const struct digest *key, int64_t now,
                     struct path *path);
/* Call it when the handshake that the verdict was for has completed. Takes nothing from a verdict
 * that is not verified, or whose path came from the cache. No cache (a probe has none): NULL. */
void path_cache_commit(struct path_cache *cache, const struct verdict *verdict);
/* For a verdict that is not verified although a path is there; takes nothing from any other. */
void path_cache_commit_refused(struct path_cache *cache, const struct verdict *verdict);
