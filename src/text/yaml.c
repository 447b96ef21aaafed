#include "text/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/map.h"
#include "base/must.h"
#include "base/vec.h"
#include "text/scalar.h"
#include "text/utf8.h"

enum {
        MAPPED_FROM = 16, /* keys; with fewer a walk over them is faster than a map */
        /* libyaml wipes its buffer for white space, as large as the longest run so far, before each
         * word: a text of one long run and many words would take the square of its length. */
        BLANK_RUN_MAX = 8192,
};

/* A list or map whose end is still to come. */
struct open_node {
        struct node *node;
        struct map keys; /* from key to child, once there are many */
        struct slice key;
        int key_line;
        bool has_key;
};

struct yaml_reader {
        yaml_parser_t parser;
        struct arena *arena;
        struct slice text;
        const char *file;
        int lines_before; /* of the file, before the text */
        struct error *err;
        struct map anchors; /* from name to node, of this document */
        struct open_node open[YAML_DEPTH_MAX];
        size_t depth, node_count;
        bool aliased;
        struct node *root; /* of this document */
        VEC(struct node *) docs;
};

static bool PRINTF_LIKE(3, 4) refuse(struct yaml_reader *r, int line, const char *format, ...)
{
        char text[512];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        return error_set(r->err, ERROR_INPUT, "%s:%d: %s", r->file, line, text);
}

static int line_of(const struct yaml_reader *r, const yaml_event_t *event)
{
        return r->lines_before + (int)event->start_mark.line + 1;
}

static int line_at(const struct yaml_reader *r, size_t at)
{
        int line = r->lines_before + 1;
        for (size_t i = 0; i < at && i < r->text.len; i++)
                line += r->text.data[i] == '\n';
        return line;
}

static bool is_blank(char c)
{
        /* The bytes of U+0085, U+2028 and U+2029 too, which libyaml takes for line ends. */
        static const bool blanks[256] = {
                [' '] = true,  ['\t'] = true, ['\r'] = true, ['\n'] = true, [0xc2] = true,
                [0x85] = true, [0xe2] = true, [0x80] = true, [0xa8] = true, [0xa9] = true};
        return blanks[(unsigned char)c];
}

/* Where a run of blanks becomes too long; the text's end when none does. Such a run covers a place
 * that is a multiple of the maximum: only around those is anything looked at. */
static size_t blank_run_end(struct slice text)
{
        for (size_t at = BLANK_RUN_MAX; at < text.len; at += BLANK_RUN_MAX) {
                size_t start = at, end = at;
                while (start > 0 && at - start < BLANK_RUN_MAX && is_blank(text.data[start - 1]))
                        start--;
                while (end < text.len && end - start <= BLANK_RUN_MAX && is_blank(text.data[end]))
                        end++;
                if (end - start > BLANK_RUN_MAX)
                        return start + BLANK_RUN_MAX;
        }
        return text.len;
}

static bool is_text(struct yaml_reader *r, struct slice text)
{
        if (text.len > YAML_TEXT_MAX)
                return error_set(r->err, ERROR_LIMIT, "%s: larger than 1 GiB", r->file);
        size_t nul = slice_find(text, '\0');
        if (nul < text.len)
                return refuse(r, line_at(r, nul), "a NUL byte (this is no text file)");
        size_t blank = blank_run_end(text);
        if (blank < text.len)
                return refuse(r, line_at(r, blank), "more than %d blanks in a row", BLANK_RUN_MAX);
        if (utf8_valid(text))
                return true;
        size_t at = 0;
        uint32_t character;
        for (size_t len; (len = utf8_next(slice_skip(text, at), &character)) > 0;)
                at += len;
        return refuse(r, line_at(r, at), "not UTF-8 (byte 0x%02x)", (unsigned char)text.data[at]);
}

static bool count_node(struct yaml_reader *r, size_t depth, int line)
{
        if (depth >= YAML_DEPTH_MAX)
                return refuse(r, line, "deeper than %d levels", YAML_DEPTH_MAX);
        if (++r->node_count > YAML_NODES_MAX)
                return refuse(r, line, "more than %d values (aliases count as what they stand for)",
                              YAML_NODES_MAX);
        return true;
}

