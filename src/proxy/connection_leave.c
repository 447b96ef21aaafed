/* How connections leave that may not stay: told to go at a moment of their own within the grace, so
 * that ten thousand clients do not all come back at once, and closed when it is over. From the cut
 * on not one more request is taken; those in flight go on until the end of the grace. A tunnel
 * can't be told anything: it is left alone until the last eighth of the grace, and ends at a moment
 * of its own in that. */
#include "proxy/connection_leave.h"

#include "proxy/client.h"
#include "proxy/connection_handshake.h"

/* The multiples of the golden ratio fill the grace evenly, however many there are, and the first
 * goes at once. The last eighth is for goodbyes. */
static uint64_t moment_ms(struct worker *worker, uint32_t grace_ms)
{
        uint32_t turn = worker->cuts++ * 2654435769u;
        return ((uint64_t)(grace_ms - grace_ms / 8) * turn) >> 32;
}

static void say_goodbye(struct connection *connection)
{
        if (connection->h1)
                client_h1_drain(connection->h1);
        if (connection->h2)
                client_h2_drain(connection->h2);
        connection_ready(connection);
}

void connection_leave(struct connection *connection)
{
        struct worker *worker = connection->worker;
        uint64_t ends_ms = connection->ends_ms;
        if (ends_ms == 0)
                return;
        connection->ends_ms = 0;
        connection_deadline(connection, ends_ms > worker->now_ms ? ends_ms - worker->now_ms : 0);
        say_goodbye(connection);
}

static void tunnel_drain(struct connection *connection, uint32_t grace_ms)
{
        uint32_t last_ms = grace_ms / 8;
        uint64_t in_ms = grace_ms - last_ms + moment_ms(connection->worker, last_ms);
        bool drains = connection->state == CONNECTION_DRAINING;
        if (!drains)
                connection_move(connection, CONNECTION_DRAINING);
        if (!drains || connection->deadline.at_ms > connection->worker->now_ms + in_ms)
                connection_deadline(connection, in_ms);
}

static void cut_and_drain(struct connection *connection, uint32_t grace_ms)
{
        struct worker *worker = connection->worker;
        if (connection->tunnel) {
                tunnel_drain(connection, grace_ms);
                return;
        }
        connection->ends_ms = worker->now_ms + grace_ms;
        if (connection->h1) /* the answer that it is giving is its last */
                client_h1_drain(connection->h1);
        if (connection->state == CONNECTION_DRAINING) { /* with everybody, and was told before */
                if (connection->deadline.at_ms < connection->ends_ms)
                        connection->ends_ms = connection->deadline.at_ms;
                connection_leave(connection);
                return;
        }
        connection_move(connection, CONNECTION_DRAINING);
        uint64_t wait_ms = moment_ms(worker, grace_ms);
        if (wait_ms == 0 || worker->draining)
                connection_leave(connection);
        else
                connection_deadline(connection, wait_ms);
}

void connection_cut(struct connection *connection, const char *why, struct removal removal)
{
        if (!connection->why)
                connection->why = why;
        connection->cut = true;
        connection->port = NULL; /* what serves next is not what it was let in by */
        connection->listener = NULL;
        counter_add(&connection->worker->counters->connections_cut, 1);
        if (removal.action == REMOVAL_CLOSE)
                connection_end(connection, why);
        else
                cut_and_drain(connection, removal.grace_ms);
}

void connection_drain(struct connection *connection)
{
        connection_leave(connection); /* cut, and waiting for its moment: that is now */
        if (connection->state != CONNECTION_SERVING)
                return;
        connection->why = "drained";
        connection_move(connection, CONNECTION_DRAINING);
        connection_deadline(connection, connection->worker->limits->drain_grace_ms);
        say_goodbye(connection);
}

void connections_drain(struct worker *worker)
{
        for (struct connection *at = worker->connections, *next; at; at = next) {
                next = at->next;
                connection_drain(at);
        }
}

void connections_close(struct worker *worker)
{
        for (struct connection *at = worker->connections, *next; at; at = next) {
                next = at->next;
                if (at->state == CONNECTION_GREETING || at->state == CONNECTION_HANDSHAKING)
                        connection_abort(at, REASON_TIMEOUT);
                else
                        connection_end(at, "stopped");
        }
}
