#include "control/api/decode.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text/duration.h"
#include "text/time.h"
#include "text/utf8.h"

enum {
        TEXT_MAX = 4096,      /* of a text whose table says nothing */
        MOMENT_TEXT_MAX = 64, /* a fraction of a second may have any number of digits */
        LIST_MAX = 1024,
};

struct any_list {
        void *items;
        size_t count;
};

bool decode_error(const struct decoder *decoder, const struct node *node, struct error *err,
                  const char *format, ...)
{
        char text[512];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        struct slice path = node_path(node, decoder->arena);
        char where[160] = "";
        if (node->line > 0)
                snprintf(where, sizeof(where), "%s:%d: ", node->file, node->line);
        else if (node->file)
                snprintf(where, sizeof(where), "%s: ", node->file);
        return error_set(err, ERROR_INPUT, "%s%.*s%s%.*s%s%s", where, SLICE_ARG(decoder->object),
                         decoder->object.len ? ": " : "", SLICE_ARG(path), path.len ? ": " : "",
                         text);
}

static bool wrong_kind(struct decoder *d, const struct node *node, const char *wants,
                       struct error *err)
{
        return decode_error(d, node, err, "is %s, wants %s", node_kind_name(node->kind), wants);
}

static bool is_one_of(struct slice text, const char *const *values)
{
        for (; *values; values++)
                if (slice_is(text, *values))
                        return true;
        return false;
}

static bool not_one_of(struct decoder *d, const struct node *node, const char *const *values,
                       struct error *err)
{
        char wants[256] = "";
        for (size_t at = 0; *values && at < sizeof(wants) - 64; values++)
                at += (size_t)snprintf(wants + at, sizeof(wants) - at, "%s%s", at ? ", " : "",
                                       *values);
        char shown[UTF8_SHOWN_SIZE];
        return decode_error(d, node, err, "is \"%s\", wants one of %s",
                            utf8_show(node->text, shown), wants);
}

/* min, max: of its length; max 0 means TEXT_MAX. */
static bool text_read(struct decoder *d, const struct field *field, const struct node *node,
                      struct slice *out, struct error *err)
{
        if (node->kind != NODE_STRING)
                return wrong_kind(d, node, "a string", err);
        bool item = field->kind == FIELD_TEXTS;
        size_t min = item ? 1 : (size_t)field->min;
        size_t max = (size_t)(item ? field->item_max : field->max);
        char shown[UTF8_SHOWN_SIZE];
        if (node->text.len < min)
                return decode_error(d, node, err, "is empty, wants a value");
        if (node->text.len > (max ? max : TEXT_MAX))
                return decode_error(d, node, err, "has %zu characters, wants at most %zu",
                                    node->text.len, max ? max : TEXT_MAX);
        if (field->values && !is_one_of(node->text, field->values))
                return not_one_of(d, node, field->values, err);
        if (field->rule && !field->rule->holds(node->text))
                return decode_error(d, node, err, "is \"%s\", wants %s",
                                    utf8_show(node->text, shown), field->rule->wants);
        /* One that says what is the default is the default's own text: it is compared for each
         * route in each translation, and is at hand then. */
        *out = field->default_text && slice_is(node->text, field->default_text)
                       ? slice_of(field->default_text)
                       : node->text;
        return true;
}

static bool number_read(struct decoder *d, const struct field *field, const struct node *node,
                        int64_t *out, struct error *err)
{
        if (node->kind != NODE_INTEGER)
                return wrong_kind(d, node, "an integer", err);
        if (node->integer < field->min || node->integer > field->max)
                return decode_error(d, node, err, "is %" PRId64 ", wants %" PRId64 " to %" PRId64,
                                    node->integer, field->min, field->max);
        *out = node->integer;
        return true;
}

static bool list_check(struct decoder *d, const struct field *field, const struct node *node,
                       struct error *err)
{
        if (node->kind != NODE_LIST)
                return wrong_kind(d, node, "a list", err);
        size_t max = field->max ? (size_t)field->max : LIST_MAX;
        if (node->child_count > max)
                return decode_error(d, node, err, "has %zu items, wants at most %zu",
                                    node->child_count, max);
        if (node->child_count < (size_t)field->min)
                return decode_error(d, node, err, "has %zu items, wants at least %" PRId64,
                                    node->child_count, field->min);
        for (size_t i = 0; field->unique && i < node->child_count; i++) {
                const struct node *key = node_find(node->children[i], field->unique);
                for (size_t j = 0; key && j < i; j++) {
                        const struct node *other = node_find(node->children[j], field->unique);
                        char shown[UTF8_SHOWN_SIZE];
                        if (other && slice_equal(other->text, key->text))
                                return decode_error(d, key, err,
                                                    "is \"%s\" as in item %zu, wants it only once",
                                                    utf8_show(key->text, shown), j);
                }
        }
        return true;
}

