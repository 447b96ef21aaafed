/* Which pins came and which went between two generations: what makes "who could get in at T"
 * answerable from the log. Sets that both share cost nothing; a changed set is walked beside the
 * one that stood in its place, and only what that lacks is looked for in the other sets of its
 * object. */
#pragma once

#include "snapshot/pin_walk.h"

typedef void (*on_pin_change_fn)(bool added, const struct pin *pin,
                                 const struct pin_list_place *place, void *self);

struct pin_changes {
        uint64_t added, removed;
};

/* All are counted, the first told_max are told. `from` may be NULL: then every pin of `to` was
 * added. */
struct pin_changes snapshot_pin_changes(const struct snapshot *from, const struct snapshot *to,
                                        size_t told_max, void *self, on_pin_change_fn on_change);
