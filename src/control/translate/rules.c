/* HTTPRoute rules to the router's form. What the router can't do makes its rule refuse (500): a
 * rule that is passed over would hand its requests to a wider one. */
#include "control/translate/matches.h"

#include <string.h>

#include "route/pattern.h"
#include "route/rewrite.h"

/* --- matches --- */

void match_fault_tell(struct match_work *m, struct slice fault)
{
        if (m->fault.len == 0)
                m->fault = fault;
}

bool match_is_faulty(const struct match_work *m, const struct rule_place *place, size_t index)
{
        if (m->fault.len > 0)
                rule_unsupported(m->w, place,
                                 tell(m->w, "matches[%zu]: %.*s", index, SLICE_ARG(m->fault)));
        return m->fault.len > 0;
}

const struct pattern *match_pattern_compile(struct match_work *m, const char *what,
                                            struct slice text)
{
        const struct pattern *pattern = NULL;
        struct error err;
        if (!pattern_build(text, m->w->frozen, &pattern, &err))
                match_fault_tell(m, tell(m->w, "%s is no regular expression: %s", what, err.text));
        return pattern;
}

size_t match_values_compile(struct match_work *m, const char *what,
                            const struct value_match *matches, size_t count,
                            const struct name_value **out)
{
        struct name_value *values = ARENA_ARRAY(m->w->frozen, struct name_value, count);
        bool lower = strcmp(what, "headers") == 0;
        size_t kept = 0;
        for (size_t i = 0; i < count; i++) {
                const struct value_match *api = &matches[i];
                struct name_value value = {.name = lower ? freeze_lower(m->w, api->name)
                                                         : freeze(m->w, api->name),
                                           .value = freeze(m->w, api->value)};
                bool exact = slice_is(api->type, "Exact");
                bool repeated = false; /* names that differ in case only: the first counts */
                for (size_t j = 0; j < kept; j++)
                        repeated |= slice_equal(values[j].name, value.name);
                if (slice_is(api->type, "RegularExpression"))
                        value.pattern = match_pattern_compile(m, what, api->value);
                else if (!exact)
                        match_fault_tell(m, tell(m->w, "%s: type %.*s is not supported", what,
                                                 SLICE_ARG(api->type)));
                if (!repeated && (exact || value.pattern))
                        values[kept++] = value;
        }
        *out = values;
        return kept;
}

/* As the reader of requests spells it: "/%61dmin" would never match, and leave its requests to
 * wider rules. What no request may have never matches either way. */
static struct slice path_freeze(struct match_work *m, struct slice text)
{
        struct slice path;
        const char *fault;
        bool good = path_value_read(PATH_REPLACE_FULL, text, m->w->frozen, &path, &fault);
        return good && path.len > 0 ? path : freeze(m->w, text);
}

/* A path that can't be tested stands where a pattern would, and refuses what it might have
 * matched, which is anything: its owner's rules behind it are wider, and may ask for less. */
static void path_compile(struct match_work *m, const struct path_match *api,
                         struct route_match *match)
{
        if (!api)
                return;
        match->path = path_freeze(m, api->value);
        if (slice_is(api->type, "PathPrefix"))
                return;
        match->path_kind = PATH_MATCH_EXACT;
        if (slice_is(api->type, "Exact"))
                return;
        match->path_kind = PATH_MATCH_PATTERN;
        match->path = freeze(m->w, api->value);
        if (slice_is(api->type, "RegularExpression"))
                match->pattern = match_pattern_compile(m, "path", api->value);
        else
                match_fault_tell(
                        m, tell(m->w, "path: type %.*s is not supported", SLICE_ARG(api->type)));
}

static struct route_match match_compile(struct match_work *m, const struct http_match *api)
{
        struct route_match match = {.path_kind = PATH_MATCH_PREFIX, .path = SLICE("/")};
        path_compile(m, api->path, &match);
        match.method = freeze(m->w, api->method);
        match.header_count = match_values_compile(m, "headers", api->headers.items,
                                                  api->headers.count, &match.headers);
        match.query_count = match_values_compile(m, "queryParams", api->queries.items,
                                                 api->queries.count, &match.queries);
        return match;
}

