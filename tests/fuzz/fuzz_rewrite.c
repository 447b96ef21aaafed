#include "fuzz.h"

#include "http/target.h"
#include "route/rewrite.h"

static const struct http_limits limits = {.target_bytes = 8 * 1024};

/* What comes out could have come in, and reads the same. */
static void check_path(struct slice path, struct arena *arena)
{
        struct request_head again = {0};
        struct http_fault fault;
        const struct http_limits wide = {.target_bytes = 16 * 1024};
        must(target_parse(path, &wide, arena, &again, &fault));
        must(slice_equal(again.path, path) && !again.has_query);
}

static void check_location(struct slice location, const struct request_head *head)
{
        must(slice_starts_with(location, SLICE("https://")));
        struct slice rest = slice_skip(location, 8);
        must(slice_starts_with(rest, head->host));
        rest = slice_skip(rest, head->host.len);
        must(slice_starts_with(rest, SLICE(":8443/")));
        for (size_t i = 0; i < location.len; i++)
                must(location.data[i] > ' ' && location.data[i] < 0x7f);
}

static void rewrite(const struct path_modifier *modifier, const struct route_match *match,
                    struct request_head *head, struct arena *arena)
{
        const struct route_redirect redirect = {.path = *modifier};
        const struct redirect_request request = {
                .head = head, .match = match, .scheme = SLICE("https"), .listener_port = 8443};
        struct slice query = head->query;
        struct slice path = path_modify(modifier, match, head->path, arena);
        check_path(path, arena);
        check_location(redirect_location(&redirect, &request, arena), head);
        path_rewrite(head, path, arena);
        must(slice_equal(head->path, path) && slice_starts_with(head->target, path));
        must(slice_equal(slice_skip(head->target, path.len + head->has_query), query));
}

static bool is_prefix_of(struct slice prefix, struct slice path)
{
        if (slice_ends_with(prefix, SLICE("/")))
                prefix.len--;
        return slice_starts_with(path, prefix) &&
               (path.len == prefix.len || path.data[prefix.len] == '/');
}

/* Four lines: what replaces, the prefix that matched, the request's authority and its target. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct slice rest = slice_from(data, size), value_text = SLICE_NONE, prefix = SLICE_NONE,
                     authority_text = SLICE_NONE, whole, piece, matched;
        const char *why;
        struct request_head head = {0};
        struct authority authority;
        struct http_fault fault;
        struct arena arena;
        arena_init(&arena, 4096);
        slice_split(&rest, '\n', &value_text);
        slice_split(&rest, '\n', &prefix);
        slice_split(&rest, '\n', &authority_text);
        bool full_is_good = path_value_read(PATH_REPLACE_FULL, value_text, &arena, &whole, &why);
        bool part_is_good = path_value_read(PATH_REPLACE_PREFIX, value_text, &arena, &piece, &why);
        must(full_is_good || !part_is_good);
        if (full_is_good && path_value_read(PATH_REPLACE_FULL, prefix, &arena, &matched, &why) &&
            matched.len > 0 && authority_parse(authority_text, &arena, &authority) &&
            target_parse(rest, &limits, &arena, &head, &fault)) {
                const struct route_match match = {.path_kind = PATH_MATCH_PREFIX, .path = matched};
                const struct path_modifier full = {PATH_REPLACE_FULL, whole};
                const struct path_modifier part = {PATH_REPLACE_PREFIX, piece};
                struct request_head copy = head;
                head.host = copy.host = authority.host;
                rewrite(&full, &match, &copy, &arena);
                if (part_is_good && is_prefix_of(matched, head.path))
                        rewrite(&part, &match, &head, &arena);
        }
        arena_done(&arena);
        return 0;
}
