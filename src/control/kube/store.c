#include "control/kube/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "control/api/gateway.h"
#include "control/kube/item.h"
#include "text/json.h"
#include "trust/hash.h"

enum {
        /* Ten thousand objects are held, most of them of a few kilobytes. */
        PART_CHUNK_BYTES = 2048
};

struct entry {
        struct kube_entry seen;
        struct digest content; /* of what translation depends on */
        uint64_t list;         /* the list that put it last */
        char *key;             /* "namespace/name"; owned */
        char *texts;           /* uid, resourceVersion, status, finalizers; owned */
};

struct want {
        char *key;
        uint64_t turn;  /* of wanting that asked for it last */
        uint64_t since; /* its kind's list when it came to be wanted */
        bool known;     /* whether it is there */
};

struct kind_store {
        /* By key, as lists have them: all replicas see one order, and most are put at the end. */
        VEC(struct entry *) entries;
        struct map wants; /* by key; of Secrets and ConfigMaps */
        const char *kept; /* of its status; NULL: nothing */
        uint64_t list;    /* counts lists that were begun */
};

struct observer {
        void *self;
        on_kube_entry_fn on_entry;
};

struct kube_store {
        struct kind_store kinds[KIND_COUNT];
        uint64_t turn; /* counts turns of wanting */
        struct buffer rest;
        VEC(struct observer) observers;
};

/* Longer than any name that an API server lets in. */
#define KEY_SIZE 512

static struct slice key_print(char key[static KEY_SIZE], struct slice namespace, struct slice name)
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

