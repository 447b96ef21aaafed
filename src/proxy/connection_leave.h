/* How a connection leaves that may not stay. Private to proxy/. */
#pragma once

#include "proxy/connection_state.h"

/* Takes no further request, and goes as removal says; once in its life. */
void connection_cut(struct connection *connection, const char *why, struct removal removal);
/* Its moment to be told has come, if it was awaited. */
void connection_leave(struct connection *connection);
/* No keep-alive any more; who has not asked anything yet may ask once (I45). */
void connection_drain(struct connection *connection);
