/* What a tunnel asks of its lease beyond what requests do: ends and breaks that go on, and to
 * outlive the request and the generation that made it. */
#pragma once

#include "proxy/upstream/bytes.h"

/* That no more bytes come from us; the backend may still send. False: not yet, want writing. */
bool upstream_end(struct upstream_lease *lease);
/* A lease that is connected moves in memory, and to other callbacks; `from` is none any more. */
void upstream_move(struct upstream_lease *to, struct upstream_lease *from,
                   const struct upstream_callbacks *callbacks, void *self);
/* What the lease was made by may go, while its connection stays: tunnels outlive generations. */
void upstream_detach(struct upstream_lease *lease);
/* As upstream_release, but the backend sees a reset: what it got is not the whole. */
void upstream_abort(struct upstream_lease *lease);
