/* A client connection whose bytes go to a backend as they are, and the backend's back: of TCP and
 * TLS listeners, and of a WebSocket behind its 101. A third way to serve a connection beside h1 and
 * h2: made when serving begins, freed with the connection, driven by its turns, so it is judged
 * again like any other (connection_recheck.c) and cut where its pin is removed.
 *
 * At most TUNNEL_BYTES_MAX wait in each direction: a side that takes no more is not read for. Each
 * side's end goes on to the other, which may still talk; a side that breaks off breaks the other.
 * It holds a generation only until its backend is connected. One access record at its end. */
#pragma once

#include "proxy/connection_state.h"

enum {
        TUNNEL_BYTES_MAX = 64 * 1024,
};

struct tunnel;

/* For the connection's listener, which is one of streams; `connection->in` are its first bytes.
 * NULL: there is nowhere to go, and the connection has ended. */
struct tunnel *tunnel_open(struct connection *connection);
/* For an exchange that ended in a 101, whose connection to the backend it takes over; ends it.
 * `arena` is the exchange's, which it takes over as well. */
void tunnel_switch(struct connection *connection, struct exchange *exchange, struct arena *arena);
void tunnel_free(struct tunnel *tunnel);
void tunnel_turn(struct tunnel *tunnel);
/* Of a WebSocket: would its request still be let through by the worker's snapshot? False: not, and
 * *removal says how it goes, *reason why; ACCEPTED: its route is another one now. Of every other
 * tunnel it is the connection that is judged, and here no more asked than whether its listener lets
 * anybody in. */
bool tunnel_judge(struct tunnel *tunnel, struct removal *removal, enum reason *reason);
/* When that is to be asked again though nothing changes, in Unix seconds. */
int64_t tunnel_valid_until(const struct tunnel *tunnel);
/* Bytes of its client and of its backend so far. */
void tunnel_count(const struct tunnel *tunnel, uint64_t *in, uint64_t *out);
