/* What a match demands beside its path: method, headers, query parameters. All of it must hold.
 * Private to route/. */
#pragma once

#include "http/message.h"
#include "route/pattern.h"
#include "route/rule.h"

enum pattern_answer conditions_hold(const struct route_match *match,
                                    const struct request_head *head, struct pattern_budget *budget);
/* How many headers and query parameters are demanded: names that are there twice in a match count
 * once, and the first of them holds (HTTPRouteMatch.headers). */
uint16_t conditions_headers(const struct route_match *match);
uint16_t conditions_queries(const struct route_match *match);
