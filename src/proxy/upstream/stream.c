#include "proxy/upstream/stream.h"

#include <sys/socket.h>

#include "base/must.h"
#include "proxy/upstream/socket.h"

bool upstream_end(struct upstream_lease *lease)
{
        if (lease->socket->tls && !socket_tls_end(lease->socket->tls))
                return false;
        shutdown(lease->socket->fd, SHUT_WR);
        return true;
}

void upstream_move(struct upstream_lease *to, struct upstream_lease *from,
                   const struct upstream_callbacks *callbacks, void *self)
{
        must(!to->pool && from->socket && !from->task.link && !from->wait.link);
        *to = *from;
        to->callbacks = callbacks;
        to->self = self;
        to->socket->lease = to;
        *from = (struct upstream_lease){0};
}

void upstream_detach(struct upstream_lease *lease)
{
        must(lease->socket);
        lease->backend = NULL;
        lease->endpoint = NULL;
}

void upstream_abort(struct upstream_lease *lease)
{
        const struct linger at_once = {.l_onoff = 1};
        if (lease->socket)
                setsockopt(lease->socket->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        if (lease->socket && lease->socket->tls)
                lease->socket->tls->broken = true; /* and no close_notify */
        upstream_release(lease, false);
}
