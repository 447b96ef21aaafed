#include "text/json.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/secret.h"
#include "text/utf8.h"

/* Secrets are read by it, and it frees them as they are (I43). */
__attribute__((constructor)) static void wipe_what_is_freed(void)
{
        json_set_alloc_funcs(malloc, secret_free);
}

static void json_release(json_t **json)
{
        json_decref(*json);
}

/* Counts what jansson would build, before it builds it: its own values take twenty times their
 * text, and it goes 2,048 levels deep. */
static bool is_bounded(struct slice text, const char *file, struct error *err)
{
        size_t nodes = 1, depth = 0;
        bool quoted = false;
        for (size_t i = 0; i < text.len; i++) {
                char c = text.data[i];
                if (quoted) {
                        if (c == '\\')
                                i++;
                        quoted = c != '"';
                        continue;
                }
                quoted = c == '"';
                nodes += c == ',' || c == '[' || c == '{';
                depth += c == '[' || c == '{';
                depth -= (c == ']' || c == '}') && depth > 0;
                if (depth > JSON_DEPTH_MAX)
                        return error_set(err, ERROR_LIMIT, "%s: deeper than %d levels",
                                         file ? file : "JSON", JSON_DEPTH_MAX);
                if (nodes > JSON_NODES_MAX)
                        return error_set(err, ERROR_LIMIT, "%s: more than %d values",
                                         file ? file : "JSON", JSON_NODES_MAX);
        }
        return true;
}

static struct node *node_of(struct arena *arena, const json_t *json, const char *file);

static void add_members(struct arena *arena, struct node *node, const json_t *json)
{
        /* jansson's iterator wants a pointer that is not const; it changes nothing. */
        json_t *object = (json_t *)(uintptr_t)json;
        for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
                struct slice key =
                        slice_from(json_object_iter_key(at), json_object_iter_key_len(at));
                struct node *child = node_of(arena, json_object_iter_value(at), node->file);
                node_add(arena, node, arena_slice(arena, key), child);
        }
}

/* jansson keeps the value of a real only, so its text is the shortest that gives it back and that
 * no reader takes for an integer. */
static struct slice real_text(struct arena *arena, double value)
{
        for (int digits = 1;; digits++) {
                struct slice text = arena_printf(arena, "%.*g", digits, value);
                if (digits == 17 || strtod(text.data, NULL) == value) {
                        bool marked = memchr(text.data, '.', text.len) != NULL ||
                                      memchr(text.data, 'e', text.len) != NULL;
                        return marked ? text : arena_printf(arena, "%.*s.0", SLICE_ARG(text));
                }
        }
}

static struct node *node_of(struct arena *arena, const json_t *json, const char *file)
{
        static const enum node_kind kinds[] = {
                [JSON_OBJECT] = NODE_MAP,      [JSON_ARRAY] = NODE_LIST,
                [JSON_STRING] = NODE_STRING,   [JSON_REAL] = NODE_FLOAT,
                [JSON_INTEGER] = NODE_INTEGER, [JSON_TRUE] = NODE_BOOL,
                [JSON_FALSE] = NODE_BOOL,      [JSON_NULL] = NODE_NULL,
        };
        struct node *node = node_new(arena, kinds[json_typeof(json)], file, 0);
        switch (json_typeof(json)) {
        case JSON_OBJECT:
                add_members(arena, node, json);
                break;
        case JSON_ARRAY:
                for (size_t i = 0; i < json_array_size(json); i++)
                        node_add(arena, node, SLICE_NONE,
                                 node_of(arena, json_array_get(json, i), file));
                break;
        case JSON_STRING:
                node->text = arena_slice(
                        arena, slice_from(json_string_value(json), json_string_length(json)));
                break;
        case JSON_INTEGER:
                node->integer = json_integer_value(json);
                node->text = arena_printf(arena, "%lld", (long long)node->integer);
                break;
        case JSON_REAL:
                node->text = real_text(arena, json_real_value(json));
                break;
        case JSON_TRUE:
        case JSON_FALSE:
                node->boolean = json_is_true(json);
                node->text = node->boolean ? SLICE("true") : SLICE("false");
                break;
        case JSON_NULL:
                node->text = SLICE("null");
                break;
        }
        return node;
}

