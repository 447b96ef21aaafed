/* Pin sets, CA sets and key pairs that are taken over from one translation to the next: a change of
 * one object changes its own set and no other. */
#pragma once

#include "base/digest.h"
#include "control/translate/work.h"
#include "trust/ca_set.h"
#include "trust/pin_set.h"

/* The set that the former translation had of the same pins, or this one: what compares two
 * generations then sees at a glance that nothing changed here. The cache keeps the reference. */
struct pin_set *pin_set_shared(struct work *w, struct pin_set *set);
/* NULL: not there. */
struct ca_set *ca_set_known(struct work *w, const struct digest *inputs);
/* Takes the reference over. */
void ca_set_remember(struct work *w, const struct digest *inputs, struct ca_set *set);

/* Nothing more will be decoded into it. */
void set_cache_rest(struct set_cache *cache);

/* Decoded only where these texts were not before; what can't be used is told as it was then. A
 * reference for the caller, or NULL and err. */
struct key_pair *key_pair_shared(struct work *w, struct slice chain, struct slice key,
                                 struct error *err);
