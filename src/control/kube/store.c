#include "control/kube/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "control/kube/item.h"
#include "control/kube/store_parts.h"
#include "trust/hash.h"

struct slice store_key_print(char key[static KEY_SIZE], struct slice namespace, struct slice name)
{
        if (namespace.len + name.len + 1 > KEY_SIZE)
                return SLICE_NONE;
        size_t at = 0;
        if (namespace.len > 0)
                memcpy(key, namespace.data, namespace.len);
        at += namespace.len;
        key[at++] = '/';
        if (name.len > 0)
                memcpy(key + at, name.data, name.len);
        return slice_from(key, at + name.len);
}

/* --- entries --- */

static void entry_free(struct entry *entry)
{
        if (!entry)
                return;
        objects_unref(entry->seen.objects);
        free(entry->key);
        free(entry->texts);
        free(entry);
}

/* Versions of one kind are numbers of any length, and the larger one is the newer; what is none
 * can't be compared. (Kubernetes API Concepts, "Resource versions") */
static bool version_is_number(struct slice version)
{
        for (size_t i = 0; i < version.len; i++)
                if (version.data[i] < '0' || version.data[i] > '9')
                        return false;
        return version.len > 0 && version.data[0] != '0';
}

static bool version_is_older(struct slice version, struct slice than)
{
        return version_is_number(version) && version_is_number(than) &&
               (version.len != than.len ? version.len < than.len
                                        : slice_compare(version, than) < 0);
}

