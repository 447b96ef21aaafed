/* What a YAML or JSON document says, as a tree in one arena: every node knows its file and line,
 * and its path can be printed, so that each complaint names the object, the field and what is
 * wanted. Built by yaml.c and json.c, read by control/api and cli. Never changed once built. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

enum node_kind {
        NODE_NULL,
        NODE_BOOL,
        NODE_INTEGER,
        NODE_FLOAT,
        NODE_STRING,
        NODE_LIST,
        NODE_MAP
};

struct node {
        enum node_kind kind;
        bool boolean;
        int64_t integer;
        struct slice
                text; /* a scalar as written (quotes and escapes resolved); valid for all scalars */
        struct slice key; /* this node's name within a map; empty elsewhere */
        int line;         /* 1-based; 0 where the source keeps no lines */
        const char *file; /* "-" for standard input */

        const struct node *parent; /* NULL at a document's root */
        struct node **children;    /* of a list or map, in the order written */
        size_t child_count;
        size_t index; /* within the parent */
};

/* The child of a map; NULL when the map (or `map` itself) has none. A linear scan: maps in our
 * objects are small; the one large thing, pins.txt, is one string. */
const struct node *node_find(const struct node *map, const char *key);
/* The scalar's text of a map's child, or SLICE_NONE. */
struct slice node_text(const struct node *map, const char *key);
const char *node_kind_name(enum node_kind kind); /* "a string", "a list", … */

/* "spec.listeners[0].tls.certificateRefs[1].name"; the root is "". */
struct slice node_path(const struct node *node, struct arena *arena);
/* err says "FILE:LINE: PATH: …" (file and line where known). Returns false. */
bool node_error(const struct node *node, struct error *err, const char *format, ...)
        PRINTF_LIKE(3, 4);

/* Two trees say the same: kinds, texts, keys in any order. */
bool node_equal(const struct node *a, const struct node *b);

/* Building, for readers and for printers of statuses. */
struct node *node_new(struct arena *arena, enum node_kind kind, const char *file, int line);
struct node *node_new_string(struct arena *arena, struct slice text);
struct node *node_new_integer(struct arena *arena, int64_t value);
struct node *node_new_bool(struct arena *arena, bool value);
/* Appends; key is empty for a list. The child's array grows in the arena. */
void node_add(struct arena *arena, struct node *parent, struct slice key, struct node *child);
