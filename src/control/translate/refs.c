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

static bool grant_names_to(const struct reference_grant *grant, enum object_kind kind,
                           struct slice name)
{
        for (size_t i = 0; i < grant->to.count; i++) {
                const struct grant_to *t = &grant->to.items[i];
                if (slice_is(t->group, object_group(kind)) &&
                    slice_is(t->kind, object_kind_name(kind)) &&
                    (t->name.len == 0 || slice_equal(t->name, name)))
                        return true;
        }
        return false;
}

bool reference_permitted(const struct objects *objects, const struct object *from,
                         enum object_kind to_kind, struct slice to_namespace, struct slice to_name)
{
        if (slice_equal(from->namespace, to_namespace))
                return true;
        vec_each (object, &objects->kinds[KIND_REFERENCE_GRANT]) {
                const struct reference_grant *grant = (const struct reference_grant *)*object;
                if (slice_equal((*object)->namespace, to_namespace) &&
                    grant_names_from(grant, from) && grant_names_to(grant, to_kind, to_name))
                        return true;
        }
        return false;
}

static void want(struct work *w, enum object_kind kind, struct slice namespace, struct slice name)
{
        struct slice id = tell(w, "%s %.*s/%.*s", object_kind_name(kind), SLICE_ARG(namespace),
                               SLICE_ARG(name));
        if (map_find(&w->wanted_index, id))
                return;
        struct arena *arena = &w->out->arena;
        struct wanted_object wanted = {kind, arena_slice(arena, namespace),
                                       arena_slice(arena, name)};
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
                tell(w, "%.*s%s%.*s %.*s/%.*s", SLICE_ARG(ref->group), ref->group.len ? "/" : "",
                     SLICE_ARG(ref->kind), SLICE_ARG(namespace), SLICE_ARG(ref->name));
        if (ref->group.len || kind == KIND_COUNT || !(kinds & BIT(kind)))
                return REF_WRONG_KIND;
        if (!reference_permitted(w->objects, from, kind, namespace, ref->name))
                return REF_NOT_PERMITTED;
        want(w, kind, namespace, ref->name);
        target->object = object_find_whole(w, kind, namespace, ref->name, &target->why);
        return target->object ? REF_FOUND : REF_MISSING;
}

const struct slice *data_find(const struct key_value *object, const char *key)
{
        return text_map_find(&object->data, slice_of(key));
}