static bool choice_read(struct decoder *d, const struct field *field, const struct node *node,
                        unsigned *out, struct error *err)
{
        if (node->kind != NODE_STRING)
                return wrong_kind(d, node, "a string", err);
        for (unsigned i = 0; field->values[i]; i++)
                if (slice_is(node->text, field->values[i])) {
                        *out = i;
                        return true;
                }
        return not_one_of(d, node, field->values, err);
}

static bool choices_read(struct decoder *d, const struct field *field, const struct node *node,
                         unsigned *out, struct error *err)
{
        unsigned choices = 0, choice = 0;
        if (!list_check(d, field, node, err))
                return false;
        for (size_t i = 0; i < node->child_count; i++) {
                if (!choice_read(d, field, node->children[i], &choice, err))
                        return false;
                if (choices & BIT(choice))
                        return decode_error(d, node->children[i], err,
                                            "is \"%s\" again, wants it only once",
                                            field->values[choice]);
                choices |= BIT(choice);
        }
        *out = choices;
        return true;
}

static bool moment_read(struct decoder *d, const struct node *node, int64_t *out, struct error *err)
{
        struct error fault;
        if (node->kind != NODE_STRING)
                return wrong_kind(d, node, "a string", err);
        if (node->text.len > MOMENT_TEXT_MAX)
                return decode_error(d, node, err, "has %zu characters, wants at most %d",
                                    node->text.len, MOMENT_TEXT_MAX);
        return time_parse(node->text, out, &fault) || decode_error(d, node, err, "%s", fault.text);
}

static bool duration_read(struct decoder *d, const struct field *field, const struct node *node,
                          uint32_t *out, struct error *err)
{
        struct error fault;
        int64_t ms;
        char is[DURATION_SIZE], min[DURATION_SIZE], max[DURATION_SIZE];
        if (node->kind != NODE_STRING)
                return wrong_kind(d, node, "a string", err);
        if (!duration_parse(node->text, &ms, &fault))
                return decode_error(d, node, err, "%s", fault.text);
        if (ms < field->min || ms > field->max)
                return decode_error(d, node, err, "is %s, wants %s to %s", duration_print(ms, is),
                                    duration_print(field->min, min),
                                    duration_print(field->max, max));
        *out = (uint32_t)ms;
        return true;
}

static bool texts_read(struct decoder *d, const struct field *field, const struct node *node,
                       struct any_list *out, struct error *err)
{
        if (!list_check(d, field, node, err))
                return false;
        struct slice *items = ARENA_ARRAY(d->arena, struct slice, node->child_count);
        for (size_t i = 0; i < node->child_count; i++)
                if (!text_read(d, field, node->children[i], &items[i], err))
                        return false;
        *out = (struct any_list){items, node->child_count};
        return true;
}

static bool objects_read(struct decoder *d, const struct field *field, const struct node *node,
                         struct any_list *out, struct error *err)
{
        if (!list_check(d, field, node, err))
                return false;
        char *items = arena_alloc(d->arena, field->shape->size * node->child_count);
        for (size_t i = 0; i < node->child_count; i++)
                if (!shape_decode(d, field->shape, node->children[i],
                                  items + i * field->shape->size, err))
                        return false;
        *out = (struct any_list){items, node->child_count};
        return true;
}

bool text_map_read(struct decoder *d, const struct node *node, void *out, struct error *err)
{
        struct text_map *map = out;
        if (node->kind != NODE_MAP)
                return wrong_kind(d, node, "a map", err);
        struct text_pair *items = ARENA_ARRAY(d->arena, struct text_pair, node->child_count);
        for (size_t i = 0; i < node->child_count; i++) {
                const struct node *child = node->children[i];
                if (child->kind != NODE_STRING)
                        return wrong_kind(d, child, "a string (put it in quotes)", err);
                items[i] = (struct text_pair){child->key, child->text};
        }
        *map = (struct text_map){items, node->child_count};
        return true;
}

