/* GRPCRoute rules to the router's form: a call of a method is POST /package.Service/Method. What
 * the router can't do makes its rule refuse, as in rules.c. */
#include "control/api/grpc_route.h"
#include "control/translate/matches.h"

/* --- matches --- */

static bool is_pattern(const struct grpc_method *api)
{
        return slice_is(api->type, "RegularExpression");
}

/* Upstream's order of calls falls out of the order of paths: an exact one is service and method, a
 * prefix the service alone. A method alone has a path for which only an expression stands. */
static void names_compile(struct match_work *m, const struct grpc_method *api,
                          struct route_match *match)
{
        struct arena *frozen = m->w->frozen;
        if (api->method.len == 0) {
                match->path = arena_printf(frozen, "/%.*s", SLICE_ARG(api->service));
                return;
        }
        if (api->service.len > 0) {
                match->path_kind = PATH_MATCH_EXACT;
                match->path = arena_printf(frozen, "/%.*s/%.*s", SLICE_ARG(api->service),
                                           SLICE_ARG(api->method));
                return;
        }
        match->path_kind = PATH_MATCH_PATTERN;
        match->path = arena_printf(frozen, "/[^/]+/%.*s", SLICE_ARG(api->method));
        match->pattern = match_pattern_compile(m, "method", match->path);
}

/* Each by itself first, so that no bracket of one pairs with another's. */
static void patterns_compile(struct match_work *m, const struct grpc_method *api,
                             struct route_match *match)
{
        struct slice any = SLICE("[^/]+");
        struct slice service = api->service.len ? api->service : any;
        struct slice method = api->method.len ? api->method : any;
        match->path_kind = PATH_MATCH_PATTERN;
        match->path = arena_printf(m->w->frozen, "/(?:%.*s)/(?:%.*s)", SLICE_ARG(service),
                                   SLICE_ARG(method));
        if (match_pattern_compile(m, "method.service", service) &&
            match_pattern_compile(m, "method.method", method))
                match->pattern = match_pattern_compile(m, "method", match->path);
}

static struct route_match match_compile(struct match_work *m, const struct grpc_match *api)
{
        struct route_match match = {
                .path_kind = PATH_MATCH_PREFIX, .path = SLICE("/"), .method = SLICE("POST")};
        if (api->method && slice_is(api->method->type, "Exact")) {
                names_compile(m, api->method, &match);
        } else if (api->method && is_pattern(api->method)) {
                patterns_compile(m, api->method, &match);
        } else if (api->method) { /* refuses what it might have matched */
                match.path_kind = PATH_MATCH_PATTERN;
                match_fault_tell(m, tell(m->w, "method: type %.*s is not supported",
                                         SLICE_ARG(api->method->type)));
        }
        match.header_count = match_values_compile(m, "headers", api->headers.items,
                                                  api->headers.count, &match.headers);
        return match;
}

static void matches_compile(struct work *w, const struct rule_place *place,
                            const struct grpc_rule *api)
{
        static const struct grpc_match every;
        size_t count = api->matches.count ? api->matches.count : 1;
        struct route_match *matches = ARENA_ARRAY(w->frozen, struct route_match, count);
        for (size_t i = 0; i < count; i++) {
                struct match_work m = {w, SLICE_NONE};
                matches[i] =
                        match_compile(&m, api->matches.count ? &api->matches.items[i] : &every);
                matches[i].blunt = match_is_faulty(&m, place, i);
        }
        place->rule->matches = matches;
        place->rule->match_count = count;
}

/* --- rules --- */

static void rule_compile(struct work *w, const struct rule_place *place,
                         const struct grpc_rule *api)
{
        matches_compile(w, place, api);
        if (place->route->api->object.fault.len > 0) {
                rule_break(w, place, salvage_is_whole(api->node, "matches", api->matches.count));
                return;
        }
        filters_compile(w, place, &api->filters, &place->rule->filters);
        if (api->session_persistence)
                rule_unsupported(w, place, SLICE("sessionPersistence is not supported"));
        rule_backends_compile(w, place, api->backends.items, api->backends.count);
}

void grpc_rules_compile(struct work *w, struct route_work *route)
{
        const struct grpc_route *api = (const struct grpc_route *)route->api;
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
