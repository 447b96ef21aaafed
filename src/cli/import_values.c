/* What the sources of an import share: notes, look-ups, pins and CAs. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/import_values.h"

enum {
        INLINE_PINS_MAX = 64 /* of each list of certificatePinning */
};

void import_note(struct importer *im, enum import_weight weight, const struct node *at,
                 const char *format, ...)
{
        struct error text;
        va_list args;
        if (im->notes.count >= IMPORT_NOTES_MAX) {
                im->notes_dropped++;
                return;
        }
        va_start(args, format);
        vsnprintf(text.text, sizeof(text.text), format, args);
        va_end(args);
        if (at) {
                struct error placed;
                node_error(at, &placed, "%s", text.text);
                text = placed;
        }
        struct import_note note = {weight, arena_slice(&im->arena, slice_of(text.text))};
        vec_push(&im->notes, note);
}

/* What stands there without saying anything: false, "", null, an empty list or map. */
static bool says_nothing(const struct node *node)
{
        switch (node->kind) {
        case NODE_NULL:
                return true;
        case NODE_BOOL:
                return !node->boolean;
        case NODE_STRING:
                return node->text.len == 0;
        case NODE_LIST:
        case NODE_MAP:
                return node->child_count == 0;
        default:
                return false;
        }
}

bool import_fields(struct importer *im, const struct node *map, const struct import_field *known,
                   size_t count)
{
        bool unknown = false;
        for (size_t i = 0; map && i < map->child_count; i++) {
                const struct node *field = map->children[i];
                size_t row = 0;
                while (row < count && !slice_is(field->key, known[row].name))
                        row++;
                if (says_nothing(field))
                        continue;
                if (row == count) {
                        import_note(im, IMPORT_NO_EQUIVALENT, field,
                                    "is not known to pingate, and may narrow who comes in");
                        unknown = true;
                } else if (known[row].why) {
                        import_note(im, IMPORT_NO_EQUIVALENT, field, "%s", known[row].why);
                }
        }
        return unknown;
}

struct slice import_namespace(const struct node *document)
{
        return node_text(node_find(document, "metadata"), "namespace");
}

struct slice import_name(const struct node *document)
{
        return node_text(node_find(document, "metadata"), "name");
}

static struct slice namespace_in_full(struct slice namespace)
{
        return namespace.len ? namespace : SLICE("default");
}

const struct node *import_find(const struct importer *im, const char *group, const char *kind,
                               struct slice namespace, struct slice name)
{
        for (size_t i = 0; i < im->documents.count; i++) {
                const struct node *document = im->documents.items[i];
                struct slice version = node_text(document, "apiVersion"), prefix = SLICE_NONE;
                if (slice_find(version, '/') < version.len)
                        slice_split(&version, '/', &prefix);
                if (slice_is(prefix, group) && slice_is(node_text(document, "kind"), kind) &&
                    slice_equal(import_name(document), name) &&
                    slice_equal(namespace_in_full(import_namespace(document)),
                                namespace_in_full(namespace)))
                        return document;
        }
        return NULL;
}

/* --- pins --- */

static int by_kind_and_digest(const void *a, const void *b)
{
        const struct pin *left = a, *right = b;
        if (left->kind != right->kind)
                return left->kind < right->kind ? -1 : 1;
        return memcmp(left->digest.bytes, right->digest.bytes, DIGEST_BYTES);
}

static void pins_of_list(struct importer *im, struct import_validation *v, const struct node *list,
                         enum pin_kind kind)
{
        if (!list)
                return;
        v->pins_demanded = true;
        if (list->kind != NODE_LIST) {
                import_note(im, IMPORT_REFUSED, list, "is %s, wants a list of hashes",
                            node_kind_name(list->kind));
                return;
        }
        if (list->child_count == 0)
                import_note(im, IMPORT_REFUSED, list,
                            "is an empty list: taken for pins that admit nobody");
        for (size_t i = 0; i < list->child_count; i++) {
                struct pin *pin = &v->pins[v->pin_count];
                struct error fault;
                *pin = (struct pin){
                        .kind = kind, .not_before = PIN_ALWAYS_FROM, .not_after = PIN_ALWAYS_UNTIL};
                if (list->children[i]->kind == NODE_STRING &&
                    pin_text_parse(list->children[i]->text, kind, &pin->digest, &fault))
                        v->pin_count++;
                else
                        import_note(im, IMPORT_REFUSED, list->children[i],
                                    "no pin, and left out: %s",
                                    list->children[i]->kind == NODE_STRING
                                            ? fault.text
                                            : "wants a string in quotes");
        }
}

