#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "text/json.h"
#include "text/utf8.h"

void json_writer_init(struct json_writer *w, struct buffer *out)
{
        *w = (struct json_writer){.out = out, .start = out->len};
}

bool json_writer_done(struct json_writer *w)
{
        must(w->depth == 0 && !w->after_key);
        if (w->over)
                w->out->len = w->start;
        return !w->over;
}

static void put(struct json_writer *w, struct slice s)
{
        if (!w->over && !buffer_append(w->out, s))
                w->over = true;
}

static void put_line(struct json_writer *w)
{
        if (!w->pretty)
                return;
        put(w, SLICE("\n"));
        for (unsigned i = 0; i < w->depth; i++)
                put(w, SLICE("  "));
}

static uint64_t level_bit(const struct json_writer *w)
{
        return (uint64_t)1 << (w->depth - 1);
}

static void before_member(struct json_writer *w)
{
        if (w->filled & level_bit(w))
                put(w, SLICE(","));
        w->filled |= level_bit(w);
        put_line(w);
}

static void before_value(struct json_writer *w)
{
        if (w->after_key)
                w->after_key = false;
        else if (w->depth > 0) {
                must(!(w->object & level_bit(w)));
                before_member(w);
        }
}

static void begin_level(struct json_writer *w, bool object)
{
        before_value(w);
        must(w->depth < JSON_DEPTH_MAX);
        w->depth++;
        w->filled &= ~level_bit(w);
        w->object &= ~level_bit(w);
        if (object)
                w->object |= level_bit(w);
        put(w, object ? SLICE("{") : SLICE("["));
}

static void end_level(struct json_writer *w, bool object)
{
        must(w->depth > 0 && !w->after_key && !(w->object & level_bit(w)) == !object);
        bool filled = w->filled & level_bit(w);
        w->depth--;
        if (filled)
                put_line(w);
        put(w, object ? SLICE("}") : SLICE("]"));
}

void json_begin_object(struct json_writer *w)
{
        begin_level(w, true);
}

void json_end_object(struct json_writer *w)
{
        end_level(w, true);
}

void json_begin_array(struct json_writer *w)
{
        begin_level(w, false);
}

void json_end_array(struct json_writer *w)
{
        end_level(w, false);
}

/* How many bytes at the front stand for themselves. */
static size_t plain_run(struct slice s)
{
        size_t len = 0;
        while (len < s.len && s.data[len] >= ' ' && s.data[len] < 0x7f && s.data[len] != '"' &&
               s.data[len] != '\\')
                len++;
        return len;
}

/* The first character of s, which is not plain; gives its bytes. */
static size_t put_character(struct json_writer *w, struct slice s)
{
        static const char named[] = "\nn\rr\tt\bb\ff\"\"\\\\";
        uint32_t c;
        size_t len = utf8_next(s, &c);
        char out[16];
        if (len == 0) {
                put(w, SLICE("\\ufffd"));
                return 1;
        }
        for (const char *name = named; *name; name += 2) {
                if (c == (unsigned char)*name) {
                        put(w, SLICE("\\"));
                        put(w, slice_from(name + 1, 1));
                        return len;
                }
        }
        if (utf8_is_visible(c)) {
                put(w, slice_sub(s, 0, len));
                return len;
        }
        if (c < 0x10000)
                snprintf(out, sizeof(out), "\\u%04x", (unsigned)c);
        else
                snprintf(out, sizeof(out), "\\u%04x\\u%04x", 0xd7c0 + (unsigned)(c >> 10),
                         0xdc00 + (unsigned)(c & 0x3ff));
        put(w, slice_of(out));
        return len;
}

static void put_string(struct json_writer *w, struct slice s)
{
        put(w, SLICE("\""));
        while (s.len > 0 && !w->over) {
                size_t run = plain_run(s);
                put(w, slice_sub(s, 0, run));
                s = slice_skip(s, run);
                if (s.len > 0)
                        s = slice_skip(s, put_character(w, s));
        }
        put(w, SLICE("\""));
}

void json_key(struct json_writer *w, struct slice key)
{
        must(w->depth > 0 && (w->object & level_bit(w)) && !w->after_key);
        before_member(w);
        put_string(w, key);
        put(w, w->pretty ? SLICE(": ") : SLICE(":"));
        w->after_key = true;
}

void json_write_string(struct json_writer *w, struct slice value)
{
        before_value(w);
        put_string(w, value);
}

void json_write_integer(struct json_writer *w, int64_t value)
{
        char out[24];
        before_value(w);
        snprintf(out, sizeof(out), "%lld", (long long)value);
        put(w, slice_of(out));
}

void json_write_unsigned(struct json_writer *w, uint64_t value)
{
        char out[24];
        before_value(w);
        snprintf(out, sizeof(out), "%llu", (unsigned long long)value);
        put(w, slice_of(out));
}

void json_write_bool(struct json_writer *w, bool value)
{
        before_value(w);
        put(w, value ? SLICE("true") : SLICE("false"));
}

void json_write_null(struct json_writer *w)
{
        before_value(w);
        put(w, SLICE("null"));
}

void json_write_number(struct json_writer *w, struct slice number)
{
        before_value(w);
        put(w, number);
}

void json_field_string(struct json_writer *w, const char *key, struct slice value)
{
        json_key(w, slice_of(key));
        json_write_string(w, value);
}

void json_field_text(struct json_writer *w, const char *key, const char *value)
{
        json_field_string(w, key, slice_of(value));
}

void json_field_integer(struct json_writer *w, const char *key, int64_t value)
{
        json_key(w, slice_of(key));
        json_write_integer(w, value);
}

void json_field_unsigned(struct json_writer *w, const char *key, uint64_t value)
{
        json_key(w, slice_of(key));
        json_write_unsigned(w, value);
}

void json_field_bool(struct json_writer *w, const char *key, bool value)
{
        json_key(w, slice_of(key));
        json_write_bool(w, value);
}
