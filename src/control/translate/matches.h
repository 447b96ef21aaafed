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
void rule_backends_compile(struct work *w, const struct rule_place *place,
                           const struct backend_ref *refs, size_t count);
