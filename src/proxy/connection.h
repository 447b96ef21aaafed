/* One client connection, plain or TLS, from accept to close. It holds its evidence, not a snapshot:
 * what the client presented, what the judge said and until when, which listener its server name
 * selected. When the trust digest of its port changes, or the verdict's time ends, it is judged
 * again; that can end it, never raise it (I40). All on one worker. */
#pragma once

#include <sys/socket.h>

#include "proxy/worker.h"

/* Takes the descriptor. Nothing is returned: a connection lives by its events. */
void connection_open(struct worker *worker, size_t port_index, int fd, const struct sockaddr *peer);

/* The worker has adopted another generation: those whose port is gone or whose client no longer
 * passes are drained, all others go on. */
void connections_adopt(struct worker *worker);
/* Once a second: connections whose verdict's time has ended are judged again (I11). Costs a look at
 * each open connection. */
void connections_expire(struct worker *worker);
/* Goes on with the connections that asked for this turn. */
void connections_turn(struct worker *worker);
/* No new requests: each ends after the one in flight, all after the grace. */
void connections_drain(struct worker *worker);
void connections_close(struct worker *worker);
