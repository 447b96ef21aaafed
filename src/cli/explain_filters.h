/* What filters make of a request and of its answer, for `pingate explain`, by the data plane's own
 * functions. Everything in it lives in the walk's arena or in the snapshot. */
#pragma once

#include <stdio.h>

#include "proxy/exchange_filters.h"
#include "text/json.h"

struct explain_filters { /* zero: there are none that do anything here */
        struct filter_answer answer;
        struct slice host, target; /* that a backend is asked for; empty: as they came */
        struct header_list cors;   /* what every answer bears */
};

/* `target` NULL: of the rule alone, before a backend is picked. */
void explain_filters_apply(const struct route_rule *rule, const struct route_backend *target,
                           const struct redirect_request *request, struct arena *arena,
                           struct explain_filters *out);
void explain_filters_print(const struct explain_filters *filters, FILE *out);
void explain_filters_write(const struct explain_filters *filters, struct json_writer *w);
