#include "route/rewrite.h"

#include "base/must.h"
#include "http/target.h"

static struct slice without_last_slash(struct slice path)
{
        if (slice_ends_with(path, SLICE("/")))
                path.len--;
        return path;
}

static bool path_read(struct slice text, struct arena *arena, struct slice *out, const char **fault)
{
        const struct http_limits limits = http_limits_default();
        struct request_head head = {0};
        struct http_fault found = {0, "path_query"};
        bool good = slice_find(text, '?') == text.len &&
                    target_parse(text, &limits, arena, &head, &found);
        *fault = found.token;
        *out = head.path;
        return good;
}

bool path_value_read(enum path_change change, struct slice text, struct arena *arena,
                     struct slice *out, const char **fault)
{
        struct slice longer;
        *out = SLICE_NONE;
        if (text.len == 0)
                return true;
        if (change == PATH_REPLACE_PREFIX &&
            !path_read(arena_printf(arena, "%.*s/x", SLICE_ARG(without_last_slash(text))), arena,
                       &longer, fault))
                return false;
        return path_read(text, arena, out, fault);
}

/* HTTPPathModifier.replacePrefixMatch: by whole elements, a "/" at the end of the prefix or of its
 * replacement does not count, and what remains of nothing is "/". */
static struct slice prefix_replace(struct slice value, const struct route_match *match,
                                   struct slice path, struct arena *arena)
{
        struct slice prefix = without_last_slash(match->path);
        must(match->path_kind == PATH_MATCH_PREFIX && slice_starts_with(path, prefix));
        struct slice rest = slice_skip(path, prefix.len);
        must(rest.len == 0 || rest.data[0] == '/');
        value = without_last_slash(value);
        if (value.len + rest.len == 0)
                return SLICE("/");
        return arena_printf(arena, "%.*s%.*s", SLICE_ARG(value), SLICE_ARG(rest));
}

struct slice path_modify(const struct path_modifier *modifier, const struct route_match *match,
                         struct slice path, struct arena *arena)
{
        switch (modifier->change) {
        case PATH_REPLACE_FULL:
                return modifier->value.len > 0 ? modifier->value : SLICE("/");
        case PATH_REPLACE_PREFIX:
                return prefix_replace(modifier->value, match, path, arena);
        case PATH_KEEP:
                break;
        }
        return path;
}

void path_rewrite(struct request_head *head, struct slice path, struct arena *arena)
{
        head->target = arena_printf(arena, "%.*s%s%.*s", SLICE_ARG(path),
                                    head->has_query ? "?" : "", SLICE_ARG(head->query));
        head->path = slice_sub(head->target, 0, path.len);
}

/* HTTPRequestRedirectFilter.port: its own, else the scheme's if it names one, else the listener's;
 * the well-known one of the scheme is not written. */
static uint16_t redirect_port(const struct route_redirect *redirect, struct slice scheme,
                              uint16_t listener_port)
{
        uint16_t known = slice_is(scheme, "https") ? 443 : 80;
        uint16_t port = redirect->port             ? redirect->port
                        : redirect->scheme.len > 0 ? known
                                                   : listener_port;
        return port == known ? 0 : port;
}

struct slice redirect_location(const struct route_redirect *redirect,
                               const struct redirect_request *request, struct arena *arena)
{
        const struct request_head *head = request->head;
        struct slice scheme = redirect->scheme.len > 0 ? redirect->scheme : request->scheme;
        struct slice host = redirect->hostname.len > 0 ? redirect->hostname : head->host;
        struct slice path = path_modify(&redirect->path, request->match, head->path, arena);
        uint16_t port = redirect_port(redirect, scheme, request->listener_port);
        struct slice authority =
                port > 0 ? arena_printf(arena, "%.*s:%u", SLICE_ARG(host), port) : host;
        return arena_printf(arena, "%.*s://%.*s%.*s%s%.*s", SLICE_ARG(scheme), SLICE_ARG(authority),
                            SLICE_ARG(path), head->has_query ? "?" : "", SLICE_ARG(head->query));
}
