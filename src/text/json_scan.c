#include "text/json_scan.h"

static bool is_space(char c)
{
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_structure(char c)
{
        return c == ',' || c == ':' || c == '}' || c == ']';
}

/* Index of what ends the string, or all of it. */
static size_t string_feed(struct json_bounds *b, struct slice bytes, size_t at)
{
        for (; at < bytes.len; at++) {
                char c = bytes.data[at];
                if (b->escaped) {
                        b->escaped = false;
                } else if (c == '\\') {
                        b->escaped = true;
                } else if (c == '"') {
                        b->quoted = false;
                        return at;
                }
        }
        return at;
}

size_t json_bounds_feed(struct json_bounds *b, struct slice bytes, bool *done)
{
        *done = false;
        for (size_t at = 0; at < bytes.len; at++) {
                char c = bytes.data[at];
                if (b->quoted) {
                        at = string_feed(b, bytes, at);
                        if (!b->quoted && b->depth == 0) {
                                *done = true;
                                return at + 1;
                        }
                        continue;
                }
                if (b->depth == 0 && (is_structure(c) || (b->begun && is_space(c)))) {
                        *done = true;
                        return at;
                }
                b->begun |= !is_space(c);
                b->quoted = c == '"';
                b->depth += c == '{' || c == '[';
                if ((c == '}' || c == ']') && --b->depth == 0) {
                        *done = true;
                        return at + 1;
                }
        }
        return bytes.len;
}

static void spaces_skip(struct slice *rest)
{
        size_t count = 0;
        while (count < rest->len && is_space(rest->data[count]))
                count++;
        *rest = slice_skip(*rest, count);
}

static bool byte_skip(struct slice *rest, char byte)
{
        spaces_skip(rest);
        if (rest->len == 0 || rest->data[0] != byte)
                return false;
        *rest = slice_skip(*rest, 1);
        return true;
}

static bool value_take(struct slice *rest, struct slice *value)
{
        struct json_bounds bounds = {0};
        bool done;
        spaces_skip(rest);
        size_t len = json_bounds_feed(&bounds, *rest, &done);
        *value = slice_sub(*rest, 0, len);
        *rest = slice_skip(*rest, len);
        return done && len > 0;
}

struct json_members json_members_of(struct slice object)
{
        struct json_members members = {.rest = object};
        members.broken = !byte_skip(&members.rest, '{');
        return members;
}

bool json_members_next(struct json_members *m, struct json_member *out)
{
        if (m->broken || byte_skip(&m->rest, '}'))
                return false;
        m->broken = (m->begun && !byte_skip(&m->rest, ',')) || !value_take(&m->rest, &out->key) ||
                    out->key.len < 2 || out->key.data[0] != '"' || !byte_skip(&m->rest, ':') ||
                    !value_take(&m->rest, &out->value);
        if (m->broken)
                return false;
        m->begun = true;
        out->key = slice_sub(out->key, 1, out->key.len - 2);
        return true;
}

struct slice json_plain_string(struct slice value)
{
        if (value.len < 2 || value.data[0] != '"')
                return SLICE_NONE;
        struct slice text = slice_sub(value, 1, value.len - 2);
        return slice_find(text, '\\') < text.len ? SLICE_NONE : text;
}
