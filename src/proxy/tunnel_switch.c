/* WebSockets: how an HTTP connection becomes a tunnel behind the backend's 101, and how that is
 * judged again. Its request was let in by pins of routes and rules, which judge each request once:
 * this one goes on, so it is held to whatever a later generation would say of it. */
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "proxy/connection_recheck.h"
#include "proxy/exchange_gate.h"
#include "proxy/tunnel_state.h"

static void request_take(struct tunnel *tunnel, const struct request_head *asked,
                         struct arena *arena)
{
        tunnel->arena = *arena;
        arena_init(arena, arena->chunk_bytes);
        struct request_head *kept = ARENA_NEW(&tunnel->arena, struct request_head);
        *kept = *asked;
        kept->headers.arena = &tunnel->arena;
        tunnel->asked = kept;
}

void tunnel_switch(struct connection *connection, struct exchange *exchange, struct arena *arena)
{
        struct tunnel *tunnel = connection->tunnel = tunnel_new(connection, "websocket");
        struct exchange_switched switched;
        exchange_hand_over(exchange, &tunnel->lease, &tunnel_upstream_side, tunnel, &switched);
        upstream_detach(&tunnel->lease);
        tunnel->state = TUNNEL_OPEN;
        tunnel->upstream = switched.upstream;
        tunnel->route = arena_slice(&connection->arena, switched.route);
        tunnel->request_id = arena_slice(&connection->arena, switched.request_id);
        tunnel->valid_until = switched.valid_until;
        connection->judged = switched.generation; /* its next turn asks what a newer one says */
        tunnel->down.bytes = switched.came.len;
        exchange_close(exchange);
        request_take(tunnel, switched.asked, arena);
        if (!buffer_append(&connection->out, buffer_slice(&switched.came)))
                connection->broken = true;
        buffer_done(&switched.came);
        deadline_clear(&connection->stall);
        connection_await_end(connection);
        if (connection->state == CONNECTION_SERVING)
                connection_deadline(connection, connection->worker->limits->tunnel_idle_ms);
        connection_ready(connection);
}

static struct removal drained(const struct worker *worker)
{
        return (struct removal){REMOVAL_DRAIN, (uint32_t)worker->limits->drain_grace_ms};
}

bool tunnel_judge(struct tunnel *tunnel, struct removal *removal, enum reason *reason)
{
        const struct connection *connection = tunnel->connection;
        const struct worker *worker = connection->worker;
        const struct standing *standing = connection->port->client ? connection->standing : NULL;
        const struct listener *listener = connection->listener;
        struct pin_decision decision = {.reason = REASON_ACCEPTED};
        struct route_found found = {0};
        *removal = drained(worker);
        *reason = REASON_ACCEPTED;
        if (!tunnel->asked) /* of a listener of streams: where nobody may come in, nobody stays */
                return listener->closed.len == 0;
        struct exchange_gate gate = exchange_gate_route(connection->port, connection->listener,
                                                        tunnel->asked, &listener, &found);
        if (gate.status == 0)
                gate = exchange_gate_rule(worker->snapshot, found.rule, standing,
                                          (int64_t)time(NULL), &decision);
        tunnel->valid_until = INT64_MAX;
        if (gate.status == 0 && found.rule->policy != ROUTE_POLICY_NONE)
                tunnel->valid_until = decision.valid_until;
        if (gate.status == 0)
                return true;
        *reason = decision.reason;
        *removal = decision.reason == REASON_ACCEPTED ? drained(worker) : decision.removal;
        return removal->action == REMOVAL_KEEP;
}

int64_t tunnel_valid_until(const struct tunnel *tunnel)
{
        return tunnel->valid_until;
}