static const struct node *find_key(struct open_node *open, struct slice key)
{
        struct node *map = open->node;
        if (map->child_count < MAPPED_FROM)
                for (size_t i = 0; i < map->child_count; i++)
                        if (slice_equal(map->children[i]->key, key))
                                return map->children[i];
        if (map->child_count < MAPPED_FROM)
                return NULL;
        if (open->keys.count == 0)
                for (size_t i = 0; i < map->child_count; i++)
                        map_set(&open->keys, map->children[i]->key, map->children[i]);
        return map_find(&open->keys, key);
}

/* Puts the node under its parent, or makes it the document's root. */
static void attach(struct yaml_reader *r, struct node *node)
{
        if (r->depth == 0) {
                r->root = node;
                return;
        }
        struct open_node *open = &r->open[r->depth - 1];
        node_add(r->arena, open->node, open->key, node);
        if (open->keys.count > 0)
                map_set(&open->keys, node->key, node);
        open->key = SLICE_NONE;
        open->has_key = false;
}

static bool wants_key(const struct yaml_reader *r)
{
        const struct open_node *open = r->depth > 0 ? &r->open[r->depth - 1] : NULL;
        return open && open->node->kind == NODE_MAP && !open->has_key;
}

static bool take_key(struct yaml_reader *r, struct slice key, bool plain, int line)
{
        char shown[UTF8_SHOWN_SIZE];
        struct open_node *open = &r->open[r->depth - 1];
        if (plain && slice_is(key, "<<"))
                return refuse(r, line, "a merge key '<<' (write the fields out)");
        if (plain && key.len == 0)
                return refuse(r, line, "a key is missing before ':'");
        const struct node *former = find_key(open, key);
        if (former)
                return refuse(r, line, "the key \"%s\" stands twice in one map (first in line %d)",
                              utf8_show(key, shown), former->line);
        open->key = arena_slice(r->arena, key);
        open->key_line = line;
        open->has_key = true;
        return true;
}

static void remember(struct yaml_reader *r, const yaml_char_t *anchor, struct node *node)
{
        if (!anchor)
                return;
        struct slice name = arena_slice(r->arena, slice_of((const char *)anchor));
        map_set(&r->anchors, name, node);
}

static bool has_tag(struct yaml_reader *r, const yaml_char_t *tag, int line)
{
        char shown[UTF8_SHOWN_SIZE];
        if (!tag)
                return false;
        refuse(r, line, "a tag (\"%s\"; values need none here, quote what must be a string)",
               utf8_show(slice_of((const char *)tag), shown));
        return true;
}

static bool on_scalar(struct yaml_reader *r, const yaml_event_t *event)
{
        struct slice text = slice_from(event->data.scalar.value, event->data.scalar.length);
        bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        int line = line_of(r, event);
        if (has_tag(r, event->data.scalar.tag, line))
                return false;
        if (slice_find(text, '\0') < text.len)
                return refuse(r, line, "a NUL character in a string");
        if (wants_key(r)) {
                if (event->data.scalar.anchor)
                        return refuse(r, line, "an anchor at a key");
                return take_key(r, text, plain, line);
        }
        if (!count_node(r, r->depth, line))
                return false;
        struct node *node = node_new(r->arena, NODE_STRING, r->file, line);
        node->text = arena_slice(r->arena, text);
        if (plain)
                scalar_resolve(node);
        attach(r, node);
        remember(r, event->data.scalar.anchor, node);
        return true;
}

static bool on_begin(struct yaml_reader *r, enum node_kind kind, const yaml_event_t *event)
{
        bool list = kind == NODE_LIST;
        int line = line_of(r, event);
        if (has_tag(r, list ? event->data.sequence_start.tag : event->data.mapping_start.tag, line))
                return false;
        if (wants_key(r))
                return refuse(r, line, "a key that is a %s (keys are strings)",
                              list ? "list" : "map");
        if (!count_node(r, r->depth, line))
                return false;
        struct node *node = node_new(r->arena, kind, r->file, line);
        attach(r, node);
        remember(r, list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor,
                 node);
        r->open[r->depth++] = (struct open_node){.node = node};
        return true;
}

/* NULL: err is set. Texts are shared with the original, nodes are not, as each has one parent. */
static struct node *copy_node(struct yaml_reader *r, const struct node *from, size_t depth,
                              int line)
{
        if (!count_node(r, depth, line))
                return NULL;
        struct node *copy = ARENA_NEW(r->arena, struct node);
        *copy = *from;
        copy->parent = NULL;
        copy->children = NULL;
        copy->child_count = copy->index = 0;
        for (size_t i = 0; i < from->child_count; i++) {
                struct node *child = copy_node(r, from->children[i], depth + 1, line);
                if (!child)
                        return NULL;
                node_add(r->arena, copy, from->children[i]->key, child);
        }
        return copy;
}

