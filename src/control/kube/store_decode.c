/* One object as it was put, made into a part with that object alone. */
#include <string.h>

#include "control/api/gateway.h"
#include "control/kube/store_parts.h"
#include "text/json.h"

enum {
        /* Ten thousand objects are held, most of them of a few kilobytes. */
        PART_CHUNK_BYTES = 2048
};

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

enum kube_change store_entry_decode(struct entry *entry, enum object_kind kind, struct slice text,
                                    struct error *fault)
{
        struct objects *part = part_make(kind, &entry->seen, text, fault);
        const struct object *object =
                part->kinds[kind].count > 0 ? part->kinds[kind].items[0] : NULL;
        if (pins_are_hidden(entry->seen.object, object, fault)) {
                objects_unref(part);
                return KUBE_HIDDEN;
        }
        objects_unref(entry->seen.objects);
        entry->seen.objects = part;
        entry->seen.object = object;
        if (object && object->fault.len > 0)
                error_set(fault, ERROR_INPUT, "%.*s: %.*s", SLICE_ARG(object->id),
                          SLICE_ARG(object->fault));
        return KUBE_CHANGED;
}