bool json_parse(struct arena *arena, struct slice text, const char *file, struct node **root,
                struct error *err)
{
        json_error_t why;
        if (text.len > JSON_TEXT_MAX)
                return error_set(err, ERROR_LIMIT, "%s: larger than 1 GiB", file ? file : "JSON");
        if (!is_bounded(text, file, err))
                return false;
        CLEANUP(json_release)
        json_t *json = json_loadb(text.len > 0 ? text.data : "", text.len,
                                  JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
        if (!json) {
                char shown[UTF8_SHOWN_SIZE];
                error_set(err, ERROR_INPUT, "not JSON (%s)", utf8_show(slice_of(why.text), shown));
                return file ? error_wrap(err, "%s:%d", file, why.line > 0 ? why.line : 1) : false;
        }
        *root = node_of(arena, json, file);
        return true;
}

/* RFC 8259, 6; YAML writes numbers in more ways than that. */
static bool is_json_number(struct slice s)
{
        size_t at = s.len > 0 && s.data[0] == '-', start = at;
        while (at < s.len && s.data[at] >= '0' && s.data[at] <= '9')
                at++;
        if (at == start || (s.data[start] == '0' && at > start + 1))
                return false;
        if (at < s.len && s.data[at] == '.') {
                start = ++at;
                while (at < s.len && s.data[at] >= '0' && s.data[at] <= '9')
                        at++;
                if (at == start)
                        return false;
        }
        if (at < s.len && ascii_lower(s.data[at]) == 'e') {
                at++;
                at += at < s.len && (s.data[at] == '+' || s.data[at] == '-');
                start = at;
                while (at < s.len && s.data[at] >= '0' && s.data[at] <= '9')
                        at++;
                if (at == start)
                        return false;
        }
        return at == s.len;
}

/* JSON has no infinity and no NaN; these become strings. */
static void print_float(struct json_writer *w, struct slice text)
{
        char number[64], out[32];
        if (is_json_number(text)) {
                json_write_number(w, text);
                return;
        }
        snprintf(number, sizeof(number), "%.*s", SLICE_ARG(slice_sub(text, 0, 63)));
        char *last;
        double value = strtod(number, &last);
        if (*last != '\0' || last == number || !isfinite(value)) {
                json_write_string(w, text);
                return;
        }
        snprintf(out, sizeof(out), "%.17g", value);
        json_write_number(w, slice_of(out));
}

static void print_node(struct json_writer *w, const struct node *node)
{
        switch (node->kind) {
        case NODE_NULL:
                json_write_null(w);
                return;
        case NODE_BOOL:
                json_write_bool(w, node->boolean);
                return;
        case NODE_INTEGER:
                json_write_integer(w, node->integer);
                return;
        case NODE_FLOAT:
                print_float(w, node->text);
                return;
        case NODE_STRING:
                json_write_string(w, node->text);
                return;
        case NODE_LIST:
                json_begin_array(w);
                for (size_t i = 0; i < node->child_count; i++)
                        print_node(w, node->children[i]);
                json_end_array(w);
                return;
        case NODE_MAP:
                json_begin_object(w);
                for (size_t i = 0; i < node->child_count; i++) {
                        json_key(w, node->children[i]->key);
                        print_node(w, node->children[i]);
                }
                json_end_object(w);
                return;
        }
}

bool node_print_json(const struct node *node, struct buffer *out, bool pretty)
{
        size_t start = out->len;
        struct json_writer w;
        json_writer_init(&w, out);
        w.pretty = pretty;
        print_node(&w, node);
        if (json_writer_done(&w) && (!pretty || buffer_append(out, SLICE("\n"))))
                return true;
        out->len = start;
        return false;
}
