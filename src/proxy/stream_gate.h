/* Which route and backend a connection meets whose bytes go on as they are (TLSRoute, TCPRoute),
 * and why it is closed where it meets none. Pure functions of one generation, shared by the tunnels
 * and `pingate explain`, so that both decide alike. Whoever may come in was decided before. */
#pragma once

#include "snapshot/snapshot.h"

static inline bool listener_is_of_streams(const struct listener *listener)
{
        return listener->kind != LISTENER_HTTP && listener->kind != LISTENER_HTTPS;
}

/* `server_name` as the ClientHello bears it, empty: none, or no TLS. The token of why the
 * connection is closed; NULL: go on, with *route. */
const char *stream_gate_route(const struct listener *listener, struct slice server_name,
                              const struct stream_route **route);
/* `random` is any 64-bit number. An invalid backend's share is closed, as is all of a route without
 * any. */
const char *stream_gate_backend(const struct snapshot *snapshot, const struct stream_route *route,
                                uint64_t random, const struct backend **backend);
