/* What goes through a leased connection: bytes of a message or of a tunnel, or one call over
 * HTTP/2.
 */
#pragma once

#include "http/h2_client.h"
#include "proxy/upstream/pool.h"

enum {
        UPSTREAM_LATER = -1,
        UPSTREAM_BROKEN = -2,
};
/* How many bytes went, which may be fewer than there are, or UPSTREAM_LATER or UPSTREAM_BROKEN. */
ssize_t upstream_send(struct upstream_lease *lease, struct slice bytes);
/* How many bytes came; 0: the backend sends no more. */
ssize_t upstream_receive(struct upstream_lease *lease, char *into, size_t room);
/* What on_event is wanted for. It also runs when the connection breaks. */
void upstream_want(struct upstream_lease *lease, bool read, bool write);
/* ALPN chose HTTP/2. False in the clear. */
bool upstream_is_h2(const struct upstream_lease *lease);

/* Once on_ready has run: the backend speaks HTTP/2. The bytes are the connection's own affair then,
 * and on_event does not come: the lease is for one call, which tells by its own callbacks. */
bool upstream_is_shared(const struct upstream_lease *lease);
/* False: the connection ended meanwhile, or takes no more; nothing has begun. */
bool upstream_call_begin(struct upstream_lease *lease, struct h2_call *call,
                         const struct h2_request *request);
/* Behind h2_call_resume, h2_call_consume and h2_call_cancel: what comes of them is sent. */
void upstream_call_flush(struct upstream_lease *lease);
