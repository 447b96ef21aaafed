#include "control/api/route.h"

#include <string.h>

#include "control/api/kinds.h"
#include "control/api/rules.h"

/* --- matches --- */

static bool is_path_char(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               (c != '\0' && strchr("-/._~!$&'()*+,;=:@%", c));
}

static bool is_hex(char c)
{
        return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f');
}

static bool contains(struct slice text, const char *part)
{
        return memmem(text.data, text.len, part, strlen(part)) != NULL;
}

/* The CEL rules of HTTPPathMatch; the reader of requests normalises, so a path that breaks them
 * could never match. */
static const char *path_fault(struct slice path)
{
        if (path.len == 0 || path.data[0] != '/')
                return "does not start with \"/\"";
        static const char *const banned[] = {"//", "/./", "/../", "%2f", "%2F", "#"};
        for (size_t i = 0; i < COUNT_OF(banned); i++)
                if (contains(path, banned[i]))
                        return "has //, /./, /../, %2f or # in it";
        if (slice_ends_with(path, SLICE("/..")) || slice_ends_with(path, SLICE("/.")))
                return "ends in /. or /..";
        for (size_t i = 0; i < path.len; i++)
                if (!is_path_char(path.data[i]) ||
                    (path.data[i] == '%' &&
                     (i + 2 >= path.len || !is_hex(path.data[i + 1]) || !is_hex(path.data[i + 2]))))
                        return "has a character that no path has";
        return NULL;
}

static bool path_check(struct decoder *d, void *value, struct error *err)
{
        const struct path_match *path = value;
        if (!slice_is(path->type, "Exact") && !slice_is(path->type, "PathPrefix"))
                return true;
        const char *fault = path_fault(path->value);
        if (fault)
                return decode_error(d, path->node, err, "value %s, wants an absolute path", fault);
        return true;
}

static const struct field path_fields[] = {
        {"type", FIELD_TEXT, offsetof(struct path_match, type), .max = 64,
         .default_text = "PathPrefix"},
        {"value", FIELD_TEXT, offsetof(struct path_match, value), .max = 1024, .default_text = "/"},
};
static SHAPE(path_shape, struct path_match, path_fields, .rest = REST_FAILS, .check = path_check);

#define VALUE_MATCH_FIELDS(value_max)                                                              \
        {"type", FIELD_TEXT, offsetof(struct value_match, type), .max = 64,                        \
         .default_text = "Exact"},                                                                 \
                {"name",   FIELD_TEXT, offsetof(struct value_match, name), true,                   \
                 .min = 1, .max = 256, .rule = &rule_header_name},                                 \
                {"value", FIELD_TEXT, offsetof(struct value_match, value),                         \
                 true,    .min = 1,   .max = value_max},

static const struct field header_match_fields[] = {VALUE_MATCH_FIELDS(4096)};
SHAPE(header_match_shape, struct value_match, header_match_fields, .rest = REST_FAILS);
static const struct field query_match_fields[] = {VALUE_MATCH_FIELDS(1024)};
static SHAPE(query_match_shape, struct value_match, query_match_fields, .rest = REST_FAILS);

