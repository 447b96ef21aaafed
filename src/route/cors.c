#include "route/cors.h"

/* ---- origins ---- */

struct origin {
        struct slice host;
        uint16_t port;
        bool https;
};

/* No more than hosts and patterns of them are made of; a colon is an IPv6 literal's. */
static bool is_host_byte(char c, bool literal)
{
        bool letter = ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
        return letter || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '*' ||
               (literal && c == ':');
}

static bool host_take(struct slice *rest, struct slice *host)
{
        bool literal = rest->len > 0 && rest->data[0] == '[';
        size_t len = literal ? slice_find(*rest, ']') + 1 : slice_find(*rest, ':');
        if (len == 0 || len > rest->len)
                return false;
        *host = slice_sub(*rest, 0, len);
        for (size_t i = literal; i < len - literal; i++)
                if (!is_host_byte(host->data[i], literal))
                        return false;
        *rest = slice_skip(*rest, len);
        return true;
}

static bool origin_parse(struct slice text, struct origin *out)
{
        uint64_t port;
        out->https = slice_starts_with(text, SLICE("https://"));
        if (!out->https && !slice_starts_with(text, SLICE("http://")))
                return false;
        struct slice rest = slice_skip(text, out->https ? 8 : 7);
        if (!host_take(&rest, &out->host))
                return false;
        out->port = out->https ? 443 : 80;
        if (rest.len == 0)
                return true;
        if (rest.data[0] != ':' || rest.len > 6 ||
            !slice_to_u64(slice_skip(rest, 1), UINT16_MAX, &port))
                return false;
        out->port = (uint16_t)port;
        return true;
}

static bool ends_with_nocase(struct slice text, struct slice end)
{
        return text.len > end.len && slice_equal_nocase(slice_skip(text, text.len - end.len), end);
}

bool cors_origin_matches(struct slice pattern, struct slice origin)
{
        struct origin wanted, got;
        if (!origin_parse(origin, &got) || slice_find(got.host, '*') < got.host.len)
                return false;
        if (slice_is(pattern, "*"))
                return true;
        if (!origin_parse(pattern, &wanted) || wanted.https != got.https || wanted.port != got.port)
                return false;
        if (slice_is(wanted.host, "*"))
                return true;
        if (slice_starts_with(wanted.host, SLICE("*.")))
                return ends_with_nocase(got.host, slice_skip(wanted.host, 1));
        return slice_equal_nocase(wanted.host, got.host);
}

struct slice cors_origin_of(const struct request_head *head)
{
        size_t at = 0;
        const struct header *first = header_next(&head->headers, SLICE("origin"), &at);
        return first && !header_next(&head->headers, SLICE("origin"), &at) ? first->value
                                                                           : SLICE_NONE;
}

/* "null" and what else is no address of a page is no single origin: only "*" is for them. */
static struct slice allowed_origin(const struct route_cors *cors, struct slice origin)
{
        for (size_t i = 0; i < cors->origin_count && origin.len > 0; i++) {
                if (slice_is(cors->origins[i], "*") && !cors->credentials)
                        return SLICE("*");
                if (cors_origin_matches(cors->origins[i], origin))
                        return origin;
        }
        return SLICE_NONE;
}

/* ---- answers ---- */

bool cors_is_preflight(const struct request_head *head)
{
        return slice_is(head->method, "OPTIONS") &&
               header_find(&head->headers, SLICE("origin")) != NULL &&
               header_find(&head->headers, SLICE("access-control-request-method")) != NULL;
}

static void put(struct header_list *headers, struct slice name, struct slice value)
{
        if (value.len > 0)
                header_append(headers, name, value);
}

/* Caches must not hand one origin's answer to another. */
static void put_vary(const struct route_cors *cors, struct header_list *headers)
{
        bool constant =
                cors->origin_count == 1 && slice_is(cors->origins[0], "*") && !cors->credentials;
        if (!constant && !header_has_token(headers, SLICE("vary"), SLICE("origin")))
                header_append(headers, SLICE("vary"), SLICE("origin"));
}

/* False: the origin is none of those that the filter allows. */
static bool answer(const struct route_cors *cors, struct slice origin, struct header_list *headers)
{
        static const char *const ours[] = {
                "access-control-allow-origin",  "access-control-allow-credentials",
                "access-control-allow-methods", "access-control-allow-headers",
                "access-control-max-age",       "access-control-expose-headers"};
        for (size_t i = 0; i < COUNT_OF(ours); i++)
                header_remove(headers, slice_of(ours[i]));
        put_vary(cors, headers);
        struct slice allowed = allowed_origin(cors, origin);
        if (allowed.len == 0)
                return false;
        put(headers, SLICE("access-control-allow-origin"), allowed);
        if (cors->credentials)
                put(headers, SLICE("access-control-allow-credentials"), SLICE("true"));
        put(headers, SLICE("access-control-expose-headers"), cors->exposed);
        return true;
}

void cors_answer(const struct route_cors *cors, struct slice origin, struct header_list *headers)
{
        answer(cors, origin, headers);
}

/* "*" is a token, and nobody's name. */
static bool is_name_list(struct slice text)
{
        struct slice part;
        while (slice_split(&text, ',', &part))
                if (!token_valid(slice_trim(part)) || slice_is(slice_trim(part), "*"))
                        return false;
        return true;
}

/* With credentials "*" is a name like any other to browsers: they get back what they asked for. */
static struct slice wildcard_spell(struct slice list, bool credentials, struct slice asked)
{
        if (!credentials || !slice_is(list, "*"))
                return list;
        return asked.len > 0 && is_name_list(asked) ? asked : SLICE_NONE;
}

void cors_answer_preflight(const struct route_cors *cors, const struct request_head *head,
                           struct header_list *headers)
{
        const struct header_list *asked = &head->headers;
        if (!answer(cors, cors_origin_of(head), headers))
                return;
        put(headers, SLICE("access-control-allow-methods"),
            wildcard_spell(cors->methods, cors->credentials,
                           header_value(asked, SLICE("access-control-request-method"))));
        put(headers, SLICE("access-control-allow-headers"),
            wildcard_spell(cors->headers, cors->credentials,
                           header_value(asked, SLICE("access-control-request-headers"))));
        put(headers, SLICE("access-control-max-age"),
            arena_printf(headers->arena, "%u", cors->max_age));
}
