/* Pin sets and CA sets that were parsed once and are taken over while their bytes stay the same: a
 * change of one object rebuilds its own set and no other. */
#pragma once

#include "base/digest.h"
#include "control/translate/work.h"
#include "trust/ca_set.h"
#include "trust/pin_set.h"

struct set_cache *set_cache_new(void);
void set_cache_free(struct set_cache *cache); /* gives its references back */

/* Of a pins.txt. The cache keeps the reference. */
struct pin_set *pin_set_of_text(struct work *w, struct slice pins_txt);
/* NULL: not there. */
struct ca_set *ca_set_known(struct work *w, const struct digest *inputs);
/* Takes the reference over. */
void ca_set_remember(struct work *w, const struct digest *inputs, struct ca_set *set);
