#include "http/message.h"

#include <string.h>

#include "base/must.h"

struct http_limits http_limits_default(void)
{
        return (struct http_limits){
                .head_bytes = 64 * 1024,
                .target_bytes = 8 * 1024,
                .method_bytes = 32,
                .name_bytes = 256,
                .headers = 100,
                .trailer_bytes = 8 * 1024,
                .chunk_extension_bytes = 256,
        };
}

void header_list_init(struct header_list *list, struct arena *arena)
{
        *list = (struct header_list){.arena = arena};
}

/* The old array stays in the arena: lists hold at most a hundred fields, so it is a page in all. */
static void list_grow(struct header_list *list)
{
        size_t capacity = list->capacity > 0 ? list->capacity * 2 : 16;
        must(list->arena != NULL);
        struct header *items = ARENA_ARRAY(list->arena, struct header, capacity);
        if (list->count > 0)
                memcpy(items, list->items, list->count * sizeof(*items));
        list->items = items;
        list->capacity = capacity;
}

void header_list_reserve(struct header_list *list, size_t count)
{
        must(list->count == 0);
        list->items = ARENA_ARRAY(list->arena, struct header, count);
        list->capacity = count;
}

void header_append(struct header_list *list, struct slice name, struct slice value)
{
        if (list->count == list->capacity)
                list_grow(list);
        list->items[list->count++] = (struct header){name, value};
}

const struct header *header_next(const struct header_list *list, struct slice name, size_t *at)
{
        while (*at < list->count) {
                const struct header *header = &list->items[(*at)++];
                if (slice_equal_nocase(header->name, name))
                        return header;
        }
        return NULL;
}

const struct header *header_find(const struct header_list *list, struct slice name)
{
        size_t at = 0;
        return header_next(list, name, &at);
}

struct slice header_value(const struct header_list *list, struct slice name)
{
        const struct header *header = header_find(list, name);
        return header ? header->value : SLICE_NONE;
}

size_t header_remove(struct header_list *list, struct slice name)
{
        size_t kept = 0;
        for (size_t i = 0; i < list->count; i++)
                if (!slice_equal_nocase(list->items[i].name, name))
                        list->items[kept++] = list->items[i];
        size_t gone = list->count - kept;
        list->count = kept;
        return gone;
}

void header_set(struct header_list *list, struct slice name, struct slice value)
{
        size_t kept = 0;
        bool found = false;
        for (size_t i = 0; i < list->count; i++) {
                struct header header = list->items[i];
                if (slice_equal_nocase(header.name, name)) {
                        if (found)
                                continue;
                        found = true;
                        header.value = value;
                }
                list->items[kept++] = header;
        }
        list->count = kept;
        if (!found)
                header_append(list, name, value);
}

bool header_has_token(const struct header_list *list, struct slice name, struct slice token)
{
        size_t at = 0;
        for (const struct header *h; (h = header_next(list, name, &at)) != NULL;) {
                struct slice rest = h->value, part;
                while (slice_split(&rest, ',', &part))
                        if (slice_equal_nocase(slice_trim(part), token))
                                return true;
        }
        return false;
}

static bool is_token_byte(unsigned char c)
{
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
                return true;
        return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool token_valid(struct slice s)
{
        for (size_t i = 0; i < s.len; i++)
                if (!is_token_byte((unsigned char)s.data[i]))
                        return false;
        return s.len > 0;
}

static bool is_value_byte(unsigned char c)
{
        return (c >= 0x20 && c != 0x7f) || c == '\t';
}

/* Of eight bytes, is none below 0x20 and none 0x7f? A tab says no, too: it is looked at alone. */
static bool eight_are_plain(const char *bytes)
{
        const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
        uint64_t word;
        memcpy(&word, bytes, sizeof(word));
        uint64_t deletes = word ^ (0x7f * ones);
        uint64_t below = (word - 0x20 * ones) & ~word & highs;
        return (below | ((deletes - ones) & ~deletes & highs)) == 0;
}

/* A forwarded certificate is a kilobyte of base64 in each request: eight bytes at a time. */
bool field_value_valid(struct slice s)
{
        size_t at = 0;
        while (at < s.len) {
                if (s.len - at >= 8 && eight_are_plain(s.data + at))
                        at += 8;
                else if (is_value_byte((unsigned char)s.data[at]))
                        at++;
                else
                        return false;
        }
        return true;
}

static const struct {
        int status;
        const char *phrase;
} phrases[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {103, "Early Hints"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {203, "Non-Authoritative Information"},
        {204, "No Content"},
        {205, "Reset Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
};

const char *status_phrase(int status)
{
        for (size_t i = 0; i < COUNT_OF(phrases); i++)
                if (phrases[i].status == status)
                        return phrases[i].phrase;
        return "";
}
