#include "text/tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/must.h"
#include "text/utf8.h"

enum {
        FIRST_CHILDREN = 4,
        PATH_BYTES_MAX = 65536
};

const struct node *node_find(const struct node *map, const char *key)
{
        if (!map || map->kind != NODE_MAP)
                return NULL;
        struct slice wanted = slice_of(key);
        for (size_t i = 0; i < map->child_count; i++) {
                if (slice_equal(map->children[i]->key, wanted))
                        return map->children[i];
        }
        return NULL;
}

struct slice node_text(const struct node *map, const char *key)
{
        const struct node *child = node_find(map, key);
        return child ? child->text : SLICE_NONE;
}

const char *node_kind_name(enum node_kind kind)
{
        static const char *const names[] = {
                [NODE_NULL] = "null",          [NODE_BOOL] = "a boolean",
                [NODE_INTEGER] = "an integer", [NODE_FLOAT] = "a number with a fraction",
                [NODE_STRING] = "a string",    [NODE_LIST] = "a list",
                [NODE_MAP] = "a map",
        };
        must((unsigned)kind < COUNT_OF(names));
        return names[kind];
}

static bool is_plain_name(struct slice key)
{
        for (size_t i = 0; i < key.len; i++) {
                char c = ascii_lower(key.data[i]);
                if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '-')
                        return false;
        }
        return key.len > 0;
}

/* A key that has dots or worse of its own stands in brackets: data["ca.crt"]. */
static void print_step(const struct node *node, struct buffer *out)
{
        if (node->parent->kind == NODE_LIST) {
                buffer_printf(out, "[%zu]", node->index);
        } else if (is_plain_name(node->key)) {
                buffer_printf(out, "%s%.*s", node->parent->parent ? "." : "", SLICE_ARG(node->key));
        } else {
                buffer_append(out, SLICE("[\""));
                utf8_print(node->key, out);
                buffer_append(out, SLICE("\"]"));
        }
}

static void print_path(const struct node *node, struct buffer *out)
{
        if (!node->parent)
                return;
        print_path(node->parent, out);
        print_step(node, out);
}

struct slice node_path(const struct node *node, struct arena *arena)
{
        CLEANUP(buffer_done) struct buffer path;
        buffer_init(&path, PATH_BYTES_MAX);
        print_path(node, &path);
        return arena_slice(arena, buffer_slice(&path));
}

bool node_error(const struct node *node, struct error *err, const char *format, ...)
{
        if (!err)
                return false;
        va_list args;
        va_start(args, format);
        err->code = ERROR_INPUT;
        vsnprintf(err->text, sizeof(err->text), format, args);
        va_end(args);
        CLEANUP(buffer_done) struct buffer path;
        buffer_init(&path, PATH_BYTES_MAX);
        print_path(node, &path);
        if (path.len > 0)
                error_wrap(err, "%.*s", SLICE_ARG(buffer_slice(&path)));
        if (node->file && node->line > 0)
                error_wrap(err, "%s:%d", node->file, node->line);
        else if (node->file)
                error_wrap(err, "%s", node->file);
        return false;
}

/* The child of `map` under key; order is often the same in both, so its place is tried first. */
static const struct node *child_like(const struct node *map, const struct node *like)
{
        if (slice_equal(map->children[like->index]->key, like->key))
                return map->children[like->index];
        for (size_t i = 0; i < map->child_count; i++) {
                if (slice_equal(map->children[i]->key, like->key))
                        return map->children[i];
        }
        return NULL;
}

bool node_equal(const struct node *a, const struct node *b)
{
        if (a->kind != b->kind || a->child_count != b->child_count)
                return false;
        switch (a->kind) {
        case NODE_NULL:
                return true;
        case NODE_BOOL:
                return a->boolean == b->boolean;
        case NODE_INTEGER:
                return a->integer == b->integer;
        case NODE_FLOAT:
        case NODE_STRING:
                return slice_equal(a->text, b->text);
        case NODE_LIST:
        case NODE_MAP:
                break;
        }
        for (size_t i = 0; i < a->child_count; i++) {
                const struct node *twin =
                        a->kind == NODE_LIST ? b->children[i] : child_like(b, a->children[i]);
                if (!twin || !node_equal(a->children[i], twin))
                        return false;
        }
        return true;
}

struct node *node_new(struct arena *arena, enum node_kind kind, const char *file, int line)
{
        struct node *node = ARENA_NEW(arena, struct node);
        node->kind = kind;
        node->file = file;
        node->line = line;
        return node;
}

struct node *node_new_string(struct arena *arena, struct slice text)
{
        struct node *node = node_new(arena, NODE_STRING, NULL, 0);
        node->text = arena_slice(arena, text);
        return node;
}

struct node *node_new_integer(struct arena *arena, int64_t value)
{
        struct node *node = node_new(arena, NODE_INTEGER, NULL, 0);
        node->integer = value;
        node->text = arena_printf(arena, "%lld", (long long)value);
        return node;
}

struct node *node_new_bool(struct arena *arena, bool value)
{
        struct node *node = node_new(arena, NODE_BOOL, NULL, 0);
        node->boolean = value;
        node->text = value ? SLICE("true") : SLICE("false");
        return node;
}

/* The array is full whenever the count is a power of two, which spares keeping its capacity. */
static void make_room(struct arena *arena, struct node *parent)
{
        size_t count = parent->child_count;
        if (count != 0 && (count < FIRST_CHILDREN || (count & (count - 1)) != 0))
                return;
        size_t capacity = count == 0 ? FIRST_CHILDREN : count * 2;
        struct node **children = ARENA_ARRAY(arena, struct node *, capacity);
        if (count > 0)
                memcpy(children, parent->children, count * sizeof(struct node *));
        parent->children = children;
}

void node_add(struct arena *arena, struct node *parent, struct slice key, struct node *child)
{
        must(parent->kind == NODE_MAP || parent->kind == NODE_LIST);
        make_room(arena, parent);
        child->parent = parent;
        child->key = key;
        child->index = parent->child_count;
        parent->children[parent->child_count++] = child;
}
