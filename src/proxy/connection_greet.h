/* The first bytes of a connection where they decide what it is: from a load balancer in front the
 * PROXY header, on a port that passes TLS through for some names the ClientHello. Read into `in`,
 * bounded in size and time; whatever is made of the connection gets what follows from there. A
 * connection to a listener that passes TLS through is judged by nobody and goes to that listener's
 * backend alone; a name that no listener has is closed without a word. Ports where nothing is to be
 * found out pass by at once. Private to proxy/. */
#pragma once

#include "proxy/connection_state.h"

/* Of one that is not made yet: counts it by its address, where a load balancer has not yet to say
 * whose it is. False: that address has too many, which is told; it is to be closed. */
bool connection_seat_first(struct worker *worker, const struct port *port,
                           const struct event_address *from, struct address_seat **seat);
/* Of a new connection: waits for what its port wants to see first, or begins TLS or serving. */
void connection_greet(struct connection *connection);
void connection_greeting_turn(struct connection *connection);
/* Closed without a word, with a record that says `fault`. */
void connection_greeting_refuse(struct connection *connection, const char *fault);
