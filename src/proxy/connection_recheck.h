/* When an open connection is judged again. Private to proxy/. */
#pragma once

#include "proxy/connection_state.h"

/* Before it goes on: brings it to the worker's generation, judges it if need be, and cuts it (it
 * may be closed then) where it does not pass. */
void connection_recheck(struct connection *connection);
bool connection_is_unjudged(const struct connection *connection);
/* It is judged when its verdict's time ends; and no more, before it is freed. */
void connection_await_end(struct connection *connection);
/* Of a request that begins, too. */
void connection_await_request(struct connection *connection, const struct exchange *exchange);
void connection_forget_end(struct connection *connection);