static bool on_alias(struct yaml_reader *r, const yaml_event_t *event)
{
        char shown[UTF8_SHOWN_SIZE];
        int line = line_of(r, event);
        struct slice name = slice_of((const char *)event->data.alias.anchor);
        const struct node *from = map_find(&r->anchors, name);
        utf8_show(name, shown);
        if (wants_key(r))
                return refuse(r, line, "an alias as a key (write the key out)");
        if (!from)
                return refuse(r, line, "the alias \"*%s\" has no anchor before it", shown);
        for (size_t i = 0; i < r->depth; i++) {
                if (r->open[i].node == from)
                        return refuse(r, line, "the alias \"*%s\" stands within its own anchor",
                                      shown);
        }
        r->aliased = true;
        struct node *copy = copy_node(r, from, r->depth, line);
        if (!copy)
                return false;
        attach(r, copy);
        return true;
}

static void on_end(struct yaml_reader *r)
{
        must(r->depth > 0);
        map_done(&r->open[--r->depth].keys);
}

static void on_document_end(struct yaml_reader *r)
{
        if (r->root && r->root->kind != NODE_NULL)
                vec_push(&r->docs, r->root);
        r->root = NULL;
        map_done(&r->anchors);
}

static bool on_event(struct yaml_reader *r, const yaml_event_t *event)
{
        switch (event->type) {
        case YAML_SCALAR_EVENT:
                return on_scalar(r, event);
        case YAML_SEQUENCE_START_EVENT:
                return on_begin(r, NODE_LIST, event);
        case YAML_MAPPING_START_EVENT:
                return on_begin(r, NODE_MAP, event);
        case YAML_ALIAS_EVENT:
                return on_alias(r, event);
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_END_EVENT:
                on_end(r);
                return true;
        case YAML_DOCUMENT_END_EVENT:
                on_document_end(r);
                return true;
        default:
                return true;
        }
}

/* libyaml's own complaint. About characters it knows an offset, about all else a line. */
static bool refuse_syntax(struct yaml_reader *r)
{
        const yaml_parser_t *p = &r->parser;
        must(p->error != YAML_MEMORY_ERROR);
        int line = p->error == YAML_READER_ERROR ? line_at(r, p->problem_offset)
                                                 : r->lines_before + (int)p->problem_mark.line + 1;
        return refuse(r, line, "not YAML (%s%s%s)", p->problem ? p->problem : "malformed",
                      p->context ? ", " : "", p->context ? p->context : "");
}

static bool read_events(struct yaml_reader *r)
{
        for (bool ended = false; !ended;) {
                yaml_event_t event;
                if (!yaml_parser_parse(&r->parser, &event))
                        return refuse_syntax(r);
                bool good = on_event(r, &event);
                ended = event.type == YAML_STREAM_END_EVENT;
                yaml_event_delete(&event);
                if (!good)
                        return false;
        }
        return true;
}

static void reader_done(struct yaml_reader *r)
{
        while (r->depth > 0)
                on_end(r);
        map_done(&r->anchors);
        vec_done(&r->docs);
        yaml_parser_delete(&r->parser);
}

bool yaml_parse_at(struct arena *arena, struct slice text, const struct yaml_place *place,
                   struct yaml_docs *docs, struct error *err)
{
        struct yaml_reader r = {.arena = arena,
                                .text = text,
                                .file = place->file,
                                .lines_before = place->lines_before,
                                .err = err};
        if (!is_text(&r, text))
                return false;
        must(yaml_parser_initialize(&r.parser));
        yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(
                &r.parser, (const unsigned char *)(text.len > 0 ? text.data : ""), text.len);
        bool good = read_events(&r);
        if (good)
                vec_freeze(&r.docs, arena, &docs->items, &docs->count);
        docs->aliased = r.aliased;
        docs->node_count = r.node_count;
        reader_done(&r);
        return good;
}

bool yaml_parse(struct arena *arena, struct slice text, const char *file, struct yaml_docs *docs,
                struct error *err)
{
        const struct yaml_place place = {.file = file};
        return yaml_parse_at(arena, text, &place, docs, err);
}