/* max: of its keys; item_max: of each value's length. */
static bool map_check(struct decoder *d, const struct field *field, const struct text_map *map,
                      const struct node *node, struct error *err)
{
        if (field->max && map->count > (size_t)field->max)
                return decode_error(d, node, err, "has %zu keys, wants at most %" PRId64,
                                    map->count, field->max);
        for (size_t i = 0; field->item_max && i < map->count; i++)
                if (map->items[i].value.len > (size_t)field->item_max)
                        return decode_error(d, node->children[i], err,
                                            "has %zu characters, wants at most %" PRId64,
                                            map->items[i].value.len, field->item_max);
        return true;
}

const struct slice *text_map_find(const struct text_map *map, struct slice key)
{
        for (size_t i = 0; i < map->count; i++)
                if (slice_equal(map->items[i].key, key))
                        return &map->items[i].value;
        return NULL;
}

static bool fields_decode(struct decoder *d, const struct shape *shape, const struct node *node,
                          void *out, struct error *err);

static bool object_read(struct decoder *d, const struct field *field, const struct node *node,
                        void **out, struct error *err)
{
        void *value = arena_alloc(d->arena, field->shape->size);
        if (!shape_decode(d, field->shape, node, value, err))
                return false;
        *out = value;
        return true;
}

static bool field_decode(struct decoder *d, const struct field *field, const struct node *node,
                         void *base, struct error *err)
{
        void *at = (char *)base + field->offset;
        switch (field->kind) {
        case FIELD_TEXT:
                return text_read(d, field, node, at, err);
        case FIELD_NUMBER:
                return number_read(d, field, node, at, err);
        case FIELD_FLAG:
                if (node->kind != NODE_BOOL)
                        return wrong_kind(d, node, "true or false", err);
                *(bool *)at = node->boolean;
                return true;
        case FIELD_CHOICE:
                return choice_read(d, field, node, at, err);
        case FIELD_CHOICES:
                return choices_read(d, field, node, at, err);
        case FIELD_MOMENT:
                return moment_read(d, node, at, err);
        case FIELD_DURATION:
                return duration_read(d, field, node, at, err);
        case FIELD_TEXTS:
                return texts_read(d, field, node, at, err);
        case FIELD_MAP:
                return text_map_read(d, node, at, err) && map_check(d, field, at, node, err);
        case FIELD_OBJECT:
                return object_read(d, field, node, at, err);
        case FIELD_OBJECTS:
                return objects_read(d, field, node, at, err);
        case FIELD_INLINE:
                return fields_decode(d, field->shape, node, base, err);
        case FIELD_NODE:
                *(const struct node **)at = node;
                return true;
        case FIELD_READ:
                return field->read(d, node, at, err);
        case FIELD_IGNORED:
                return true;
        }
        return false;
}

static void default_set(const struct field *field, void *base)
{
        void *at = (char *)base + field->offset;
        if (field->kind == FIELD_TEXT && field->default_text)
                *(struct slice *)at = slice_of(field->default_text);
        if ((field->kind == FIELD_NUMBER || field->kind == FIELD_MOMENT) && field->default_number)
                *(int64_t *)at = field->default_number;
        if ((field->kind == FIELD_CHOICE || field->kind == FIELD_CHOICES ||
             field->kind == FIELD_DURATION) &&
            field->default_number)
                *(uint32_t *)at = (uint32_t)field->default_number;
        for (size_t i = 0; field->kind == FIELD_INLINE && i < field->shape->field_count; i++)
                default_set(&field->shape->fields[i], base);
}

static bool rest_check(struct decoder *d, const struct shape *shape, const struct node *node,
                       struct error *err)
{
        for (size_t i = 0; shape->rest != REST_PASSES && i < node->child_count; i++) {
                const struct node *child = node->children[i];
                bool known = false;
                for (size_t f = 0; f < shape->field_count && !known; f++)
                        known = slice_is(child->key, shape->fields[f].name);
                if (known)
                        continue;
                struct error fault;
                decode_error(d, child, &fault, "no such field");
                if (shape->rest == REST_FAILS) {
                        *err = fault;
                        return false;
                }
                d->on_warning(d->warnings_self, slice_of(fault.text));
        }
        return true;
}