static bool is_wanted_kind(enum object_kind kind)
{
        return kind == KIND_SECRET || kind == KIND_CONFIG_MAP;
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

/* Of what can't be read at all the name alone is kept: it is broken, which is not the same as that
 * it is not there. */
static void part_stub(struct objects *part, enum object_kind kind, const struct kube_entry *entry,
                      struct slice fault)
{
        struct arena *arena = &part->arena;
        struct node *root = node_new(arena, NODE_MAP, NULL, 0);
        struct node *metadata = node_new(arena, NODE_MAP, NULL, 0);
        struct error err;
        node_add(arena, root, SLICE("metadata"), metadata);
        node_add(arena, metadata, SLICE("name"), node_new_string(arena, entry->name));
        if (entry->namespace.len > 0)
                node_add(arena, metadata, SLICE("namespace"),
                         node_new_string(arena, entry->namespace));
        if (objects_add_lenient(part, kind, root, &err))
                part->kinds[kind].items[0]->fault = arena_slice(arena, fault);
}

/* A copy in which U+FFFD stands for each NUL. */
static struct slice without_nuls(struct arena *arena, struct slice text)
{
        char *copy = arena_alloc(arena, text.len + 1);
        memcpy(copy, text.data, text.len);
        for (size_t i = 0; i + 6 <= text.len; i++) {
                if (copy[i] != '\\')
                        continue;
                if (memcmp(copy + i, "\\u0000", 6) == 0)
                        memcpy(copy + i, "\\ufffd", 6);
                i++; /* what is escaped begins no escape */
        }
        return slice_from(copy, text.len);
}

/* Go has NULs in strings, and jansson has not. What can be read besides is told as of any broken
 * object: a policy must not lose its targets, and so let in whom it keeps out. */
static bool part_salvage(struct objects *part, enum object_kind kind, struct slice text,
                         struct error *fault)
{
        struct node *root;
        struct slice copy = without_nuls(&part->arena, text);
        return json_parse(&part->arena, copy, NULL, &root, NULL) &&
               objects_add_broken(part, kind, root, fault);
}

/* Parts are told apart by what their entries are called. No API server lets in a name that decoding
 * does not, and without it an object would bear another's. */
static bool is_named_so(const struct object *object, const struct kube_entry *entry)
{
        return slice_equal(object->name, entry->name) &&
               slice_equal(object->namespace, entry->namespace);
}

static struct objects *part_new(void)
{
        struct objects *part = objects_new();
        arena_init(&part->arena, PART_CHUNK_BYTES);
        return part;
}

static struct objects *part_make(enum object_kind kind, const struct kube_entry *entry,
                                 struct slice text, struct error *fault)
{
        struct objects *part = part_new();
        struct node *root;
        if (json_parse(&part->arena, text, NULL, &root, fault)) {
                if (objects_add_lenient(part, kind, root, fault))
                        fault->text[0] = '\0';
        } else if (!part_salvage(part, kind, text, fault)) {
                part_stub(part, kind, entry, slice_of(fault->text));
        }
        if (part->kinds[kind].count > 0 && !is_named_so(part->kinds[kind].items[0], entry)) {
                objects_unref(part);
                part = part_new();
                error_set(fault, ERROR_INPUT, "%s: what it is called can't be used",
                          object_kind_name(kind));
        }
        return part;
}

/* An API server shows what it holds by the CRD of the moment: upstream's, applied over one with
 * certificatePinning, would make each client of the CA welcome. Pins that are known stay in force
 * until somebody edits the Gateway; what is read anew (a restart) can't know of them. */
static bool pins_are_hidden(const struct object *former, const struct object *now,
                            struct error *fault)
{
        if (!former || !now || former->kind != KIND_GATEWAY || former->fault.len > 0 ||
            now->fault.len > 0)
                return false;
        if (!gateway_pins_are_hidden((const struct gateway *)former, (const struct gateway *)now))
                return false;
        error_set(fault, ERROR_INPUT,
                  "%.*s: the Gateway CRD hides its certificatePinning: what was read before stays "
                  "in force until the Gateway is edited",
                  SLICE_ARG(former->id));
        return true;
}

static void entry_decode(struct entry *entry, enum object_kind kind, struct slice text,
                         struct error *fault)
{
        struct objects *part = part_make(kind, &entry->seen, text, fault);
        const struct object *object =
                part->kinds[kind].count > 0 ? part->kinds[kind].items[0] : NULL;
        if (pins_are_hidden(entry->seen.object, object, fault)) {
                objects_unref(part);
                return;
        }
        objects_unref(entry->seen.objects);
        entry->seen.objects = part;
        entry->seen.object = object;
        if (object && object->fault.len > 0)
                error_set(fault, ERROR_INPUT, "%.*s: %.*s", SLICE_ARG(object->id),
                          SLICE_ARG(object->fault));
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

static void want_free(struct want *want)
{
        if (want)
                free(want->key);
        free(want);
}

static void kind_done(struct kind_store *kind)
{
        struct map_slot *slot;
        vec_each (entry, &kind->entries)
                entry_free(*entry);
        for (size_t at = 0; map_next(&kind->wants, &at, &slot);)
                want_free(slot->value);
        vec_done(&kind->entries);
        map_done(&kind->wants);
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
        if (!same) {
                entry->content = content;
                entry_decode(entry, kind, rest, fault);
        }
        tell(store, kind, entry, false);
        return same ? KUBE_SAME : KUBE_CHANGED;
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
        struct slice key = key_print(bytes, about.namespace, about.name);
        struct want *want = map_find(&store->kinds[kind].wants, key);
        if (want)
                want->known = true;
        if (key.len > 0 && (want || !is_wanted_kind(kind)))
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
        struct slice key = key_print(bytes, object_is_cluster(kind) ? SLICE_NONE : namespace, name);
        struct want *want = map_find(&store->kinds[kind].wants, key);
        if (want)
                want->known = true;
        return entry_remove(store, kind, key);
}

enum kube_change kube_store_remove_item(struct kube_store *store, enum object_kind kind,
                                        struct slice item)
{
        struct kube_item about;
        bool ok = cut(store, kind, item, &about, NULL);
        buffer_wipe(&store->rest);
        return ok ? kube_store_remove(store, kind, about.namespace, about.name) : KUBE_SAME;
}

/* --- lists --- */

void kube_store_list_begin(struct kube_store *store, enum object_kind kind)
{
        store->kinds[kind].list++;
}

typedef bool (*entry_is_over_fn)(const struct kind_store *of, const struct entry *entry);

static enum kube_change entries_remove_if(struct kube_store *store, enum object_kind kind,
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
        return entry->list != of->list;
}

enum kube_change kube_store_list_end(struct kube_store *store, enum object_kind kind)
{
        struct kind_store *of = &store->kinds[kind];
        struct map_slot *slot;
        for (size_t at = 0; map_next(&of->wants, &at, &slot);) {
                struct want *want = slot->value;
                want->known |= want->since < of->list;
        }
        return entries_remove_if(store, kind, is_unlisted);
}

/* --- what is wanted --- */

void kube_store_want_begin(struct kube_store *store)
{
        store->turn++;
}

void kube_store_want(struct kube_store *store, enum object_kind kind, struct slice namespace,
                     struct slice name)
{
        char bytes[KEY_SIZE];
        must(is_wanted_kind(kind));
        struct kind_store *of = &store->kinds[kind];
        struct slice key = key_print(bytes, namespace, name);
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
                entries_remove_if(store, kind, is_unwanted);
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
        struct slice key = key_print(bytes, name->namespace, name->name);
        struct want *want = map_find(&store->kinds[name->kind].wants, key);
        fault->text[0] = '\0';
        if (!want || want->known)
                return KUBE_SAME;
        want->known = true;
        return item.len > 0 ? kube_store_put(store, name->kind, item, fault) : KUBE_CHANGED;
}

/* --- reading --- */

const struct kube_entry *kube_store_find(const struct kube_store *store, enum object_kind kind,
                                         struct slice namespace, struct slice name)
{
        char bytes[KEY_SIZE];
        struct slice key = key_print(bytes, object_is_cluster(kind) ? SLICE_NONE : namespace, name);
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
        for (size_t kind = 0; kind < KIND_COUNT; kind++)
                vec_each (entry, &store->kinds[kind].entries)
                        must(objects_add_part(all, (*entry)->seen.objects, NULL));
        all->changed = true;
        return all;
}
