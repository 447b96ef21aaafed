/* The fields that tell backends who a client is, from what its handshake left: the same function
 * for a connection's own and for a request whose policies want another name or other fields, so
 * they differ in nothing else (I25, I26). */
#pragma once

#include "http/identity_headers.h"
#include "trust/judge.h"

struct client_shown {
        const struct standing *standing;
        const struct chain *chain; /* NULL: none was presented */
        struct slice name;         /* of a pin; may be empty */
        unsigned forward;          /* enum identity_forward, ORed */
};

/* *out lives in the arena. A client that is not verified is told of as such, and shown nothing of.
 */
void client_identity_build(const struct client_shown *client, struct arena *arena,
                           struct header_list *out);
