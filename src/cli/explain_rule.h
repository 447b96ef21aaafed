/* What the rule that a request meets does about slow and failing backends, for `pingate explain`.
 */
#pragma once

#include <stdio.h>

#include "route/rule.h"
#include "text/json.h"

void explain_rule_print(const struct route_rule *rule, FILE *out);
void explain_rule_write(const struct route_rule *rule, struct json_writer *w);
