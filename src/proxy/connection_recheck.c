/* When open connections are judged again: all of them when a generation comes, one when the time of
 * its verdict ends. Both in slices of a loop turn, so that ten thousand of them stall nobody; and
 * before that each one that wants to go on, so that no request is served by a generation that has
 * not judged its connection (I40). */
#include "proxy/connection_recheck.h"

#include <time.h>

#include "proxy/client.h"
#include "proxy/connection_leave.h"
#include "proxy/tunnel.h"

enum {
        SLICE_NS = 1000 * 1000, /* of a turn; a path that is verified anew costs 95 to 180 us */
        /* How far ahead the end of a verdict is waited for: a real clock that was set meanwhile is
         * noticed then. What it costs is a look at each open connection in this time. */
        LOOK_AHEAD_S = 10,
};

/* ---- the end of a verdict's time ---- */

static void due_add(struct connection *connection)
{
        struct worker *worker = connection->worker;
        connection->due_link = &worker->due;
        connection->due_next = worker->due;
        if (connection->due_next)
                connection->due_next->due_link = &connection->due_next;
        worker->due = connection;
}

static void due_remove(struct connection *connection)
{
        if (!connection->due_link)
                return;
        *connection->due_link = connection->due_next;
        if (connection->due_next)
                connection->due_next->due_link = connection->due_link;
        connection->due_link = NULL;
}

static int64_t requests_valid_until(const struct connection *connection)
{
        if (connection->tunnel)
                return tunnel_valid_until(connection->tunnel);
        if (connection->h2)
                return client_h2_valid_until(connection->h2);
        return connection->h1 ? client_h1_valid_until(connection->h1) : INT64_MAX;
}

/* Of whom its connection let in, and of the requests in flight or the one that became a tunnel. */
static int64_t valid_until_of(const struct connection *connection)
{
        int64_t ends = connection->standing->valid_until;
        int64_t requests_end = requests_valid_until(connection);
        return requests_end < ends ? requests_end : ends;
}

static void on_look(struct deadline *deadline)
{
        struct connection *connection = CONTAINER_OF(deadline, struct connection, look);
        int64_t now = (int64_t)time(NULL);
        if (now < connection->standing->valid_from || now >= valid_until_of(connection))
                due_add(connection);
        else
                connection_await_end(connection);
}

void connection_await_end(struct connection *connection)
{
        if (!connection->standing || valid_until_of(connection) == INT64_MAX)
                return;
        int64_t ends = valid_until_of(connection);
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        int64_t in_ms = LOOK_AHEAD_S * 1000;
        if (ends < (int64_t)now.tv_sec + LOOK_AHEAD_S)
                in_ms = (ends - (int64_t)now.tv_sec) * 1000 - now.tv_nsec / 1000000;
        struct worker *worker = connection->worker;
        deadline_set(&worker->wheel, &connection->look,
                     worker->now_ms + (in_ms > 0 ? (uint64_t)in_ms : 0) + 1, on_look);
}

void connection_await_request(struct connection *connection, const struct exchange *exchange)
{
        if (exchange_valid_until(exchange) != INT64_MAX)
                connection_await_end(connection);
}

void connection_forget_end(struct connection *connection)
{
        deadline_clear(&connection->look);
        due_remove(connection);
}

/* ---- one connection ---- */

static bool is_serving(const struct connection *connection)
{
        return connection->state == CONNECTION_SERVING || connection->state == CONNECTION_DRAINING;
}

/* Finds port and listener in the worker's snapshot: the former one may be gone by now, what is
 * compared was copied at birth. False: they are gone. */
static bool rebind(struct connection *connection)
{
        struct worker *worker = connection->worker;
        if (!port_find(worker->snapshot, &connection->place, &connection->port_index))
                return false;
        connection->port = &worker->snapshot->ports[connection->port_index];
        if (connection->place.listener.len == 0) /* of an HTTP port: each request finds its own */
                return true;
        connection->listener = listener_find(connection->port, &connection->place);
        return connection->listener != NULL;
}

