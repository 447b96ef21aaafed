/* Where a request goes: the rules of all routes of one listener, frozen. Built by translate, read
 * by workers without a lock. No rule: 404. Precedence is Gateway API's (HTTPRouteRule.matches):
 * host name, Exact path, longest PathPrefix, method, number of headers, number of query parameters,
 * oldest route, namespace/name, first rule. The builder gets routes in that last order of age. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "http/header_rules.h"
#include "http/message.h"

enum path_match_kind {
        PATH_MATCH_PREFIX,
        PATH_MATCH_EXACT
};

struct name_value {
        struct slice name, value; /* both exact; header names lower case */
};

struct route_match { /* all of it must hold */
        enum path_match_kind path_kind;
        struct slice path;   /* "/" matches all as a prefix */
        struct slice method; /* empty: any */
        const struct name_value *headers, *queries;
        size_t header_count, query_count;
};

#define ROUTE_BACKEND_INVALID UINT32_MAX
#define ROUTE_POLICY_NONE     UINT32_MAX

struct route_backend {
        uint32_t backend; /* index into snapshot->backends, or ROUTE_BACKEND_INVALID: 500 */
        uint32_t weight;
};

struct route_rule {
        struct slice route;                /* "namespace/name", for logs */
        struct slice name;                 /* of the rule; may be empty */
        const struct route_match *matches; /* at least one */
        size_t match_count;
        const struct header_filter *request_filters, *response_filters;
        size_t request_filter_count, response_filter_count;
        const struct route_backend *backends; /* none, or all weights 0: 500 */
        size_t backend_count;
        uint64_t weight_sum;
        uint32_t policy; /* index into snapshot->rule_policies, or ROUTE_POLICY_NONE */
        /* A rule whose filters can't be honoured answers 500 instead of skipping them. */
        bool refuses;
};

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
const struct route_rule *route_find(const struct route_table *table,
                                    const struct request_head *head);
/* All lines in an order of their own that keeps every precedence, for canonical prints. *at starts
 * at 0. */
bool route_table_next(const struct route_table *table, size_t *at, struct route_line *out);
/* Picks by weight: `random` is any 64-bit number. NULL when there is nothing to pick. */
const struct route_backend *route_pick(const struct route_rule *rule, uint64_t random);
