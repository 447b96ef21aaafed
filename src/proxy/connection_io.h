/* The bytes of a client connection, in the clear or within TLS, for connection.c and whatever
 * serves it. Reading never waits; what can't be written now waits in `out`. Private to proxy/. */
#pragma once

#include "proxy/connection_state.h"

enum io {
        IO_MORE = -1,
        IO_CLOSED = -2, /* the peer sends no more */
        IO_BROKEN = -3
}; /* instead of a count of bytes */

/* Bytes read into the worker's scratch buffer; a count, or IO_. */
long connection_read(struct connection *connection, char *into, size_t room);
/* Bytes, or the end, are there to be read; reads nothing. */
bool connection_has_input(struct connection *connection);
/* From the handshake on: a flood of TLS records without data ends the connection. */
void connection_watch_records(struct connection *connection);
/* Writes what waits in `out` as far as the peer takes it. False: broken. */
bool connection_flush(struct connection *connection);
/* Bytes at once, the rest into `out`. False: broken. */
bool connection_write(struct connection *connection, struct slice bytes);
/* That we send no more; bytes still come. False: not yet, want_write. */
bool connection_say_end(struct connection *connection);
