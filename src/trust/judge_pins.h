/* The last gate: is the leaf pinned, in every scope that holds? Internal to trust/. */
#pragma once

#include "trust/judge.h"

/* Is there a scope that admits nobody, because nothing is left in it? */
const struct pin_scope *find_empty_scope(const struct client_policy *policy, uint32_t listener);
/* ACCEPTED with the name taken and the bounds narrowed, or the reason. Looks at the leaf alone, and
 * only after its path verified (I2). */
enum reason judge_pins(const struct judge_request *request, struct verdict *out);
