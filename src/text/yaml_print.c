#include "text/yaml_print.h"

#include <stdio.h>
#include <string.h>

#include "text/scalar.h"
#include "text/utf8.h"

enum {
        IMPLICIT_KEY_MAX = 900 /* readers take 1,024 characters at most before a ':' */
};

struct yaml_printer {
        struct buffer *out;
        bool over;
};

static void put(struct yaml_printer *p, struct slice s)
{
        if (!p->over && !buffer_append(p->out, s))
                p->over = true;
}

static void put_indent(struct yaml_printer *p, unsigned indent)
{
        for (unsigned i = 0; i < indent; i++)
                put(p, SLICE(" "));
}

/* The first character of s within double quotes; gives its bytes. */
static size_t put_character(struct yaml_printer *p, struct slice s)
{
        static const char named[] = "\nn\rr\tt\"\"\\\\";
        uint32_t c;
        size_t len = utf8_next(s, &c);
        char out[16];
        if (len == 0) {
                put(p, SLICE("\\uFFFD"));
                return 1;
        }
        for (const char *name = named; *name; name += 2) {
                if (c == (unsigned char)*name) {
                        put(p, SLICE("\\"));
                        put(p, slice_from(name + 1, 1));
                        return len;
                }
        }
        if (utf8_is_visible(c)) {
                put(p, slice_sub(s, 0, len));
                return len;
        }
        snprintf(out, sizeof(out),
                 c < 0x100     ? "\\x%02X"
                 : c < 0x10000 ? "\\u%04X"
                               : "\\U%08X",
                 (unsigned)c);
        put(p, slice_of(out));
        return len;
}

static void put_quoted(struct yaml_printer *p, struct slice s)
{
        put(p, SLICE("\""));
        while (s.len > 0 && !p->over)
                s = slice_skip(s, put_character(p, s));
        put(p, SLICE("\""));
}

/* Several lines, none of which needs an escape; the first shows the indentation. */
static bool is_literal(struct slice s)
{
        if (slice_find(s, '\n') == s.len || s.data[0] == ' ' || s.data[0] == '\n' ||
            s.data[0] == '\t')
                return false;
        while (s.len > 0) {
                uint32_t c;
                size_t len = utf8_next(s, &c);
                if (len == 0 || (!utf8_is_visible(c) && c != '\n' && c != '\t'))
                        return false;
                s = slice_skip(s, len);
        }
        return true;
}

static void put_literal(struct yaml_printer *p, struct slice s, unsigned indent)
{
        bool ends = s.data[s.len - 1] == '\n';
        put(p, !ends ? SLICE("|-") : s.data[s.len - 2] == '\n' ? SLICE("|+") : SLICE("|"));
        if (ends)
                s.len--;
        struct slice line;
        while (slice_split(&s, '\n', &line)) {
                put(p, SLICE("\n"));
                if (line.len > 0)
                        put_indent(p, indent);
                put(p, line);
        }
}

static void put_string(struct yaml_printer *p, struct slice s, unsigned indent)
{
        if (scalar_is_plain_string(s))
                put(p, s);
        else if (is_literal(s))
                put_literal(p, s, indent);
        else
                put_quoted(p, s);
}

static void put_scalar(struct yaml_printer *p, const struct node *node, unsigned indent)
{
        char out[24];
        switch (node->kind) {
        case NODE_NULL:
                put(p, SLICE("null"));
                return;
        case NODE_BOOL:
                put(p, node->boolean ? SLICE("true") : SLICE("false"));
                return;
        case NODE_INTEGER:
                snprintf(out, sizeof(out), "%lld", (long long)node->integer);
                put(p, slice_of(out));
                return;
        case NODE_FLOAT:
                put(p, node->text);
                return;
        case NODE_STRING:
                put_string(p, node->text, indent);
                return;
        case NODE_LIST:
                put(p, SLICE("[]"));
                return;
        case NODE_MAP:
                put(p, SLICE("{}"));
                return;
        }
}

static void put_children(struct yaml_printer *p, const struct node *node, unsigned indent);

static void put_key(struct yaml_printer *p, struct slice key, unsigned indent)
{
        size_t start = p->out->len;
        if (key.len > IMPLICIT_KEY_MAX)
                put(p, SLICE("? "));
        if (scalar_is_plain_string(key))
                put(p, key);
        else
                put_quoted(p, key);
        /* Escapes can make a short key long: then it is written anew with the explicit mark. */
        if (!p->over && key.len <= IMPLICIT_KEY_MAX && p->out->len - start > IMPLICIT_KEY_MAX) {
                p->out->len = start;
                put(p, SLICE("? "));
                put_quoted(p, key);
                key.len = IMPLICIT_KEY_MAX + 1;
        }
        if (key.len > IMPLICIT_KEY_MAX) {
                put(p, SLICE("\n"));
                put_indent(p, indent);
        }
        put(p, SLICE(":"));
}

/* What stands behind a key or a dash, the line's end with it. Lists stand under their key without
 * further indentation, as kubectl prints them. */
static void put_value(struct yaml_printer *p, const struct node *node, unsigned indent)
{
        bool list_item = node->parent && node->parent->kind == NODE_LIST;
        if (node->child_count == 0) {
                put(p, SLICE(" "));
                put_scalar(p, node, indent + 2);
                put(p, SLICE("\n"));
        } else if (list_item) {
                put(p, SLICE(" "));
                put_children(p, node, indent + 2);
        } else {
                unsigned inner = node->kind == NODE_LIST ? indent : indent + 2;
                put(p, SLICE("\n"));
                put_indent(p, inner);
                put_children(p, node, inner);
        }
}

/* The cursor stands where the first child begins. */
static void put_children(struct yaml_printer *p, const struct node *node, unsigned indent)
{
        for (size_t i = 0; i < node->child_count && !p->over; i++) {
                if (i > 0)
                        put_indent(p, indent);
                if (node->kind == NODE_MAP)
                        put_key(p, node->children[i]->key, indent);
                else
                        put(p, SLICE("-"));
                put_value(p, node->children[i], indent);
        }
}

bool node_print_yaml(const struct node *node, struct buffer *out)
{
        struct yaml_printer p = {.out = out};
        size_t start = out->len;
        if (node->child_count > 0) {
                put_children(&p, node, 0);
        } else {
                put_scalar(&p, node, 2);
                put(&p, SLICE("\n"));
        }
        if (p.over)
                out->len = start;
        return !p.over;
}
