/* One client connection, plain or TLS, from accept to close. It holds its evidence, not a snapshot:
 * what the client presented, what the judge said and until when, which listener its server name
 * selected. When the trust digest of its port changes, or the verdict's time ends, it is judged
 * again; that can end it, never raise it (I40). All on one worker. */
#pragma once

#include <sys/socket.h>

#include "proxy/worker.h"

/* Takes the descriptor. Nothing is returned: a connection lives by its events. */
void connection_open(struct worker *worker, size_t port_index, int fd, const struct sockaddr *peer);

/* The worker has adopted another generation: all are to be judged by it. */
void connections_adopt(struct worker *worker);
/* Once a turn: judges those that are to be, and drains or closes those that no longer pass, for a
 * millisecond at most. False from the other: some are left for the next turn. */
void connections_judge(struct worker *worker);
bool connections_are_judged(const struct worker *worker);
/* Goes on with the connections that asked for this turn. */
void connections_turn(struct worker *worker);
/* No new requests: each ends after the one in flight, all after the grace. */
void connections_drain(struct worker *worker);
void connections_close(struct worker *worker);
