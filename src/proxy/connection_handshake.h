/* How a client connection becomes one that is served: who has not proven anything yet is counted,
 * at the cap the oldest goes, and TLS is done to the judge's word (handshake/). Private to proxy/.
 */
#pragma once

#include "proxy/connection_state.h"

/* From here on it counts among the unproven, the youngest of them; once. */
void connection_prove(struct connection *connection);
/* It has proven itself, or ends: frees the handshake. Fine where nothing was to prove. */
void connection_prove_end(struct connection *connection);
/* For one more. */
void connections_make_room(struct worker *worker);

/* Ends where OpenSSL has nothing to give. What waits in `in` is what the client has said so far. */
void connection_tls_begin(struct connection *connection);
void connection_handshake_turn(struct connection *connection);
/* Ends a handshake or a greeting that is under way, for want of time or room. */
void connection_abort(struct connection *connection, enum reason reason);
