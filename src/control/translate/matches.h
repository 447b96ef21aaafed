/* What HTTPRoute and GRPCRoute rules have in common: conditions on values, and backendRefs. Private
 * to translate/. */
#pragma once

#include "control/translate/filters.h"

/* One match, and what is wrong with it. */
struct match_work {
        struct work *w;
        struct slice fault; /* empty: nothing */
};

/* The first fault is the one that is told. */
void match_fault_tell(struct match_work *m, struct slice fault);
/* Once it is compiled: whether something is wrong, and then its rule's route is told. */
bool match_is_faulty(const struct match_work *m, const struct rule_place *place, size_t index);
/* NULL: it is none, and its rule refuses. */
const struct pattern *match_pattern_compile(struct match_work *m, const char *what,
                                            struct slice text);
/* A condition that can't be tested is left out and its rule refuses: more is refused, not less.
 * `what` is "headers" or "queryParams". */
size_t match_values_compile(struct match_work *m, const char *what,
                            const struct value_match *matches, size_t count,
                            const struct name_value **out);
/* Of a route that does not decode: its rules keep what matches of theirs do, and refuse. True: the
 * items of `list` within `owner` are all there. */
bool salvage_is_whole(const struct node *owner, const char *list, size_t count);
/* `whole`: so are the rule's matches; else it refuses what it might have matched. */
void rule_break(struct work *w, const struct rule_place *place, bool whole);
/* Makes the route's rules, with nothing in them but names of the route; and the last word on them.
 */
void rules_begin(struct work *w, struct route_work *route, size_t count);
void rules_end(struct route_work *route);
void rule_backends_compile(struct work *w, const struct rule_place *place,
                           const struct backend_ref *refs, size_t count);
