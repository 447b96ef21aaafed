/* HTTPRoute rules to the router's form. What the router can't do makes its rule refuse (500): a
 * rule that is passed over would hand its requests to a wider one. */
#include "control/translate/filters.h"

/* --- matches --- */

/* A condition that can't be tested is left out and its rule refuses: more is refused, not less. */
static size_t values_compile(struct work *w, const struct value_match *matches, size_t count,
                             const struct name_value **out, bool lower, bool *exact)
{
        struct name_value *values = ARENA_ARRAY(w->frozen, struct name_value, count);
        size_t kept = 0;
        for (size_t i = 0; i < count; i++) {
                if (!slice_is(matches[i].type, "Exact")) {
                        *exact = false;
                        continue;
                }
                struct slice name =
                        lower ? freeze_lower(w, matches[i].name) : freeze(w, matches[i].name);
                bool repeated = false; /* names that differ in case only: the first counts */
                for (size_t j = 0; j < kept; j++)
                        repeated |= slice_equal(values[j].name, name);
                if (!repeated)
                        values[kept++] = (struct name_value){name, freeze(w, matches[i].value)};
        }
        *out = values;
        return kept;
}

static struct route_match match_compile(struct work *w, const struct http_match *api, bool *exact)
{
        struct route_match match = {.path_kind = PATH_MATCH_PREFIX, .path = SLICE("/")};
        if (api->path && slice_is(api->path->type, "Exact"))
                match.path_kind = PATH_MATCH_EXACT;
        else if (api->path && !slice_is(api->path->type, "PathPrefix"))
                *exact = false;
        if (api->path && *exact)
                match.path = freeze(w, api->path->value);
        match.method = freeze(w, api->method);
        match.header_count = values_compile(w, api->headers.items, api->headers.count,
                                            &match.headers, true, exact);
        match.query_count = values_compile(w, api->queries.items, api->queries.count,
                                           &match.queries, false, exact);
        return match;
}

static void matches_compile(struct work *w, const struct rule_place *place,
                            const struct http_rule *api)
{
        size_t count = api->matches.count ? api->matches.count : 1;
        struct route_match *matches = ARENA_ARRAY(w->frozen, struct route_match, count);
        matches[0] = (struct route_match){.path_kind = PATH_MATCH_PREFIX, .path = SLICE("/")};
        for (size_t i = 0; i < api->matches.count; i++) {
                bool exact = true;
                matches[i] = match_compile(w, &api->matches.items[i], &exact);
                if (!exact)
                        rule_unsupported(w, place,
                                         tell(w,
                                              "matches[%zu]: has a type that is not supported, "
                                              "wants Exact (or PathPrefix for a path)",
                                              i));
        }
        place->rule->matches = matches;
        place->rule->match_count = count;
}

static void rest_compile(struct work *w, const struct rule_place *place,
                         const struct http_rule *api)
{
        if (api->session_persistence)
                rule_unsupported(w, place, SLICE("sessionPersistence is not supported"));
}

/* --- backends --- */

static void backend_filters_compile(struct work *w, const struct rule_place *place,
                                    const struct backend_ref *ref, size_t index,
                                    struct route_backend *backend)
{
        if (ref->filters.count == 0)
                return;
        struct route_filters *filters = ARENA_NEW(w->frozen, struct route_filters);
        struct rule_place within = *place;
        within.within = tell(w, "backendRefs[%zu].", index);
        filters_compile(w, &within, &ref->filters, filters);
        backend->filters = filters;
}

static void backends_compile(struct work *w, const struct rule_place *place,
                             const struct http_rule *api)
{
        struct route_rule *rule = place->rule;
        struct route_work *route = place->route;
        struct route_backend *backends =
                ARENA_ARRAY(w->frozen, struct route_backend, api->backends.count);
        for (size_t i = 0; i < api->backends.count; i++) {
                const struct backend_ref *ref = &api->backends.items[i];
                const char *reason = NULL;
                struct slice message = SLICE_NONE;
                backends[i].backend = backend_resolve(w, route->api, ref, &reason, &message);
                backends[i].weight = (uint32_t)ref->weight;
                rule->weight_sum += (uint64_t)ref->weight;
                if (reason && !route->ref_reason) {
                        route->ref_reason = reason;
                        route->ref_message =
                                tell(w, "rules[%zu].%.*s", place->index, SLICE_ARG(message));
                }
                backend_filters_compile(w, place, ref, i, &backends[i]);
        }
        rule->backends = backends;
        rule->backend_count = api->backends.count;
}

void http_rules_compile(struct work *w, struct route_work *route)
{
        const struct http_route *api = (const struct http_route *)route->api;
        size_t refusing = 0;
        struct slice *names = ARENA_ARRAY(&w->out->arena, struct slice, api->rules.count);
        route->rules = ARENA_ARRAY(w->frozen, struct route_rule, api->rules.count);
        route->rule_names = names;
        route->rule_count = api->rules.count;
        struct slice name =
                arena_printf(w->frozen, "%.*s/%.*s", SLICE_ARG(route->api->object.namespace),
                             SLICE_ARG(route->api->object.name));
        for (size_t i = 0; i < api->rules.count; i++) {
                struct route_rule *rule = &route->rules[i];
                rule->policy = ROUTE_POLICY_NONE;
                const struct http_rule *from = &api->rules.items[i];
                rule->route = name;
                rule->name = freeze(w, from->name);
                names[i] = from->name;
                const struct rule_place place = {.route = route, .index = i, .rule = rule};
                matches_compile(w, &place, from);
                filters_compile(w, &place, &from->filters, &rule->filters);
                rest_compile(w, &place, from);
                backends_compile(w, &place, from);
                resilience_compile(w, from, rule);
                refusing += rule->filters.refuses;
        }
        route->all_unsupported = refusing == api->rules.count;
}
