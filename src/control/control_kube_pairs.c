#include "control/control_kube_pairs.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/must.h"
#include "base/vec.h"

enum {
        KEY_SIZE = 512 /* longer than any name that an API server lets in */
};

struct kube_pairs {
        const struct kube_store *store;
        struct set_cache *cache;
        struct arena arena;
        struct map wanted; /* "namespace/name" to struct kube_name, in the arena */
        VEC(const struct kube_name *) heard;
        uv_idle_t idle;
};

static struct slice key_print(char key[static KEY_SIZE], struct slice namespace, struct slice name)
{
        int len = snprintf(key, KEY_SIZE, "%.*s/%.*s", SLICE_ARG(namespace), SLICE_ARG(name));
        return len > 0 && len < KEY_SIZE ? slice_from(key, (size_t)len) : SLICE_NONE;
}

struct kube_pairs *kube_pairs_open(uv_loop_t *loop, const struct kube_store *store,
                                   const struct translation *translation)
{
        struct kube_pairs *pairs = NEW(struct kube_pairs);
        pairs->store = store;
        pairs->cache = set_cache_new();
        arena_init(&pairs->arena, 4096);
        for (size_t i = 0; i < translation->missing_pairs.count; i++) {
                const struct wanted_object *missing = &translation->missing_pairs.items[i];
                char text[KEY_SIZE];
                struct slice key = key_print(text, missing->namespace, missing->name);
                if (key.len == 0 || map_find(&pairs->wanted, key))
                        continue;
                struct kube_name *name = ARENA_NEW(&pairs->arena, struct kube_name);
                *name = (struct kube_name){KIND_SECRET,
                                           arena_slice(&pairs->arena, missing->namespace),
                                           arena_slice(&pairs->arena, missing->name)};
                map_set(&pairs->wanted, arena_slice(&pairs->arena, key), name);
        }
        must(uv_idle_init(loop, &pairs->idle) == 0);
        pairs->idle.data = pairs;
        return pairs;
}

static void on_idle(uv_idle_t *idle)
{
        struct kube_pairs *pairs = idle->data;
        if (pairs->heard.count == 0) {
                uv_idle_stop(idle);
                return;
        }
        const struct kube_name *name = pairs->heard.items[--pairs->heard.count];
        const struct kube_entry *entry =
                kube_store_find(pairs->store, KIND_SECRET, name->namespace, name->name);
        if (entry && entry->object)
                set_cache_prepare(pairs->cache, entry->object);
}

void kube_pairs_heard(struct kube_pairs *pairs, struct slice namespace, struct slice name)
{
        char text[KEY_SIZE];
        if (!pairs)
                return;
        const struct kube_name *wanted = map_find(&pairs->wanted, key_print(text, namespace, name));
        if (!wanted)
                return;
        vec_push(&pairs->heard, wanted);
        must(uv_idle_start(&pairs->idle, on_idle) == 0);
}

const struct set_cache *kube_pairs_cache(const struct kube_pairs *pairs)
{
        return pairs ? pairs->cache : NULL;
}

static void on_closed(uv_handle_t *handle)
{
        free(handle->data);
}

void kube_pairs_close(struct kube_pairs *pairs)
{
        if (!pairs)
                return;
        set_cache_free(pairs->cache);
        map_done(&pairs->wanted);
        vec_done(&pairs->heard);
        arena_done(&pairs->arena);
        uv_close((uv_handle_t *)&pairs->idle, on_closed);
}