static void matches_compile(struct work *w, const struct rule_place *place,
                            const struct http_rule *api)
{
        size_t count = api->matches.count ? api->matches.count : 1;
        struct route_match *matches = ARENA_ARRAY(w->frozen, struct route_match, count);
        matches[0] = (struct route_match){.path_kind = PATH_MATCH_PREFIX, .path = SLICE("/")};
        for (size_t i = 0; i < api->matches.count; i++) {
                struct match_work m = {w, SLICE_NONE};
                matches[i] = match_compile(&m, &api->matches.items[i]);
                matches[i].blunt = match_is_faulty(&m, place, i);
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

void rule_backends_compile(struct work *w, const struct rule_place *place,
                           const struct backend_ref *refs, size_t count)
{
        struct route_rule *rule = place->rule;
        struct route_work *route = place->route;
        struct route_backend *backends = ARENA_ARRAY(w->frozen, struct route_backend, count);
        for (size_t i = 0; i < count; i++) {
                const struct backend_ref *ref = &refs[i];
                const char *reason = NULL;
                struct slice message = SLICE_NONE;
                backends[i].backend = backend_resolve(w, route->api, ref, &reason, &message);
                backends[i].weight = (uint32_t)ref->weight;
                rule->weight_sum += (uint64_t)ref->weight;
                if (reason)
                        route_ref_fault(
                                w, route, reason,
                                tell(w, "rules[%zu].%.*s", place->index, SLICE_ARG(message)));
                backend_filters_compile(w, place, ref, i, &backends[i]);
        }
        rule->backends = backends;
        rule->backend_count = count;
}

/* --- what does not decode --- */

bool salvage_is_whole(const struct node *owner, const char *list, size_t count)
{
        const struct node *node = node_find(owner, list);
        if (!node || node->kind == NODE_NULL)
                return count == 0;
        return node->kind == NODE_LIST && node->child_count == count;
}

void rule_break(struct work *w, const struct rule_place *place, bool whole)
{
        struct route_rule *rule = place->rule;
        rule->filters.refuses = true;
        if (whole)
                return;
        struct route_match *matches =
                ARENA_ARRAY(w->frozen, struct route_match, rule->match_count + 1);
        if (rule->match_count > 0)
                memcpy(matches, rule->matches, rule->match_count * sizeof(*matches));
        matches[rule->match_count++] = (struct route_match){
                .path_kind = PATH_MATCH_PATTERN, .path = SLICE("/"), .blunt = true};
        rule->matches = matches;
}

/* --- rules --- */

/* The rules that are there, and one that refuses for those that are not. */
void rules_begin(struct work *w, struct route_work *route, size_t count)
{
        const struct object *object = &route->api->object;
        struct slice name = ARENA_JOIN(w->frozen, object->namespace, SLICE("/"), object->name);
        bool broken = object->fault.len > 0;
        bool whole = !broken || (count > 0 &&
                                 salvage_is_whole(node_find(object->node, "spec"), "rules", count));
        route->rule_count = count + !whole;
        route->rules = ARENA_ARRAY(w->frozen, struct route_rule, route->rule_count);
        route->rule_names = ARENA_ARRAY(&w->out->arena, struct slice, route->rule_count);
        for (size_t i = 0; i < route->rule_count; i++)
                route->rules[i] = (struct route_rule){.route = name,
                                                      .policy = ROUTE_POLICY_NONE,
                                                      .grpc = object->kind == KIND_GRPC_ROUTE};
        if (!broken)
                return;
        route->unsupported = tell(w, "%.*s", SLICE_ARG(object->fault));
        if (!whole)
                rule_break(w, &(struct rule_place){.route = route, .rule = &route->rules[count]},
                           false);
}

void rules_end(struct route_work *route)
{
        size_t refusing = 0;
        for (size_t i = 0; i < route->rule_count; i++)
                refusing += route->rules[i].filters.refuses;
        route->all_unsupported = route->rule_count > 0 && refusing == route->rule_count;
}

static void rule_compile(struct work *w, const struct rule_place *place,
                         const struct http_rule *api)
{
        matches_compile(w, place, api);
        if (place->route->api->object.fault.len > 0) {
                rule_break(w, place, salvage_is_whole(api->node, "matches", api->matches.count));
                return;
        }
        filters_compile(w, place, &api->filters, &place->rule->filters);
        rest_compile(w, place, api);
        rule_backends_compile(w, place, api->backends.items, api->backends.count);
        resilience_compile(w, api, place->rule);
}

void http_rules_compile(struct work *w, struct route_work *route)
{
        const struct http_route *api = (const struct http_route *)route->api;
        rules_begin(w, route, api->rules.count);
        for (size_t i = 0; i < api->rules.count; i++) {
                const struct rule_place place = {
                        .route = route, .index = i, .rule = &route->rules[i]};
                route->rules[i].name = freeze(w, api->rules.items[i].name);
                route->rule_names[i] = api->rules.items[i].name;
                rule_compile(w, &place, &api->rules.items[i]);
        }
        rules_end(route);
}
