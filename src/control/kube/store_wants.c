/* Which Secrets and ConfigMaps are wanted, and of which it is not known whether they are there. */
#include <stdlib.h>

#include "base/must.h"
#include "control/kube/store_parts.h"

bool store_is_wanted_kind(enum object_kind kind)
{
        return kind == KIND_SECRET || kind == KIND_CONFIG_MAP;
}

static void want_free(struct want *want)
{
        if (want)
                free(want->key);
        free(want);
}

void store_wants_done(struct kind_store *kind)
{
        struct map_slot *slot;
        for (size_t at = 0; map_next(&kind->wants, &at, &slot);)
                want_free(slot->value);
        map_done(&kind->wants);
}

void store_wants_listed(struct kind_store *kind)
{
        struct map_slot *slot;
        for (size_t at = 0; map_next(&kind->wants, &at, &slot);) {
                struct want *want = slot->value;
                want->known |= want->since < kind->list;
        }
}

void kube_store_want_begin(struct kube_store *store)
{
        store->turn++;
}

void kube_store_want(struct kube_store *store, enum object_kind kind, struct slice namespace,
                     struct slice name)
{
        char bytes[KEY_SIZE];
        must(store_is_wanted_kind(kind));
        struct kind_store *of = &store->kinds[kind];
        struct slice key = store_key_print(bytes, namespace, name);
        if (key.len == 0)
                return;
        struct want *want = map_find(&of->wants, key);
        if (!want) {
                want = NEW(struct want);
                want->key = memory_dup(key.data, key.len);
                want->since = of->list;
                map_set(&of->wants, slice_from(want->key, key.len), want);
        }
        want->turn = store->turn;
}

static bool is_unwanted(const struct kind_store *of, const struct entry *entry)
{
        return !map_find(&of->wants, slice_of(entry->key));
}

static void wants_end(struct kube_store *store, enum object_kind kind)
{
        struct kind_store *of = &store->kinds[kind];
        VEC(struct want *) over = {0};
        struct map_slot *slot;
        for (size_t at = 0; map_next(&of->wants, &at, &slot);) {
                struct want *want = slot->value;
                if (want->turn != store->turn)
                        vec_push(&over, want);
        }
        vec_each (want, &over) {
                map_remove(&of->wants, slice_of((*want)->key));
                want_free(*want);
        }
        if (over.count > 0)
                store_remove_if(store, kind, is_unwanted);
        vec_done(&over);
}

void kube_store_want_end(struct kube_store *store)
{
        wants_end(store, KIND_SECRET);
        wants_end(store, KIND_CONFIG_MAP);
}

static size_t unknown_of(struct kube_store *store, enum object_kind kind, void *self,
                         on_kube_unknown_fn on_unknown)
{
        size_t count = 0;
        struct map_slot *slot;
        for (size_t at = 0; map_next(&store->kinds[kind].wants, &at, &slot);) {
                const struct want *want = slot->value;
                struct slice name = slot->key, namespace;
                count += !want->known;
                if (want->known || want->since < store->kinds[kind].list)
                        continue;
                slice_split(&name, '/', &namespace);
                struct kube_name unknown = {kind, namespace, name};
                on_unknown(&unknown, self);
        }
        return count;
}

size_t kube_store_unknown(struct kube_store *store, void *self, on_kube_unknown_fn on_unknown)
{
        return unknown_of(store, KIND_SECRET, self, on_unknown) +
               unknown_of(store, KIND_CONFIG_MAP, self, on_unknown);
}

enum kube_change kube_store_answer(struct kube_store *store, const struct kube_name *name,
                                   struct slice item, struct error *fault)
{
        char bytes[KEY_SIZE];
        struct slice key = store_key_print(bytes, name->namespace, name->name);
        struct want *want = map_find(&store->kinds[name->kind].wants, key);
        fault->text[0] = '\0';
        if (!want || want->known)
                return KUBE_SAME;
        want->known = true;
        if (item.len == 0)
                return KUBE_CHANGED;
        enum kube_change change = kube_store_put(store, name->kind, item, fault);
        store_note_answer(&store->kinds[name->kind], key);
        return change;
}
