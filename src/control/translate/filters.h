/* Filters of rules and backendRefs to the data plane's form. Private to translate/. */
#pragma once

#include "control/translate/stages.h"

/* Where in a route something stands, for what is told about it. */
struct rule_place {
        struct route_work *route;
        size_t index;        /* of the rule */
        struct slice within; /* "" or "backendRefs[1]." */
        struct route_rule *rule;
};

/* The rule asks for what can't be done: its requests get 500, and the route's status says what. */
void rule_unsupported(struct work *w, const struct rule_place *place, struct slice what);
/* `out` is zero, of the rule or of one of its backends; it is complete in any case. The rule's
 * matches are compiled before. */
void filters_compile(struct work *w, const struct rule_place *place,
                     const struct http_filters *filters, struct route_filters *out);
/* resilience.c: the part of filters_compile that makes mirrors. */
void mirrors_compile(struct work *w, const struct rule_place *place,
                     const struct http_filters *filters, struct route_filters *out);
/* In lower case, a copy in the snapshot's arena. */
struct slice freeze_lower(struct work *w, struct slice text);
