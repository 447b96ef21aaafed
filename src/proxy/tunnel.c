#include "proxy/tunnel.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "base/memory.h"
#include "base/must.h"
#include "proxy/proxy_header.h"
#include "proxy/stream_gate.h"
#include "proxy/tunnel_state.h"

/* ---- the record ---- */

static void record_write(const struct tunnel *tunnel)
{
        const struct connection *connection = tunnel->connection;
        const struct standing *standing = connection->standing;
        const char *fault = tunnel->fault;
        if (!fault && tunnel->state == TUNNEL_CONNECTING)
                fault = "client_gone";
        struct stream_facts facts = {
                .time_ms = tunnel->time_ms,
                .protocol = slice_of(tunnel->protocol),
                .fault = slice_of(fault),
                .why = slice_of(connection->why),
                .client = connection->peer,
                .upstream = tunnel->upstream,
                .client_name = connection->client.client_name,
                .gateway = connection->place.port_gateway,
                .listener = connection->place.listener,
                .route = tunnel->route,
                .sni = connection->client.tls_server_name,
                .request_id = tunnel->request_id,
                .generation = connection->worker->snapshot->generation,
                .connection = connection->id,
                .bytes_in = tunnel->up.bytes,
                .bytes_out = tunnel->down.bytes,
                .duration_us = (connection->worker->now_ms - tunnel->opened_ms) * 1000,
        };
        if (standing && standing->verified) {
                facts.certificate = standing->leaf;
                facts.spki = standing->spki;
        }
        event_stream(connection->worker->sink, &facts);
}

/* ---- the backend's side ---- */

/* Where the client meant to go: as a load balancer in front says, or the socket. */
static struct event_address local_of(const struct connection *connection)
{
        struct sockaddr_storage local;
        socklen_t len = sizeof(local);
        if (connection->local.family != 0 ||
            getsockname(connection->fd, (struct sockaddr *)&local, &len) != 0)
                return connection->local;
        return event_address_of((const struct sockaddr *)&local);
}

static void introduce(struct tunnel *tunnel)
{
        const struct connection *connection = tunnel->connection;
        const struct standing *standing = connection->standing;
        struct proxy_client client = {
                .from = connection->peer,
                .to = local_of(connection),
                .server_name = connection->client.tls_server_name,
                .tls = connection->ssl != NULL,
                .certified = connection->chain != NULL,
                .verified = standing && standing->verified,
        };
        if (client.verified) {
                client.name = connection->client.client_name;
                client.leaf = standing->leaf;
        }
        must(proxy_header_write(&client, &tunnel->to_backend)); /* names are bounded */
}

/* From here on no generation is needed: a tunnel may outlive many. */
static void on_ready(void *self)
{
        struct tunnel *tunnel = self;
        tunnel->state = TUNNEL_OPEN;
        tunnel->upstream = event_address_of((const void *)&tunnel->lease.address);
        upstream_detach(&tunnel->lease);
        snapshot_unref(tunnel->snapshot);
        tunnel->snapshot = NULL;
        if (tunnel->introduces)
                introduce(tunnel);
        connection_ready(tunnel->connection);
}

static void end_for(struct tunnel *tunnel, const char *fault)
{
        tunnel->fault = fault;
        connection_end(tunnel->connection, fault);
}

static void on_failed(enum upstream_failure failure, void *self)
{
        static const char *const faults[] = {
                [UPSTREAM_NO_ENDPOINT] = "no_endpoints",
                [UPSTREAM_NO_ADDRESS] = "backend_name_unresolved",
                [UPSTREAM_OVER_LIMIT] = "backend_over_limit",
                [UPSTREAM_CONNECT_FAILED] = "backend_connect_failed",
                [UPSTREAM_CONNECT_TIMEOUT] = "backend_connect_timeout",
                [UPSTREAM_NO_HTTP2] = "backend_without_http2",
        };
        struct tunnel *tunnel = self;
        end_for(tunnel, failure == UPSTREAM_TLS_FAILED
                                ? upstream_tls_fault(tunnel->lease.tls_reason)
                                : faults[failure]);
}

/* The connection's turn moves the bytes: it is judged first. */
static void on_event(void *self)
{
        struct tunnel *tunnel = self;
        connection_ready(tunnel->connection);
}

const struct upstream_callbacks tunnel_upstream_side = {on_ready, on_failed, on_event};

