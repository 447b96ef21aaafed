/* What the rule that a request meets does about slow and failing backends, and to whom it copies,
 * for `pingate explain`.
 */
#pragma once

#include <stdio.h>

#include "snapshot/snapshot.h"
#include "text/json.h"

void explain_rule_print(const struct snapshot *snapshot, const struct route_rule *rule, FILE *out);
void explain_rule_write(const struct snapshot *snapshot, const struct route_rule *rule,
                        struct json_writer *w);
