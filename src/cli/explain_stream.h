/* What becomes of a connection whose bytes go on as they are, in `explain -c`: its route and
 * backends, by the data plane's own functions. */
#pragma once

#include <stdio.h>

#include "snapshot/snapshot.h"
#include "text/json.h"

struct explain_stream_backend {
        const struct backend *backend; /* NULL: not usable */
        uint32_t weight;
        const char *fault; /* why this share is closed; NULL: it is not */
};

struct explain_stream { /* zero: it was not reached */
        bool reached;
        const char *fault; /* why it is closed, whichever share it gets; NULL: it is not */
        const struct stream_route *route;
        const struct explain_stream_backend *backends;
        size_t backend_count;
};

/* The listener that such a port has for the name before any TLS: *through, if it passes through.
 * NULL: nobody's, and the connection is closed without a word. */
const struct listener *explain_stream_peek(const struct port *port, struct slice server_name,
                                           bool *through);
/* True: some share of it gets through. */
bool explain_stream_walk(const struct snapshot *snapshot, const struct listener *listener,
                         struct slice server_name, struct arena *arena,
                         struct explain_stream *stream);
void explain_stream_print(const struct explain_stream *stream, FILE *out);
void explain_stream_write(const struct explain_stream *stream, struct json_writer *w);
