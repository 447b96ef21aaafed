#include <string.h>

#include "control/translate/stages.h"
#include "control/translate/refs.h"

static bool grant_names_from(const struct reference_grant *grant, const struct object *from)
{
        for (size_t i = 0; i < grant->from.count; i++) {
                const struct grant_from *f = &grant->from.items[i];
                if (slice_is(f->group, object_group(from->kind)) &&
                    slice_is(f->kind, object_kind_name(from->kind)) &&
                    slice_equal(f->namespace, from->namespace))
                        return true;
        }
        return false;
}

/* The grants that name a target, the last read first. */
struct grant_link {
        const struct reference_grant *grant;
        const struct grant_link *next;
};

enum {
        GRANT_KEY_SIZE = 512 /* two kinds, two namespaces and a name, as an API server has them */
};

struct grant_key {
        char bytes[GRANT_KEY_SIZE];
        size_t len;
};

static struct slice key_join(struct grant_key *key, const struct slice *parts, size_t count)
{
        key->len = 0;
        for (size_t i = 0; i < count; i++) {
                if (parts[i].len >= sizeof(key->bytes) - key->len)
                        return SLICE_NONE;
                if (parts[i].len > 0)
                        memcpy(key->bytes + key->len, parts[i].data, parts[i].len);
                key->len += parts[i].len;
                key->bytes[key->len++] = '/';
        }
        return slice_from(key->bytes, key->len);
}

static struct slice target_key(struct grant_key *key, enum object_kind kind, struct slice namespace,
                               struct slice name)
{
        const struct slice parts[] = {slice_of(object_kind_name(kind)), namespace, name};
        return key_join(key, parts, COUNT_OF(parts));
}

static void grant_add(struct work *w, const struct reference_grant *grant, enum object_kind kind,
                      struct slice name)
{
        struct grant_key text;
        struct slice key = target_key(&text, kind, grant->object.namespace, name);
        struct grant_link *link = ARENA_NEW(&w->out->arena, struct grant_link);
        if (key.len == 0)
                return;
        *link = (struct grant_link){grant, map_find(&w->grant_index, key)};
        map_set(&w->grant_index, link->next ? key : arena_slice(&w->out->arena, key), link);
}

void grants_index(struct work *w)
{
        static const enum object_kind kinds[] = {KIND_SECRET, KIND_CONFIG_MAP, KIND_SERVICE};
        vec_each (object, &w->objects->kinds[KIND_REFERENCE_GRANT]) {
                const struct reference_grant *grant = (const struct reference_grant *)*object;
                for (size_t i = 0; i < grant->to.count; i++)
                        for (size_t k = 0; k < COUNT_OF(kinds); k++)
                                if (slice_is(grant->to.items[i].group, object_group(kinds[k])) &&
                                    slice_is(grant->to.items[i].kind, object_kind_name(kinds[k])))
                                        grant_add(w, grant, kinds[k], grant->to.items[i].name);
        }
}

/* Whoever may write grants may write thousands that name nobody who asks: each is looked at once
 * for a namespace and kind that asks, and not for each of its references. */
static bool target_is_granted(struct work *w, const struct object *from, struct slice target)
{
        static const bool no = false, yes = true;
        struct grant_key text;
        const struct slice parts[] = {slice_of(object_kind_name(from->kind)), from->namespace,
                                      target};
        struct slice asked = key_join(&text, parts, COUNT_OF(parts));
        const struct grant_link *link = map_find(&w->grant_index, target);
        const bool *known = map_find(&w->grants_asked, asked);
        if (!link || asked.len == 0)
                return false;
        if (known)
                return *known;
        while (link && !grant_names_from(link->grant, from))
                link = link->next;
        map_set(&w->grants_asked, arena_slice(&w->out->arena, asked),
                (void *)(uintptr_t)(link ? &yes : &no));
        return link != NULL;
}

bool reference_permitted(struct work *w, const struct object *from, enum object_kind to_kind,
                         struct slice to_namespace, struct slice to_name)
{
        struct grant_key one, all;
        return slice_equal(from->namespace, to_namespace) ||
               target_is_granted(w, from, target_key(&all, to_kind, to_namespace, SLICE_NONE)) ||
               target_is_granted(w, from, target_key(&one, to_kind, to_namespace, to_name));
}

/* `id` lives as long as the translation. */
static void want(struct work *w, enum object_kind kind, struct slice id, size_t name_len)
{
        if (map_find(&w->wanted_index, id))
                return;
        struct slice name = slice_skip(id, id.len - name_len), namespace = id;
        namespace = slice_skip(namespace, strlen(object_kind_name(kind)) + 1);
        namespace.len -= name_len + 1;
        struct wanted_object wanted = {kind, namespace, name};
        map_set(&w->wanted_index, id, w); /* a set: any value does */
        vec_push(&w->wanted, wanted);
}

const void *object_find_whole(struct work *w, enum object_kind kind, struct slice namespace,
                              struct slice name, struct slice *why)
{
        const struct object *object = objects_find(w->objects, kind, namespace, name);
        if (object && object->fault.len == 0)
                return object;
        *why = object ? tell(w, "can't be used: %.*s", SLICE_ARG(object->fault))
                      : SLICE("does not exist");
        return NULL;
}

enum ref_fault data_ref_resolve(struct work *w, const struct object *from,
                                const struct object_ref *ref, unsigned kinds,
                                struct ref_target *target)
{
        enum object_kind kind = KIND_COUNT;
        if (slice_is(ref->kind, "Secret"))
                kind = KIND_SECRET;
        else if (slice_is(ref->kind, "ConfigMap"))
                kind = KIND_CONFIG_MAP;
        struct slice namespace = ref->namespace.len ? ref->namespace : from->namespace;
        target->id =
                ARENA_JOIN(&w->out->arena, ref->group, ref->group.len ? SLICE("/") : SLICE_NONE,
                           ref->kind, SLICE(" "), namespace, SLICE("/"), ref->name);
        if (ref->group.len || kind == KIND_COUNT || !(kinds & BIT(kind)))
                return REF_WRONG_KIND;
        if (!reference_permitted(w, from, kind, namespace, ref->name))
                return REF_NOT_PERMITTED;
        want(w, kind, target->id, ref->name.len);
        target->object = object_find_whole(w, kind, namespace, ref->name, &target->why);
        return target->object ? REF_FOUND : REF_MISSING;
}

const struct slice *data_find(const struct key_value *object, const char *key)
{
        return text_map_find(&object->data, slice_of(key));
}
