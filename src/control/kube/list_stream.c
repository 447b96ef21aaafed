#include "control/kube/list_stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "control/kube/item.h"

enum list_state {
        LIST_BEGIN,
        LIST_MEMBER,      /* a key, or the end */
        LIST_KEY,         /* within it */
        LIST_COLON,       /* after it */
        LIST_VALUE_BEGIN, /* at a value, of a key that is known now */
        LIST_VALUE,       /* within it */
        LIST_ITEM_BEGIN,  /* an item, or the end of them */
        LIST_ITEM,        /* within it */
        LIST_NEXT_ITEM,   /* "," or "]" */
        LIST_NEXT,        /* "," or "}" */
        LIST_DONE,
        LIST_BROKEN,
};

struct list_stream {
        enum list_state state;
        struct json_bounds bounds;
        struct buffer piece;    /* a key, a value or an item as far as it has come */
        struct buffer metadata; /* the whole value */
        struct buffer kind;     /* the same; "HTTPRouteList" with its quotes */
        bool at_metadata, at_items, at_kind;
        bool has_items;
        void *self;
        on_list_item_fn on_item;
};

struct list_stream *list_stream_new(void *self, on_list_item_fn on_item)
{
        struct list_stream *stream = NEW(struct list_stream);
        stream->self = self;
        stream->on_item = on_item;
        buffer_init(&stream->piece, KUBE_ITEM_MAX);
        buffer_init(&stream->metadata, 64 * 1024);
        buffer_init(&stream->kind, 128);
        return stream;
}

void list_stream_free(struct list_stream *stream)
{
        if (!stream)
                return;
        buffer_wipe(&stream->piece);
        buffer_done(&stream->piece);
        buffer_done(&stream->metadata);
        buffer_done(&stream->kind);
        free(stream);
}

static enum list_state value_begin(struct list_stream *stream, char c)
{
        struct slice key = buffer_slice(&stream->piece);
        stream->at_metadata = slice_is(key, "\"metadata\"");
        stream->at_items = slice_is(key, "\"items\"");
        stream->at_kind = slice_is(key, "\"kind\"");
        buffer_wipe(&stream->piece);
        if (!stream->at_items || c != '[')
                return LIST_VALUE;
        stream->has_items = true;
        return LIST_ITEM_BEGIN;
}

/* What stands between values; *takes: c belongs to what begins with it. */
static enum list_state step(struct list_stream *stream, char c, bool *takes)
{
        *takes = false;
        switch (stream->state) {
        case LIST_BEGIN:
                return c == '{' ? LIST_MEMBER : LIST_BROKEN;
        case LIST_MEMBER:
                *takes = c == '"';
                return c == '"' ? LIST_KEY : c == '}' ? LIST_DONE : LIST_BROKEN;
        case LIST_COLON:
                return c == ':' ? LIST_VALUE_BEGIN : LIST_BROKEN;
        case LIST_VALUE_BEGIN: {
                enum list_state next = value_begin(stream, c);
                *takes = next == LIST_VALUE;
                return next;
        }
        case LIST_ITEM_BEGIN:
                *takes = c == '{';
                return c == '{' ? LIST_ITEM : c == ']' ? LIST_NEXT : LIST_BROKEN;
        case LIST_NEXT_ITEM:
                return c == ',' ? LIST_ITEM_BEGIN : c == ']' ? LIST_NEXT : LIST_BROKEN;
        case LIST_NEXT:
                return c == ',' ? LIST_MEMBER : c == '}' ? LIST_DONE : LIST_BROKEN;
        case LIST_KEY:
        case LIST_VALUE:
        case LIST_ITEM:
        case LIST_DONE:
        case LIST_BROKEN:
                break;
        }
        return LIST_BROKEN;
}

static void piece_keep(struct list_stream *stream, struct buffer *in)
{
        buffer_clear(in);
        buffer_append(in, buffer_slice(&stream->piece));
}

/* A value has come in full. False: on_item says so. */
static bool piece_end(struct list_stream *stream)
{
        bool go_on = true;
        stream->bounds = (struct json_bounds){0};
        switch (stream->state) {
        case LIST_KEY:
                stream->state = LIST_COLON;
                return true; /* the key is looked at with its value */
        case LIST_ITEM:
                go_on = stream->on_item(buffer_slice(&stream->piece), stream->self);
                stream->state = LIST_NEXT_ITEM;
                break;
        default:
                if (stream->at_metadata)
                        piece_keep(stream, &stream->metadata);
                else if (stream->at_kind)
                        piece_keep(stream, &stream->kind);
                else if (stream->at_items && slice_is(buffer_slice(&stream->piece), "null"))
                        stream->has_items = true;
                stream->state = LIST_NEXT;
        }
        buffer_wipe(&stream->piece);
        return go_on;
}

static bool piece_feed(struct list_stream *stream, struct slice *bytes, struct error *err)
{
        bool done;
        size_t count = json_bounds_feed(&stream->bounds, *bytes, &done);
        if (!buffer_append_secret(&stream->piece, slice_sub(*bytes, 0, count)))
                return error_set(err, ERROR_LIMIT, "an object of more than %d MiB",
                                 KUBE_ITEM_MAX >> 20);
        *bytes = slice_skip(*bytes, count);
        return !done || piece_end(stream);
}

static bool is_space(char c)
{
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool structure_feed(struct list_stream *stream, struct slice *bytes, struct error *err)
{
        char c = bytes->data[0];
        bool takes = false;
        if (!is_space(c))
                stream->state = step(stream, c, &takes);
        if (!takes)
                *bytes = slice_skip(*bytes, 1);
        return stream->state != LIST_BROKEN ||
               error_set(err, ERROR_INPUT, "the answer is no list of objects");
}

bool list_stream_feed(struct list_stream *stream, struct slice bytes, struct error *err)
{
        while (bytes.len > 0) {
                bool within = stream->state == LIST_KEY || stream->state == LIST_VALUE ||
                              stream->state == LIST_ITEM;
                if (within ? !piece_feed(stream, &bytes, err)
                           : !structure_feed(stream, &bytes, err))
                        return false;
        }
        return true;
}

static struct slice metadata_text(const struct list_stream *stream, const char *key)
{
        struct json_members members = json_members_of(buffer_slice(&stream->metadata));
        struct json_member member;
        while (json_members_next(&members, &member))
                if (slice_is(member.key, key))
                        return json_plain_string(member.value);
        return SLICE_NONE;
}

struct slice list_stream_version(const struct list_stream *stream)
{
        return metadata_text(stream, "resourceVersion");
}

struct slice list_stream_continue(const struct list_stream *stream)
{
        return metadata_text(stream, "continue");
}

bool list_stream_end(const struct list_stream *stream, const char *kind, struct error *err)
{
        struct slice said = json_plain_string(buffer_slice(&stream->kind));
        size_t len = strlen(kind);
        if (stream->state != LIST_DONE)
                return error_set(err, ERROR_INPUT, "the answer ends before its end");
        if (said.len != len + 4 || memcmp(said.data, kind, len) != 0 ||
            memcmp(said.data + len, "List", 4) != 0)
                return error_set(err, ERROR_INPUT, "the answer is no %sList", kind);
        if (!stream->has_items || list_stream_version(stream).len == 0)
                return error_set(err, ERROR_INPUT,
                                 "the answer lacks items or metadata.resourceVersion");
        return true;
}
