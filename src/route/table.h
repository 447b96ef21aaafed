/* Where a request goes: the rules of all routes of one listener, frozen. Built by translate, read
 * by workers without a lock. No rule: 404. Precedence is Gateway API's (HTTPRouteRule.matches):
 * host name, Exact path, RegularExpression (ours: the longest first), longest PathPrefix, method,
 * number of headers, number of query parameters, oldest route, namespace/name, first rule. The
 * builder gets routes in that last order of age. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "http/message.h"
#include "route/rule.h"

struct route {
        const struct slice
                *hostnames; /* already met with the listener's; at least one, may be empty */
        size_t hostname_count;
        const struct route_rule *rules;
        size_t rule_count;
};

struct route_table;

/* One line of a table: this match under this host name leads to this rule. */
struct route_line {
        struct slice hostname;
        const struct route_match *match;
        const struct route_rule *rule;
};

/* Rules are not copied: they live as long as the table. */
struct route_table *route_table_build(const struct route *routes, size_t count,
                                      struct arena *arena);
struct route_found {
        const struct route_rule *rule;   /* NULL: none */
        const struct route_match *match; /* of the rule's, that held */
        bool too_costly; /* a pattern could not be decided within bounds: no rule, and no other may
                            have the request */
};
struct route_found route_find(const struct route_table *table, const struct request_head *head);
/* All lines in an order of their own that keeps every precedence, for canonical prints. *at starts
 * at 0. */
bool route_table_next(const struct route_table *table, size_t *at, struct route_line *out);
/* Picks by weight: `random` is any 64-bit number. NULL when there is nothing to pick. */
const struct route_backend *route_pick(const struct route_rule *rule, uint64_t random);
const struct route_backend *route_backend_pick(const struct route_backend *backends, size_t count,
                                               uint64_t weight_sum, uint64_t random);