void import_pins(struct importer *im, struct import_validation *v, const struct node *spki,
                 const struct node *certificates)
{
        size_t room =
                (spki ? spki->child_count : 0) + (certificates ? certificates->child_count : 0);
        v->pins = ARENA_ARRAY(&im->arena, struct pin, room + 1);
        pins_of_list(im, v, spki, PIN_SPKI);
        pins_of_list(im, v, certificates, PIN_CERTIFICATE);
        qsort(v->pins, v->pin_count, sizeof(*v->pins), by_kind_and_digest);
        size_t kept = 0;
        for (size_t i = 0; i < v->pin_count; i++)
                if (kept == 0 || by_kind_and_digest(&v->pins[kept - 1], &v->pins[i]) != 0)
                        v->pins[kept++] = v->pins[i];
        v->pin_count = kept;
        v->spki_count = 0;
        while (v->spki_count < kept && v->pins[v->spki_count].kind == PIN_SPKI)
                v->spki_count++;
}

/* Ignored names leave the pins in force, never the CA alone. */
void import_names(struct importer *im, struct import_validation *v, const struct node *names)
{
        if (!names || names->child_count == 0)
                return;
        bool ignored = im->ignores_names && v->pin_count > 0;
        v->restricted |= !ignored;
        import_note(im, IMPORT_NO_EQUIVALENT, names, "%s",
                    ignored ? "ignored, as asked: whoever holds a pinned key comes in, whatever "
                              "names its certificate bears"
                    : v->pin_count ? "narrowed who comes in: nobody does until you decide (see "
                                     "--ignore-subject-alt-names)"
                                   : "narrowed who comes in, and there are no pins: nobody does");
}

bool import_pins_hold(const struct import_validation *v)
{
        return v->pin_count > 0 && !v->restricted;
}

bool import_pins_fit_inline(const struct import_validation *v)
{
        return v->spki_count <= INLINE_PINS_MAX && v->pin_count - v->spki_count <= INLINE_PINS_MAX;
}

/* --- CAs --- */

void import_ca_add(struct importer *im, struct import_validation *v, const char *kind,
                   struct slice namespace, struct slice name)
{
        struct node *ref = node_new(&im->arena, NODE_MAP, NULL, 0);
        node_add(&im->arena, ref, SLICE("group"), node_new_string(&im->arena, SLICE("")));
        node_add(&im->arena, ref, SLICE("kind"), node_new_string(&im->arena, slice_of(kind)));
        node_add(&im->arena, ref, SLICE("name"), node_new_string(&im->arena, name));
        if (namespace.len)
                node_add(&im->arena, ref, SLICE("namespace"),
                         node_new_string(&im->arena, namespace));
        if (!v->cas)
                v->cas = node_new(&im->arena, NODE_LIST, NULL, 0);
        node_add(&im->arena, v->cas, SLICE_NONE, ref);
}

void import_ca_wanted(struct importer *im, struct import_validation *v,
                      const struct import_gateway *gateway, struct slice certificates_from,
                      struct slice crls_from)
{
        size_t of_gateway = 0;
        vec_each (ca, &im->cas) {
                if (!slice_starts_with(ca->name, gateway->name) ||
                    !slice_equal(ca->namespace, gateway->namespace))
                        continue;
                of_gateway++;
                if (slice_equal(ca->certificates_from, certificates_from) &&
                    slice_equal(ca->crls_from, crls_from)) {
                        import_ca_add(im, v, "ConfigMap", SLICE_NONE, ca->name);
                        return;
                }
        }
        struct import_ca ca = {gateway->namespace, SLICE_NONE, certificates_from, crls_from};
        ca.name = of_gateway == 0
                          ? arena_printf(&im->arena, "%.*s-client-ca", SLICE_ARG(gateway->name))
                          : arena_printf(&im->arena, "%.*s-client-ca-%zu", SLICE_ARG(gateway->name),
                                         of_gateway + 1);
        vec_push(&im->cas, ca);
        import_ca_add(im, v, "ConfigMap", SLICE_NONE, ca.name);
}

bool import_validation_equal(const struct import_validation *a, const struct import_validation *b)
{
        if (a == b)
                return true;
        if (!a || !b || a->fallback != b->fallback || a->restricted != b->restricted ||
            a->pins_demanded != b->pins_demanded || a->forwards_xfcc != b->forwards_xfcc ||
            a->pin_count != b->pin_count || !node_equal(a->cas, b->cas))
                return false;
        for (size_t i = 0; i < a->pin_count; i++)
                if (by_kind_and_digest(&a->pins[i], &b->pins[i]) != 0)
                        return false;
        return true;
}
