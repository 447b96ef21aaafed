/* Which pins came and which went between two generations: what makes "who could get in at T"
 * answerable from the log. Sets that both share cost nothing; a changed set costs a lookup a pin.
 */
#pragma once

#include "snapshot/snapshot.h"

/* Where a pin stands. */
struct pin_list_place {
        struct slice source; /* "ClientCertificatePolicy edge/partners" */
        bool deny;
};

typedef void (*on_pin_change_fn)(bool added, const struct pin *pin,
                                 const struct pin_list_place *place, void *self);

/* `from` may be NULL: then every pin of `to` was added. */
void snapshot_pin_changes(const struct snapshot *from, const struct snapshot *to, void *self,
                          on_pin_change_fn on_change);