static bool fields_decode(struct decoder *d, const struct shape *shape, const struct node *node,
                          void *out, struct error *err)
{
        if (node->kind != NODE_MAP)
                return wrong_kind(d, node, "a map", err);
        /* First what can't be meant: a misspelt field explains why its twin is missing. */
        if (!rest_check(d, shape, node, err))
                return false;
        for (size_t i = 0; i < shape->field_count; i++) {
                const struct field *field = &shape->fields[i];
                const struct node *child = node_find(node, field->name);
                /* `certificatePinning:` with nothing behind it must not read as "no pinning". */
                if (child && child->kind == NODE_NULL && shape->rest == REST_FAILS)
                        return decode_error(d, child, err,
                                            "is empty, wants a value or to be left out");
                if (child && child->kind == NODE_NULL)
                        child = NULL;
                if (!child && field->required)
                        return decode_error(d, node, err, "has no %s, wants one", field->name);
                if (!child)
                        default_set(field, out);
                else if (!field_decode(d, field, child, out, err))
                        return false;
        }
        return !shape->check || shape->check(d, out, err);
}

bool shape_decode(struct decoder *d, const struct shape *shape, const struct node *node, void *out,
                  struct error *err)
{
        *(const struct node **)out = node;
        return fields_decode(d, shape, node, out, err);
}

/* --- what is left of what does not decode --- */

enum keep {
        KEEP_NOT,
        KEEP_WHOLE,
        KEEP_INSIDE, /* a list's items, each as far as it decodes */
};

static enum keep keep_of(const char *const *names, const char *name)
{
        size_t len = strlen(name);
        for (; names && *names; names++)
                if (strncmp(*names, name, len) == 0 &&
                    ((*names)[len] == '\0' || strcmp(*names + len, "/") == 0))
                        return (*names)[len] ? KEEP_INSIDE : KEEP_WHOLE;
        return KEEP_NOT;
}

static bool item_salvage(struct decoder *d, const struct field *field, const struct node *node,
                         const char *const *names, void *out)
{
        struct error ignored;
        if (field->kind == FIELD_TEXTS)
                return text_read(d, field, node, out, &ignored);
        if (keep_of(names, field->name) == KEEP_WHOLE)
                return shape_decode(d, field->shape, node, out, &ignored);
        shape_salvage(d, field->shape, node, names, out);
        return true;
}

static void items_salvage(struct decoder *d, const struct field *field, const struct node *node,
                          const char *const *names, struct any_list *out)
{
        size_t size = field->kind == FIELD_TEXTS ? sizeof(struct slice) : field->shape->size;
        size_t max = field->max ? (size_t)field->max : LIST_MAX, count = 0;
        size_t asked = node->kind == NODE_LIST ? node->child_count : 0;
        char *items = arena_alloc(d->arena, size * (asked < max ? asked : max));
        for (size_t i = 0; i < asked && i < max; i++) {
                void *item = items + count * size;
                if (item_salvage(d, field, node->children[i], names, item))
                        count++;
                else
                        memset(item, 0, size);
        }
        *out = (struct any_list){items, count};
}

static void field_salvage(struct decoder *d, const struct field *field, const struct node *node,
                          const char *const *names, void *base)
{
        void *at = (char *)base + field->offset;
        struct error ignored;
        bool list = field->kind == FIELD_OBJECTS || field->kind == FIELD_TEXTS;
        bool there = node && node->kind != NODE_NULL && keep_of(names, field->name) != KEEP_NOT;
        if (there && list)
                items_salvage(d, field, node, names, at);
        else if (!there || !field_decode(d, field, node, base, &ignored))
                default_set(field, base);
}

static void fields_salvage(struct decoder *d, const struct shape *shape, const struct node *node,
                           const char *const *names, void *out)
{
        for (size_t i = 0; i < shape->field_count; i++) {
                const struct field *field = &shape->fields[i];
                const struct node *child = node_find(node, field->name);
                if (field->kind == FIELD_INLINE)
                        fields_salvage(d, field->shape, child, names, out);
                else
                        field_salvage(d, field, child, names, out);
        }
}

void shape_salvage(struct decoder *d, const struct shape *shape, const struct node *node,
                   const char *const *names, void *out)
{
        *(const struct node **)out = node;
        fields_salvage(d, shape, node, names, out);
}
