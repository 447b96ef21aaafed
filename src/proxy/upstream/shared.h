/* One HTTP/2 connection to a backend that the requests of one worker share: a lease of its own on a
 * socket, the client side of HTTP/2, and the leases that are its members. Up to what the backend
 * and h2_client.h allow at once use it; then another one is made. It ends when nothing moves on it
 * for long, when the backend has said GOAWAY and the last member is gone, when it breaks a rule, or
 * when it does not answer a PING that went with the first request after a silence. Private to
 * proxy/upstream. */
#pragma once

#include "base/buffer.h"
#include "http/h2_client.h"
#include "proxy/upstream/socket.h"

struct upstream_shared {
        struct upstream_pool *pool;
        struct upstream_target *target;               /* NULL: no socket was had at all */
        struct upstream_shared *all_next, **all_link; /* of the pool's */
        struct upstream_shared *next, **link; /* in the target's list; link NULL: in none, and no
                                               * more members join */
        struct upstream_lease lease;          /* of its socket */
        struct upstream_lease
                *opener; /* the member whose backend it connects by; NULL: connected */
        struct upstream_lease *members;
        size_t member_count;
        size_t idle_calls; /* members that have not begun their call: their room is taken */
        struct http_limits limits;
        struct h2_client *client; /* NULL while connecting */
        struct buffer out;
        struct task task; /* frames may wait to be written */
        struct deadline deadline;
        uint64_t connected_ms, received_ms;
        bool pinged; /* and not a byte has come since */
};

/* Makes the lease a member of a connection to its address, which may have to be made. */
void shared_join(struct upstream_lease *lease);
void shared_leave(struct upstream_lease *lease);
/* Its members' calls are over. */
void shared_end(struct upstream_shared *shared);
