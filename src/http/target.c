#include "http/target.h"

#include <arpa/inet.h>
#include <string.h>

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool fault_set(struct http_fault *fault, int status, const char *token)
{
        *fault = (struct http_fault){status, token};
        return false;
}

/* ---- authority ---- */

/* inet_pton only reads text; it takes IPv4-mapped forms too and no zone. */
static bool ipv6_literal_valid(struct slice inner)
{
        char text[INET6_ADDRSTRLEN];
        unsigned char address[16];
        if (inner.len == 0 || inner.len >= sizeof(text))
                return false;
        memcpy(text, inner.data, inner.len);
        text[inner.len] = '\0';
        return strlen(text) == inner.len && inet_pton(AF_INET6, text, address) == 1;
}

static bool host_name_valid(struct slice name)
{
        if (slice_ends_with(name, SLICE(".")))
                name.len--;
        if (name.len == 0 || name.len > 253)
                return false;
        size_t label = 0;
        for (size_t i = 0; i < name.len; i++) {
                char c = name.data[i];
                if (c == '.') {
                        if (label == 0)
                                return false;
                        label = 0;
                } else if ((!is_alnum(c) && c != '-' && c != '_') || ++label > 63) {
                        return false;
                }
        }
        return label > 0;
}

/* Takes the host off the front of *rest. */
static bool host_take(struct slice *rest, struct slice *host)
{
        if (rest->len > 0 && rest->data[0] == '[') {
                size_t close = slice_find(*rest, ']');
                if (close == rest->len || !ipv6_literal_valid(slice_sub(*rest, 1, close - 1)))
                        return false;
                *host = slice_sub(*rest, 0, close + 1);
        } else {
                *host = slice_sub(*rest, 0, slice_find(*rest, ':'));
                if (!host_name_valid(*host))
                        return false;
        }
        *rest = slice_skip(*rest, host->len);
        return true;
}

bool authority_parse(struct slice text, struct arena *arena, struct authority *out)
{
        struct slice rest = text, host;
        if (text.len > 253 + 1 + 6 || !host_take(&rest, &host))
                return false;
        uint64_t port = 0;
        if (rest.len > 0) {
                struct slice digits = slice_skip(rest, 1);
                if (rest.data[0] != ':' || digits.len > 5 || !slice_to_u64(digits, 65535, &port) ||
                    port == 0)
                        return false;
        }
        char *lower = arena_alloc(arena, text.len);
        for (size_t i = 0; i < text.len; i++)
                lower[i] = ascii_lower(text.data[i]);
        out->text = slice_from(lower, text.len);
        out->host = slice_from(lower, host.len);
        out->port = (uint16_t)port;
        return true;
}

/* ---- path and query ---- */

/* What no URI holds raw (RFC 3986, 2) and what readers are known to disagree about. */
static bool is_target_byte(char c)
{
        return c > ' ' && c < 0x7f && c != '#' && c != '"' && c != '<' && c != '>';
}