/* Where it is, or would be. */
static size_t place_find(const struct kind_store *of, struct slice key, bool *found)
{
        size_t low = 0, high = of->entries.count;
        *found = false;
        while (low < high && !*found) {
                size_t middle = low + (high - low) / 2;
                int order = slice_compare(slice_of(of->entries.items[middle]->key), key);
                *found = order == 0;
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return *found ? high : low;
}

static struct entry *entry_find(const struct kind_store *of, struct slice key)
{
        bool found;
        size_t place = place_find(of, key, &found);
        return found ? of->entries.items[place] : NULL;
}

/* What says so is older than the answer that we have. */
static bool lags_behind(const struct kind_store *of, struct slice key, struct slice version)
{
        const struct entry *entry = entry_find(of, key);
        return entry && entry->ahead && version_is_older(version, entry->seen.resource_version);
}

void store_note_answer(struct kind_store *of, struct slice key)
{
        struct entry *entry = entry_find(of, key);
        if (!entry)
                return;
        entry->ahead = true;
        entry->list = 0; /* no list has put it */
}

static struct entry *entry_new(struct kind_store *of, struct slice key, const struct kube_item *i)
{
        bool found;
        struct entry *entry = NEW(struct entry);
        entry->key = memory_dup(key.data, key.len);
        entry->seen.namespace = slice_from(entry->key, i->namespace.len);
        entry->seen.name = slice_from(entry->key + i->namespace.len + 1, i->name.len);
        size_t place = place_find(of, key, &found);
        vec_push(&of->entries, entry);
        struct entry **at = of->entries.items + place;
        memmove(at + 1, at, (of->entries.count - 1 - place) * sizeof(struct entry *));
        *at = entry;
        return entry;
}

static void entry_note(struct entry *entry, const struct kube_item *item)
{
        size_t len = item->uid.len + item->resource_version.len + item->status.len +
                     item->finalizers.len;
        char *texts = memory_new(len + 1), *at = texts;
        entry->seen.uid = slice_put(&at, item->uid);
        entry->seen.resource_version = slice_put(&at, item->resource_version);
        entry->seen.status = slice_put(&at, item->status);
        entry->seen.finalizers = slice_put(&at, item->finalizers);
        entry->seen.deleting = item->deleting;
        free(entry->texts);
        entry->texts = texts;
}

/* --- the store --- */

struct kube_store *kube_store_new(void)
{
        struct kube_store *store = NEW(struct kube_store);
        buffer_init(&store->rest, KUBE_ITEM_MAX + 1024);
        return store;
}

void kube_store_keep(struct kube_store *store, enum object_kind kind, const char *member)
{
        store->kinds[kind].kept = member;
}

static bool cut(struct kube_store *store, enum object_kind kind, struct slice text,
                struct kube_item *out, struct error *err)
{
        if (!kube_item_cut(text, store->kinds[kind].kept, out, &store->rest, err))
                return error_wrap(err, "%s", object_kind_name(kind));
        if (object_is_cluster(kind))
                out->namespace = SLICE_NONE;
        return true;
}

static void kind_done(struct kind_store *kind)
{
        vec_each (entry, &kind->entries)
                entry_free(*entry);
        vec_done(&kind->entries);
        store_wants_done(kind);
}

void kube_store_free(struct kube_store *store)
{
        if (!store)
                return;
        for (size_t i = 0; i < KIND_COUNT; i++)
                kind_done(&store->kinds[i]);
        buffer_wipe(&store->rest);
        buffer_done(&store->rest);
        vec_done(&store->observers);
        free(store);
}

void kube_store_observe(struct kube_store *store, void *self, on_kube_entry_fn on_entry)
{
        struct observer observer = {self, on_entry};
        vec_push(&store->observers, observer);
}

static void tell(struct kube_store *store, enum object_kind kind, const struct entry *entry,
                 bool gone)
{
        vec_each (observer, &store->observers)
                observer->on_entry(kind, entry->seen.namespace, entry->seen.name,
                                   gone ? NULL : &entry->seen, observer->self);
}

static enum kube_change item_put(struct kube_store *store, enum object_kind kind, struct slice key,
                                 const struct kube_item *item, struct error *fault)
{
        struct kind_store *of = &store->kinds[kind];
        struct entry *entry = entry_find(of, key);
        struct slice rest = buffer_slice(&store->rest);
        struct digest content = sha256(rest);
        bool same = entry && memcmp(&content, &entry->content, sizeof(content)) == 0;
        if (entry && !slice_equal(entry->seen.uid, item->uid))
                entry->seen.object = NULL; /* another object of that name */
        if (!entry)
                entry = entry_new(of, key, item);
        entry_note(entry, item);
        entry->list = of->list;
        entry->ahead = false;
        enum kube_change change = KUBE_SAME;
        if (!same) {
                entry->content = content;
                change = store_entry_decode(entry, kind, rest, fault);
        }
        tell(store, kind, entry, false);
        return change;
}

enum kube_change kube_store_put(struct kube_store *store, enum object_kind kind, struct slice item,
                                struct error *fault)
{
        struct kube_item about;
        char bytes[KEY_SIZE];
        enum kube_change change = KUBE_SAME;
        fault->text[0] = '\0';
        if (!cut(store, kind, item, &about, fault))
                return KUBE_SAME;
        struct slice key = store_key_print(bytes, about.namespace, about.name);
        struct want *want = map_find(&store->kinds[kind].wants, key);
        if (want)
                want->known = true;
        if (key.len > 0 && (want ? !lags_behind(&store->kinds[kind], key, about.resource_version)
                                 : !store_is_wanted_kind(kind)))
                change = item_put(store, kind, key, &about, fault);
        buffer_wipe(&store->rest);
        return change;
}

static enum kube_change entry_remove(struct kube_store *store, enum object_kind kind,
                                     struct slice key)
{
        bool found;
        struct kind_store *of = &store->kinds[kind];
        size_t place = place_find(of, key, &found);
        if (!found)
                return KUBE_SAME;
        struct entry **at = of->entries.items + place, *entry = *at;
        of->entries.count--;
        memmove(at, at + 1, (of->entries.count - place) * sizeof(struct entry *));
        tell(store, kind, entry, true);
        entry_free(entry);
        return KUBE_CHANGED;
}

enum kube_change kube_store_remove(struct kube_store *store, enum object_kind kind,
                                   struct slice namespace, struct slice name)
{
        char bytes[KEY_SIZE];
        struct slice key =
                store_key_print(bytes, object_is_cluster(kind) ? SLICE_NONE : namespace, name);
        struct want *want = map_find(&store->kinds[kind].wants, key);
        if (want)
                want->known = true;
        return entry_remove(store, kind, key);
}

enum kube_change kube_store_remove_item(struct kube_store *store, enum object_kind kind,
                                        struct slice item)
{
        struct kube_item about;
        char bytes[KEY_SIZE];
        bool ok = cut(store, kind, item, &about, NULL);
        buffer_wipe(&store->rest);
        if (!ok ||
            lags_behind(&store->kinds[kind], store_key_print(bytes, about.namespace, about.name),
                        about.resource_version))
                return KUBE_SAME;
        return kube_store_remove(store, kind, about.namespace, about.name);
}

/* --- lists --- */

void kube_store_list_begin(struct kube_store *store, enum object_kind kind)
{
        struct kind_store *of = &store->kinds[kind];
        of->list++;
        if (!store_is_wanted_kind(kind))
                return;
        vec_each (entry, &of->entries) /* it will say what there is now */
                (*entry)->ahead = false;
}

enum kube_change store_remove_if(struct kube_store *store, enum object_kind kind,
                                 entry_is_over_fn is_over)
{
        struct kind_store *of = &store->kinds[kind];
        VEC(struct entry *) over = {0};
        size_t kept = 0;
        vec_each (entry, &of->entries) {
                if (is_over(of, *entry))
                        vec_push(&over, *entry);
                else
                        of->entries.items[kept++] = *entry;
        }
        of->entries.count = kept;
        enum kube_change change = over.count > 0 ? KUBE_CHANGED : KUBE_SAME;
        vec_each (entry, &over) {
                tell(store, kind, *entry, true);
                entry_free(*entry);
        }
        vec_done(&over);
        return change;
}

static bool is_unlisted(const struct kind_store *of, const struct entry *entry)
{
        return entry->list != of->list &&
               !(entry->ahead && version_is_older(of->listed, entry->seen.resource_version));
}

enum kube_change kube_store_list_end(struct kube_store *store, enum object_kind kind,
                                     struct slice version)
{
        store->kinds[kind].listed = version;
        store_wants_listed(&store->kinds[kind]);
        return store_remove_if(store, kind, is_unlisted);
}

/* --- reading --- */

const struct kube_entry *kube_store_find(const struct kube_store *store, enum object_kind kind,
                                         struct slice namespace, struct slice name)
{
        char bytes[KEY_SIZE];
        struct slice key =
                store_key_print(bytes, object_is_cluster(kind) ? SLICE_NONE : namespace, name);
        const struct entry *entry = entry_find(&store->kinds[kind], key);
        return entry ? &entry->seen : NULL;
}

size_t kube_store_count(const struct kube_store *store, enum object_kind kind)
{
        return store->kinds[kind].entries.count;
}

void kube_store_each(const struct kube_store *store, enum object_kind kind, void *self,
                     kube_entry_fn on_entry)
{
        vec_each (entry, &store->kinds[kind].entries)
                if (!on_entry(&(*entry)->seen, self))
                        return;
}

/* Names are keys, so no object is there twice. */
struct objects *kube_store_objects(struct kube_store *store)
{
        struct objects *all = objects_new();
        size_t count = 0;
        for (size_t kind = 0; kind < KIND_COUNT; kind++)
                count += store->kinds[kind].entries.count;
        objects_reserve(all, count);
        for (size_t kind = 0; kind < KIND_COUNT; kind++)
                vec_each (entry, &store->kinds[kind].entries)
                        must(objects_add_part(all, (*entry)->seen.objects, NULL));
        all->changed = true;
        return all;
}
