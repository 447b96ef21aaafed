/* HTTPRoute rules to the router's form. What the router can't do makes its rule refuse (500): a
 * rule that is passed over would hand its requests to a wider one. */
#include "control/translate/stages.h"

static void unsupported(struct work *w, struct route_work *route, struct route_rule *rule,
                        size_t index, struct slice what)
{
        rule->filters.refuses = true;
        if (route->unsupported.len == 0)
                route->unsupported = tell(w, "rules[%zu]: %.*s", index, SLICE_ARG(what));
}

static struct slice freeze_lower(struct work *w, struct slice text)
{
        char *copy = arena_text(w->frozen, text);
        for (size_t i = 0; i < text.len; i++)
                copy[i] = ascii_lower(copy[i]);
        return slice_from(copy, text.len);
}

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

static void matches_compile(struct work *w, const struct http_rule *api, struct route_work *route,
                            struct route_rule *rule, size_t index)
{
        size_t count = api->matches.count ? api->matches.count : 1;
        struct route_match *matches = ARENA_ARRAY(w->frozen, struct route_match, count);
        matches[0] = (struct route_match){.path_kind = PATH_MATCH_PREFIX, .path = SLICE("/")};
        for (size_t i = 0; i < api->matches.count; i++) {
                bool exact = true;
                matches[i] = match_compile(w, &api->matches.items[i], &exact);
                if (!exact)
                        unsupported(w, route, rule, index,
                                    tell(w,
                                         "matches[%zu] has a type that is not supported, wants "
                                         "Exact (or PathPrefix for a path)",
                                         i));
        }
        rule->matches = matches;
        rule->match_count = count;
}

/* --- filters --- */

static size_t headers_compile(struct work *w, const struct header_value *values, size_t count,
                              const struct header **out)
{
        struct header *headers = ARENA_ARRAY(w->frozen, struct header, count);
        for (size_t i = 0; i < count; i++)
                headers[i] = (struct header){freeze_lower(w, values[i].name),
                                             slice_trim(freeze(w, values[i].value))};
        *out = headers;
        return count;
}

static struct header_filter modifier_compile(struct work *w, const struct header_modifier *api)
{
        struct header_filter filter = {.remove_count = api->remove.count};
        filter.set_count = headers_compile(w, api->set.items, api->set.count, &filter.set);
        filter.add_count = headers_compile(w, api->add.items, api->add.count, &filter.add);
        struct slice *remove = ARENA_ARRAY(w->frozen, struct slice, api->remove.count);
        for (size_t i = 0; i < api->remove.count; i++)
                remove[i] = freeze_lower(w, api->remove.items[i]);
        filter.remove = remove;
        return filter;
}

static void filters_compile(struct work *w, const struct http_rule *api, struct route_work *route,
                            struct route_rule *rule, size_t index)
{
        struct header_filter *request =
                ARENA_ARRAY(w->frozen, struct header_filter, api->filters.count);
        struct header_filter *response =
                ARENA_ARRAY(w->frozen, struct header_filter, api->filters.count);
        for (size_t i = 0; i < api->filters.count; i++) {
                const struct http_filter *filter = &api->filters.items[i];
                if (filter->request)
                        request[rule->filters.request_count++] =
                                modifier_compile(w, filter->request);
                else if (filter->response)
                        response[rule->filters.response_count++] =
                                modifier_compile(w, filter->response);
                else
                        unsupported(w, route, rule, index,
                                    tell(w, "filters[%zu]: type %.*s is not supported", i,
                                         SLICE_ARG(filter->type)));
        }
        rule->filters.request = request;
        rule->filters.response = response;
        const struct {
                const struct node *node;
                const char *name;
        } rest[] = {{api->retry, "retry"}, {api->session_persistence, "sessionPersistence"}};
        for (size_t i = 0; i < COUNT_OF(rest); i++)
                if (rest[i].node)
                        unsupported(w, route, rule, index,
                                    tell(w, "%s is not supported", rest[i].name));
}

/* --- backends --- */

static void backends_compile(struct work *w, const struct http_rule *api, struct route_work *route,
                             struct route_rule *rule, size_t index)
{
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
                        route->ref_message = tell(w, "rules[%zu].%.*s", index, SLICE_ARG(message));
                }
                if (ref->filters && ref->filters->child_count)
                        unsupported(w, route, rule, index,
                                    tell(w, "backendRefs[%zu].filters is not supported", i));
        }
        rule->backends = backends;
        rule->backend_count = api->backends.count;
}

void route_compile(struct work *w, struct route_work *route)
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
                matches_compile(w, from, route, rule, i);
                filters_compile(w, from, route, rule, i);
                backends_compile(w, from, route, rule, i);
                resilience_compile(from, rule);
                refusing += rule->filters.refuses;
        }
        route->all_unsupported = refusing == api->rules.count;
}