static bool is_unreserved(char c)
{
        return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/* Copies the path with unreserved characters decoded. *out has room for text.len bytes. */
static const char *path_normalise(struct slice text, bool ambiguous, char *out, size_t *out_len)
{
        size_t n = 0;
        for (size_t i = 0; i < text.len; i++) {
                char c = text.data[i];
                if (!is_target_byte(c) || c == '\\')
                        return "path_character";
                if (c != '%') {
                        out[n++] = c;
                        continue;
                }
                int high = i + 2 < text.len ? hex_value(text.data[i + 1]) : -1;
                int low = i + 2 < text.len ? hex_value(text.data[i + 2]) : -1;
                if (high < 0 || low < 0)
                        return "path_encoding";
                char decoded = (char)(high * 16 + low);
                if ((high < 2) || (high == 7 && low == 15))
                        return "path_encoded_control";
                if ((decoded == '/' || decoded == '\\') && !ambiguous)
                        return "path_encoded_slash";
                if (is_unreserved(decoded)) {
                        out[n++] = decoded;
                } else {
                        memcpy(out + n, text.data + i, 3);
                        n += 3;
                }
                i += 2;
        }
        *out_len = n;
        return NULL;
}

/* The width of "/" or "\\" at i, plain or encoded, for some servers decode first; 0: none. */
static size_t separator_at(struct slice path, size_t i)
{
        char c = path.data[i];
        if (c == '/')
                return 1;
        if (c != '%')
                return 0;
        char kind = ascii_lower(path.data[i + 2]);
        bool slash = path.data[i + 1] == '2' && kind == 'f';
        bool backslash = path.data[i + 1] == '5' && kind == 'c';
        return slash || backslash ? 3 : 0;
}

/* Whether ";parameters" begin at i, which some servers cut off a segment before they use it. */
static bool parameters_at(struct slice path, size_t i)
{
        char c = path.data[i];
        return c == ';' ||
               (c == '%' && path.data[i + 1] == '3' && ascii_lower(path.data[i + 2]) == 'b');
}

static struct slice segment_name(struct slice segment)
{
        size_t len = 0;
        while (len < segment.len && !parameters_at(segment, len))
                len++;
        return slice_sub(segment, 0, len);
}

static struct slice parameters_cut(struct slice path, struct arena *arena)
{
        if (segment_name(path).len == path.len)
                return path;
        char *out = arena_alloc(arena, path.len);
        size_t len = 0;
        bool skipping = false;
        for (size_t i = 0; i < path.len; i++) {
                skipping = separator_at(path, i) == 0 && (skipping || parameters_at(path, i));
                if (!skipping)
                        out[len++] = path.data[i];
        }
        return slice_from(out, len);
}

static const char *segments_check(struct slice path, bool ambiguous)
{
        size_t start = 1;
        for (size_t i = 1; i <= path.len; i++) {
                size_t width = i < path.len ? separator_at(path, i) : 1;
                if (width == 0)
                        continue;
                struct slice name = segment_name(slice_sub(path, start, i - start));
                if (slice_is(name, ".") || slice_is(name, ".."))
                        return "path_dot_segment";
                if (name.len == 0 && i < path.len && !ambiguous)
                        return "path_empty_segment";
                start = i + width;
                i = start - 1;
        }
        return NULL;
}

static bool query_valid(struct slice query)
{
        for (size_t i = 0; i < query.len; i++)
                if (!is_target_byte(query.data[i]))
                        return false;
        return true;
}

bool target_parse(struct slice text, const struct http_limits *limits, struct arena *arena,
                  struct request_head *head, struct http_fault *fault)
{
        if (text.len > limits->target_bytes)
                return fault_set(fault, 414, "target_too_long");
        if (text.len == 0 || text.data[0] != '/')
                return fault_set(fault, 400, "target_form");
        size_t mark = slice_find(text, '?');
        struct slice query = slice_skip(text, mark + 1);
        char *target = arena_alloc(arena, text.len);
        size_t path_len;
        const char *wrong = path_normalise(slice_sub(text, 0, mark), limits->allow_ambiguous_paths,
                                           target, &path_len);
        if (wrong == NULL)
                wrong = segments_check(slice_from(target, path_len), limits->allow_ambiguous_paths);
        if (wrong == NULL && !query_valid(query))
                wrong = "query_character";
        if (wrong != NULL)
                return fault_set(fault, 400, wrong);
        size_t behind = text.len - mark; /* "?" and the query, or nothing */
        memcpy(target + path_len, text.data + mark, behind);
        head->target = slice_from(target, path_len + behind);
        head->path = slice_from(target, path_len);
        head->plain_path = parameters_cut(head->path, arena);
        head->has_query = behind > 0;
        head->query = behind > 0 ? slice_from(target + path_len + 1, behind - 1) : SLICE_NONE;
        return true;
}