static const char *const methods[] = {"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                      "CONNECT", "OPTIONS", "TRACE", "PATCH", NULL};
static const struct field match_fields[] = {
        {"path", FIELD_OBJECT, offsetof(struct http_match, path), .shape = &path_shape},
        {"method", FIELD_TEXT, offsetof(struct http_match, method), .values = methods},
        {"headers", FIELD_OBJECTS, offsetof(struct http_match, headers), .max = 16,
         .shape = &header_match_shape, .unique = "name"},
        {"queryParams", FIELD_OBJECTS, offsetof(struct http_match, queries), .max = 16,
         .shape = &query_match_shape, .unique = "name"},
};
/* A condition that we do not know would be one that matches less. */
static SHAPE(match_shape, struct http_match, match_fields, .rest = REST_FAILS);

/* --- rules --- */

/* HTTPRouteRule: "exactly one PathPrefix match must be specified"; what is not written is one, by
 * the CRD's defaults. */
static bool has_one_prefix(const struct http_rule *rule)
{
        const struct path_match *path = rule->matches.count ? rule->matches.items[0].path : NULL;
        return rule->matches.count <= 1 && (!path || slice_is(path->type, "PathPrefix"));
}

static bool redirects(const struct http_filters *filters)
{
        for (size_t i = 0; i < filters->count; i++)
                if (filters->items[i].redirect)
                        return true;
        return false;
}

/* The CEL rules of spec.rules[]. */
static bool rule_check(struct decoder *d, void *value, struct error *err)
{
        const struct http_rule *rule = value;
        bool replaces = http_filters_replace_prefix(&rule->filters);
        if (!http_filters_check(d, &rule->filters, err))
                return false;
        for (size_t i = 0; i < rule->backends.count; i++) {
                const struct http_filters *filters = &rule->backends.items[i].filters;
                if (!http_filters_check(d, filters, err))
                        return false;
                replaces = replaces || http_filters_replace_prefix(filters);
        }
        if (replaces && !has_one_prefix(rule))
                return decode_error(
                        d, rule->node, err,
                        "has a filter with replacePrefixMatch, wants exactly one match, "
                        "of type PathPrefix");
        if (rule->backends.count > 0 && redirects(&rule->filters))
                return decode_error(d, rule->node, err,
                                    "has a RequestRedirect and backendRefs, wants one of them");
        return true;
}

static const struct field rule_fields[] = {
        {"name", FIELD_TEXT, offsetof(struct http_rule, name), .min = 1, .max = 253,
         .rule = &rule_subdomain},
        {"matches", FIELD_OBJECTS, offsetof(struct http_rule, matches), .max = 64,
         .shape = &match_shape},
        {"filters", FIELD_OBJECTS, offsetof(struct http_rule, filters), .max = 16,
         .shape = &http_filter_shape},
        {"backendRefs", FIELD_OBJECTS, offsetof(struct http_rule, backends), .max = 16,
         .shape = &backend_ref_shape},
        {"timeouts", FIELD_OBJECT, offsetof(struct http_rule, timeouts),
         .shape = &http_timeouts_shape},
        {"retry", FIELD_OBJECT, offsetof(struct http_rule, retry), .shape = &http_retry_shape},
        {"sessionPersistence", FIELD_NODE, offsetof(struct http_rule, session_persistence)},
};
static SHAPE(rule_shape, struct http_rule, rule_fields, .check = rule_check);

/* --- the route --- */

static bool names_check(struct decoder *d, const struct http_route *route, struct error *err)
{
        for (size_t i = 0; i < route->rules.count; i++)
                for (size_t j = 0; j < i; j++) {
                        struct slice name = route->rules.items[i].name;
                        if (name.len > 0 && slice_equal(name, route->rules.items[j].name))
                                return decode_error(d, route->rules.items[i].node, err,
                                                    "has the name of item %zu, wants one of its "
                                                    "own",
                                                    j);
                }
        return true;
}

static bool route_check(struct decoder *d, void *value, struct error *err)
{
        struct http_route *route = value;
        size_t matches = 0;
        for (size_t i = 0; i < route->rules.count; i++)
                matches += route->rules.items[i].matches.count;
        if (matches > 128)
                return decode_error(d, route->route.object.node, err,
                                    "has %zu matches over all rules, wants at most 128", matches);
        if (!names_check(d, route, err))
                return false;
        const struct node *spec = node_find(route->route.object.node, "spec");
        if (route->rules.count == 0) { /* the CRD's default: one rule that matches everything */
                route->rules.items = ARENA_NEW(d->arena, struct http_rule);
                route->rules.items[0].node = spec;
                route->rules.count = 1;
        }
        return parents_check(d, &route->route, err);
}

static const struct field route_spec_fields[] = {
        ROUTE_FIELDS,
        ROUTE_HOSTNAMES_FIELD,
        {"rules", FIELD_OBJECTS, offsetof(struct http_route, rules), .min = 1, .max = 16,
         .shape = &rule_shape},
};
static SHAPE(route_spec_shape, struct http_route, route_spec_fields);

static const struct field http_route_fields[] = {
        DOCUMENT_FIELDS,
        {"spec", FIELD_INLINE, 0, true, .shape = &route_spec_shape},
};
SHAPE(http_route_shape, struct http_route, http_route_fields, .check = route_check);
