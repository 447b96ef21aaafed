#include "control/api/grpc_route.h"

#include "control/api/kinds.h"
#include "control/api/rules.h"

enum {
        GRPC_NAME_MAX = 1024,
        MATCHES_PER_ROUTE_MAX = 128
};

/* --- matches --- */

/* [A-Za-z_][A-Za-z_0-9]* */
static bool is_word(struct slice text)
{
        for (size_t i = 0; i < text.len; i++) {
                char c = ascii_lower(text.data[i]);
                if (c != '_' && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9'))
                        return false;
        }
        return text.len > 0;
}

/* Words with dots between, and perhaps one in front. */
static bool is_service(struct slice text)
{
        struct slice rest = text, word;
        if (slice_starts_with(rest, SLICE(".")))
                rest = slice_skip(rest, 1);
        if (rest.len == 0 || rest.data[rest.len - 1] == '.')
                return false;
        while (slice_split(&rest, '.', &word))
                if (!is_word(word))
                        return false;
        return true;
}

static bool method_check(struct decoder *d, void *value, struct error *err)
{
        const struct grpc_method *m = value;
        bool exact = slice_is(m->type, "Exact");
        if (m->service.len == 0 && m->method.len == 0)
                return decode_error(d, m->node, err,
                                    "has neither service nor method, wants one of them");
        if (exact && m->service.len && !is_service(m->service))
                return decode_error(d, node_find(m->node, "service"), err,
                                    "is no service's name, wants words of letters, digits and "
                                    "\"_\" with dots between");
        if (exact && m->method.len && !is_word(m->method))
                return decode_error(d, node_find(m->node, "method"), err,
                                    "is no method's name, wants letters, digits and \"_\"");
        return true;
}

static const struct field method_fields[] = {
        {"type", FIELD_TEXT, offsetof(struct grpc_method, type), .max = 64,
         .default_text = "Exact"},
        {"service", FIELD_TEXT, offsetof(struct grpc_method, service), .max = GRPC_NAME_MAX},
        {"method", FIELD_TEXT, offsetof(struct grpc_method, method), .max = GRPC_NAME_MAX},
};
static SHAPE(method_shape, struct grpc_method, method_fields, .rest = REST_FAILS,
             .check = method_check);

static const struct field match_fields[] = {
        {"method", FIELD_OBJECT, offsetof(struct grpc_match, method), .shape = &method_shape},
        {"headers", FIELD_OBJECTS, offsetof(struct grpc_match, headers), .max = 16,
         .shape = &header_match_shape, .unique = "name"},
};
/* A condition that we do not know would be one that matches less. */
static SHAPE(match_shape, struct grpc_match, match_fields, .rest = REST_FAILS);

/* --- rules --- */

static bool rule_check(struct decoder *d, void *value, struct error *err)
{
        const struct grpc_rule *rule = value;
        if (!http_filters_check(d, &rule->filters, err))
                return false;
        for (size_t i = 0; i < rule->backends.count; i++)
                if (!http_filters_check(d, &rule->backends.items[i].filters, err))
                        return false;
        return true;
}

static const struct field rule_fields[] = {
        {"name", FIELD_TEXT, offsetof(struct grpc_rule, name), .min = 1, .max = 253,
         .rule = &rule_subdomain},
        {"matches", FIELD_OBJECTS, offsetof(struct grpc_rule, matches), .max = 64,
         .shape = &match_shape},
        {"filters", FIELD_OBJECTS, offsetof(struct grpc_rule, filters), .max = 16,
         .shape = &http_filter_shape},
        {"backendRefs", FIELD_OBJECTS, offsetof(struct grpc_rule, backends), .max = 16,
         .shape = &backend_ref_shape},
        {"sessionPersistence", FIELD_NODE, offsetof(struct grpc_rule, session_persistence)},
};
static SHAPE(rule_shape, struct grpc_rule, rule_fields, .check = rule_check);

/* --- the route --- */

static bool route_check(struct decoder *d, void *value, struct error *err)
{
        const struct grpc_route *route = value;
        size_t matches = 0;
        for (size_t i = 0; i < route->rules.count; i++)
                matches += route->rules.items[i].matches.count;
        if (matches > MATCHES_PER_ROUTE_MAX)
                return decode_error(d, route->route.object.node, err,
                                    "has %zu matches over all rules, wants at most %d", matches,
                                    MATCHES_PER_ROUTE_MAX);
        return parents_check(d, &route->route, err);
}

static const struct field route_spec_fields[] = {
        ROUTE_FIELDS,
        ROUTE_HOSTNAMES_FIELD,
        {"rules", FIELD_OBJECTS, offsetof(struct grpc_route, rules), .max = 16,
         .shape = &rule_shape, .unique = "name"},
};
static SHAPE(route_spec_shape, struct grpc_route, route_spec_fields);

static const struct field grpc_route_fields[] = {
        DOCUMENT_FIELDS,
        {"spec", FIELD_INLINE, 0, true, .shape = &route_spec_shape},
};
SHAPE(grpc_route_shape, struct grpc_route, grpc_route_fields, .check = route_check);