/* What its TLS says of the client is the backend's affair, whatever the port asks of others. */
static bool is_judged_by_nobody(const struct connection *connection)
{
        return connection->listener && connection->listener->kind == LISTENER_TLS_PASSTHROUGH;
}

static bool is_decided_otherwise(const struct connection *connection)
{
        const struct client_policy *client = connection->port->client;
        if (is_judged_by_nobody(connection))
                return false;
        if (!connection->standing)
                return client != NULL;
        /* A policy knows listeners by their number: where two change places and a policy goes from
         * one to the other, it reads as before and means the other one. */
        return !client || connection->listener->index != connection->trust_listener ||
               !digest_equal(&connection->trust_digest, &client->digest);
}

static void judge_or_cut(struct connection *connection)
{
        struct removal removal;
        if (connection_judge(connection, &removal)) {
                connection_await_end(connection);
                return;
        }
        bool renamed = connection->standing && connection->cut_reason == REASON_ACCEPTED;
        connection_cut(connection, renamed ? "identity_changed" : "no_longer_admitted", removal);
}

static void judge_tunnel(struct connection *connection)
{
        struct removal removal;
        enum reason reason;
        if (tunnel_judge(connection->tunnel, &removal, &reason)) {
                connection_await_end(connection);
                return;
        }
        connection->cut_reason = reason;
        connection_cut(connection,
                       reason == REASON_ACCEPTED ? "route_changed" : "no_longer_admitted", removal);
}

/* Route and rule ask each request: one that they refuse goes alone, its connection stays. */
static void judge_requests(struct connection *connection)
{
        const struct exchange_law law = {
                .snapshot = connection->worker->snapshot,
                .port = connection->port,
                .listener = connection->listener,
                .standing = connection->port->client ? connection->standing : NULL,
                .now = (int64_t)time(NULL),
        };
        if (connection->h1)
                client_h1_judge(connection->h1, &law);
        if (connection->h2)
                client_h2_judge(connection->h2, &law);
        connection_await_end(connection);
}

void connection_recheck(struct connection *connection)
{
        struct worker *worker = connection->worker;
        bool due = connection->due_link != NULL;
        bool newer = connection->judged != worker->snapshot->generation;
        due_remove(connection);
        if (!is_serving(connection)) /* a greeting looks at the generation when it is over */
                return;
        connection->judged = worker->snapshot->generation;
        if (connection->cut) /* a second cut would prolong the grace of the first */
                return;
        if (newer && !rebind(connection))
                connection_cut(
                        connection, "listener_removed",
                        (struct removal){REMOVAL_DRAIN, (uint32_t)worker->limits->drain_grace_ms});
        else if (due || (newer && is_decided_otherwise(connection)))
                judge_or_cut(connection);
        if (!connection->cut && connection->tunnel)
                judge_tunnel(connection);
        else if (!connection->cut && (newer || due))
                judge_requests(connection);
}

bool connection_is_unjudged(const struct connection *connection)
{
        return is_serving(connection) &&
               (connection->due_link ||
                connection->judged != connection->worker->snapshot->generation);
}

/* ---- all of them ---- */

void connections_adopt(struct worker *worker)
{
        /* New ones are put in front, and are judged by this generation from the start. */
        worker->sweep = worker->connections;
        worker->cuts = 0;
}

bool connections_are_judged(const struct worker *worker)
{
        return !worker->sweep && !worker->due;
}

static struct connection *next_to_judge(struct worker *worker)
{
        struct connection *connection = worker->sweep;
        if (!connection)
                return worker->due;
        worker->sweep = connection->next;
        return connection;
}

void connections_judge(struct worker *worker)
{
        uint64_t until = uv_hrtime() + SLICE_NS;
        for (struct connection *at; (at = next_to_judge(worker)) != NULL;) {
                connection_recheck(at);
                if (uv_hrtime() >= until)
                        break;
        }
        if (!worker->sweep && worker->snapshot)
                counter_set(&worker->counters->judged_generation, worker->snapshot->generation);
}
