/* From a node tree to a C struct by a table: which fields a map may have, where each goes, and what
 * its schema demands. One interpreter serves every kind, so a limit can't be forgotten in one place
 * and every complaint has the same form:
 *
 *      edge.yaml:12: Gateway edge/edge: spec.listeners[0].port: is 70000, wants 1 to 65535
 *
 * Every struct that a shape fills starts with `const struct node *node`, its position. A field that
 * is absent or null is left zero, or gets its default. Texts are views into the tree. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"
#include "base/memory.h"
#include "text/tree.h"

#define LIST(type)                                                                                 \
        struct {                                                                                   \
                type *items;                                                                       \
                size_t count;                                                                      \
        }

struct text_pair {
        struct slice key, value;
};
struct text_map {
        struct text_pair *items;
        size_t count;
};

enum field_kind {
        FIELD_TEXT,     /* struct slice; min and max are its length, max 0: 4096 */
        FIELD_NUMBER,   /* int64_t */
        FIELD_FLAG,     /* bool */
        FIELD_CHOICE,   /* an enum that is numbered as `values` are */
        FIELD_CHOICES,  /* unsigned: BIT(i) for values[i], each at most once */
        FIELD_MOMENT,   /* int64_t, Unix seconds; written as RFC 3339 has it */
        FIELD_DURATION, /* uint32_t, milliseconds; written as GEP-2257 has it */
        FIELD_TEXTS,    /* LIST(struct slice); each of 1 to item_max characters */
        FIELD_MAP,      /* struct text_map; max is of keys, item_max of each value's length */
        FIELD_OBJECT,   /* pointer to a struct of `shape`; NULL: absent */
        FIELD_OBJECTS,  /* LIST(struct of `shape`) */
        FIELD_INLINE,   /* a map whose fields belong to the same struct */
        FIELD_NODE,     /* const struct node *: there or not, told later */
        FIELD_READ,     /* by a function */
        FIELD_IGNORED,  /* known, and nothing of ours */
};

struct decoder {
        struct arena *arena;
        struct slice object; /* "Gateway edge/edge" */
        void *warnings_self;
        void (*on_warning)(void *self, struct slice text);
};

struct text_rule {
        bool (*holds)(struct slice text);
        const char *wants;
};

struct shape;

struct field {
        const char *name;
        enum field_kind kind;
        size_t offset;
        bool required;
        int64_t min, max;
        int64_t item_max;
        const struct text_rule *rule; /* of a text, or of each text of a list */
        const char *const *values;    /* an enum's, ending in NULL */
        const char *default_text;
        int64_t default_number;
        const struct shape *shape;
        const char *unique; /* of a list: the key that no two items share */
        bool (*read)(struct decoder *decoder, const struct node *node, void *out,
                     struct error *err);
};

enum shape_rest { /* what a field that the table does not know is */
        REST_WARNS,
        REST_FAILS, /* our own kinds and spec.tls: a misspelt restriction must not vanish */
        REST_PASSES,
};

struct shape {
        size_t size;
        const struct field *fields;
        size_t field_count;
        enum shape_rest rest;
        bool (*check)(struct decoder *decoder, void *value, struct error *err);
};

#define SHAPE(name_, type_, fields_, ...)                                                          \
        const struct shape name_ = {.size = sizeof(type_),                                         \
                                    .fields = fields_,                                             \
                                    .field_count = COUNT_OF(fields_),                              \
                                    __VA_ARGS__}

bool shape_decode(struct decoder *decoder, const struct shape *shape, const struct node *node,
                  void *out, struct error *err);
/* For what did not decode; `out` is zero. Fields that `names` has (anywhere within; ends in NULL;
 * NULL: none) are taken if they decode, of a list the items that do, all others are as if they were
 * absent. Of a list that is named as "rules/" each item is salvaged in turn. Nothing is checked
 * across fields, and nobody is warned. */
void shape_salvage(struct decoder *decoder, const struct shape *shape, const struct node *node,
                   const char *const *names, void *out);
/* Sets err to "FILE:LINE: OBJECT: PATH: …"; false. */
bool decode_error(const struct decoder *decoder, const struct node *node, struct error *err,
                  const char *format, ...) PRINTF_LIKE(4, 5);
bool text_map_read(struct decoder *decoder, const struct node *node, void *out, struct error *err);
/* The value of a key, or NULL. */
const struct slice *text_map_find(const struct text_map *map, struct slice key);
