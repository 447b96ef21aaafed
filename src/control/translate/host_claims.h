/* Who holds which host names, where two must not meet: routes on a listener, listeners on a port.
 * Asking costs one look-up a label of the name, however many there are. Empty when zeroed. */
#pragma once

#include <stdbool.h>

#include "base/map.h"
#include "base/slice.h"

struct host_claims {
        struct map names;        /* a pattern's key to its first holder */
        struct map suffixes;     /* of what lies below a wildcard: "*.a.b" and "c.a.b" below ".b" */
        const void *any, *first; /* of the empty pattern; of whatever came first */
};

/* Patterns are normalised and live as long as the claims. The first to claim one keeps it. */
void host_claims_add(struct host_claims *claims, struct slice pattern, const void *holder);
/* Who holds the very pattern. NULL: nobody. */
const void *host_claims_holder(const struct host_claims *claims, struct slice pattern);
/* Who holds a pattern that has a host in common with it. NULL: nobody. */
const void *host_claims_meet(const struct host_claims *claims, struct slice pattern);
void host_claims_done(struct host_claims *claims);
