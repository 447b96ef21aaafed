/* GRPCRoute rules to the router's form. None is served yet: each refuses, and says so. */
#include "control/api/grpc_route.h"
#include "control/translate/stages.h"

void grpc_rules_compile(struct work *w, struct route_work *route)
{
        const struct grpc_route *api = (const struct grpc_route *)route->api;
        struct slice *names = ARENA_ARRAY(&w->out->arena, struct slice, api->rules.count);
        struct slice name =
                arena_printf(w->frozen, "%.*s/%.*s", SLICE_ARG(route->api->object.namespace),
                             SLICE_ARG(route->api->object.name));
        route->rules = ARENA_ARRAY(w->frozen, struct route_rule, api->rules.count);
        route->rule_names = names;
        route->rule_count = api->rules.count;
        for (size_t i = 0; i < api->rules.count; i++) {
                struct route_match *match = ARENA_NEW(w->frozen, struct route_match);
                *match = (struct route_match){.path_kind = PATH_MATCH_PREFIX, .path = SLICE("/")};
                names[i] = api->rules.items[i].name;
                route->rules[i] = (struct route_rule){.route = name,
                                                      .name = freeze(w, names[i]),
                                                      .matches = match,
                                                      .match_count = 1,
                                                      .filters = {.refuses = true},
                                                      .policy = ROUTE_POLICY_NONE,
                                                      .grpc = true};
        }
        route->all_unsupported = api->rules.count > 0;
        if (route->all_unsupported)
                route->unsupported = SLICE("rules[0]: GRPCRoute is not supported");
}