/* ---- its life ---- */

static const char *protocol_of(const struct connection *connection)
{
        if (connection->ssl)
                return "tls";
        return connection->listener->kind == LISTENER_TLS_PASSTHROUGH ? "tls-passthrough" : "tcp";
}

struct tunnel *tunnel_new(struct connection *connection, const char *protocol)
{
        struct tunnel *tunnel = NEW(struct tunnel);
        struct timespec now;
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
        tunnel->connection = connection;
        tunnel->protocol = protocol;
        tunnel->valid_until = INT64_MAX;
        tunnel->opened_ms = connection->worker->now_ms;
        tunnel->time_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
        buffer_init(&tunnel->to_backend, TUNNEL_BYTES_MAX);
        counter_add(&connection->worker->counters->streams_opened, 1);
        counter_add(&connection->worker->counters->streams_open, 1);
        return tunnel;
}

struct tunnel *tunnel_open(struct connection *connection)
{
        struct worker *worker = connection->worker;
        struct tunnel *tunnel = connection->tunnel =
                tunnel_new(connection, protocol_of(connection));
        const struct stream_route *route = NULL;
        const struct backend *backend = NULL;
        tunnel->fault =
                stream_gate_route(connection->listener, connection->client.tls_server_name, &route);
        if (!tunnel->fault) {
                tunnel->route = arena_slice(&connection->arena, route->route);
                tunnel->introduces = route->introduces;
                tunnel->fault = stream_gate_backend(worker->snapshot, route,
                                                    random_next(&worker->random_state), &backend);
        }
        if (tunnel->fault) {
                connection_end(connection, tunnel->fault);
                return NULL;
        }
        tunnel->snapshot = snapshot_ref(worker->snapshot);
        /* Never one that was kept: HTTP went over it. */
        tunnel->lease.fresh = true;
        upstream_lease(&tunnel->lease, worker->pool, backend, &tunnel_upstream_side, tunnel);
        return tunnel;
}

/* Nobody may take what was cut off for a whole: a plain peer is told by a reset, one of TLS by the
 * close_notify that it misses. */
static void break_off(struct tunnel *tunnel)
{
        const struct linger at_once = {.l_onoff = 1};
        if (tunnel->state == TUNNEL_OPEN) /* before, there was nothing to cut off */
                setsockopt(tunnel->connection->fd, SOL_SOCKET, SO_LINGER, &at_once,
                           sizeof(at_once));
        upstream_abort(&tunnel->lease);
}

void tunnel_free(struct tunnel *tunnel)
{
        if (!tunnel)
                return;
        struct worker_counters *counters = tunnel->connection->worker->counters;
        counter_sub(&counters->streams_open, 1);
        counter_add(&counters->stream_bytes_in, tunnel->up.bytes);
        counter_add(&counters->stream_bytes_out, tunnel->down.bytes);
        record_write(tunnel);
        if (tunnel->up.passed_on && tunnel->down.passed_on)
                upstream_release(&tunnel->lease, false);
        else
                break_off(tunnel);
        snapshot_unref(tunnel->snapshot);
        buffer_done(&tunnel->to_backend);
        arena_done(&tunnel->arena);
        free(tunnel);
}

void tunnel_turn(struct tunnel *tunnel)
{
        struct connection *connection = tunnel->connection;
        if (connection->broken) {
                connection_end(connection, "peer_closed");
                return;
        }
        if (tunnel->state == TUNNEL_CONNECTING) {
                connection->want_read = false;
                connection_watch(connection);
                return;
        }
        switch (tunnel_move(tunnel)) {
        case TUNNEL_IS_OVER:
                connection_end(connection, "ended");
                return;
        case TUNNEL_CLIENT_BROKE:
                connection_end(connection, "peer_closed");
                return;
        case TUNNEL_BACKEND_BROKE:
                end_for(tunnel, "backend_closed");
                return;
        case TUNNEL_GOES_ON:
                break;
        }
        /* A drain's grace is not prolonged. */
        if (tunnel->moved && connection->state == CONNECTION_SERVING)
                connection_deadline(connection, connection->worker->limits->tunnel_idle_ms);
        tunnel->moved = false;
}

void tunnel_count(const struct tunnel *tunnel, uint64_t *in, uint64_t *out)
{
        *in = tunnel->up.bytes;
        *out = tunnel->down.bytes;
}
