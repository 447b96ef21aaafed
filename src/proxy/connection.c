#include "proxy/connection.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/must.h"
#include "proxy/client.h"
#include "proxy/connection_greet.h"
#include "proxy/connection_handshake.h"
#include "proxy/connection_io.h"
#include "proxy/connection_leave.h"
#include "proxy/connection_recheck.h"
#include "proxy/connection_state.h"
#include "proxy/stream_gate.h"
#include "proxy/tunnel.h"

enum {
        IN_BYTES_SLACK = SCRATCH_BYTES,
        OUT_BYTES_MAX = 512 * 1024,
        ARENA_BYTES = 256 /* what an idle connection keeps is small, but for its certificate */
};

static const unsigned legal_moves[] = {
        [CONNECTION_GREETING] =
                BIT(CONNECTION_HANDSHAKING) | BIT(CONNECTION_SERVING) | BIT(CONNECTION_CLOSED),
        [CONNECTION_HANDSHAKING] =
                BIT(CONNECTION_SERVING) | BIT(CONNECTION_LINGERING) | BIT(CONNECTION_CLOSED),
        [CONNECTION_SERVING] =
                BIT(CONNECTION_DRAINING) | BIT(CONNECTION_LINGERING) | BIT(CONNECTION_CLOSED),
        [CONNECTION_DRAINING] = BIT(CONNECTION_LINGERING) | BIT(CONNECTION_CLOSED),
        [CONNECTION_LINGERING] = BIT(CONNECTION_CLOSED),
        [CONNECTION_CLOSED] = 0,
};

static struct counter *gauge_of(struct connection *connection, enum connection_state state)
{
        struct worker_counters *counters = connection->worker->counters;
        switch (state) {
        case CONNECTION_GREETING:
        case CONNECTION_HANDSHAKING:
                return &counters->connections_handshaking;
        case CONNECTION_SERVING:
                return &counters->connections_serving;
        case CONNECTION_DRAINING:
        case CONNECTION_LINGERING:
                return &counters->connections_draining;
        case CONNECTION_CLOSED:
                return NULL;
        }
        return NULL;
}

bool connection_may_move(enum connection_state from, enum connection_state to)
{
        return (legal_moves[from] & BIT(to)) != 0;
}

void connection_move(struct connection *connection, enum connection_state state)
{
        must(connection_may_move(connection->state, state));
        counter_sub(gauge_of(connection, connection->state), 1);
        connection->state = state;
        struct counter *gauge = gauge_of(connection, state);
        if (gauge)
                counter_add(gauge, 1);
}

bool connection_is_open(const struct connection *connection)
{
        return connection->state != CONNECTION_CLOSED;
}

void connection_ready(struct connection *connection)
{
        struct worker *worker = connection->worker;
        if (connection->is_ready || !connection_is_open(connection))
                return;
        connection->is_ready = true;
        connection->ready_next = NULL;
        *worker->ready_end = connection;
        worker->ready_end = &connection->ready_next;
}

/* Nothing knows it any more. */
static void forget(struct connection *connection)
{
        struct worker *worker = connection->worker;
        must(!deadline_is_set(&connection->deadline) && !deadline_is_set(&connection->stall));
        must(!connection->is_ready);
        address_seat_leave(connection->seat); /* who sees the end may come again */
        close(connection->fd);
        if (worker->sweep == connection)
                worker->sweep = connection->next;
        *connection->link = connection->next;
        if (connection->next)
                connection->next->link = connection->link;
        worker->connection_count--;
        arena_done(&connection->arena);
        free(connection);
}

static void on_poll_closed(uv_handle_t *handle)
{
        forget(handle->data);
}

static void ready_list_remove(struct connection *connection)
{
        struct worker *worker = connection->worker;
        for (struct connection **at = &worker->ready; *at; at = &(*at)->ready_next) {
                if (*at != connection)
                        continue;
                *at = connection->ready_next;
                if (worker->ready_end == &connection->ready_next)
                        worker->ready_end = at;
                break;
        }
        connection->is_ready = false;
}

void connection_end(struct connection *connection, const char *why)
{
        if (!connection_is_open(connection))
                return;
        if (!connection->why)
                connection->why = why;
        client_h1_free(connection->h1);
        client_h2_free(connection->h2);
        connection->h1 = NULL;
        connection->h2 = NULL;
        connection_prove_end(connection);
        if (connection->place.address.len > 0) { /* it has served: refusals have told theirs */
                connection_report_end(connection);
        }
        tunnel_free(connection->tunnel);
        connection->tunnel = NULL;
        /* Behind everything that could have set or queued it again on its way out. */
        deadline_clear(&connection->deadline);
        deadline_clear(&connection->stall);
        connection_forget_end(connection);
        if (connection->is_ready)
                ready_list_remove(connection);
        connection_move(connection, CONNECTION_CLOSED);
        SSL_free(connection->ssl);
        connection->ssl = NULL;
        chain_free(connection->chain);
        free(connection->standing);
        connection->chain = NULL;
        connection->standing = NULL;
        buffer_release(&connection->in);
        buffer_release(&connection->out);
        uv_close((uv_handle_t *)&connection->poll, on_poll_closed);
}

void connection_linger(struct connection *connection, const char *why)
{
        if (!connection->why)
                connection->why = why;
        buffer_release(&connection->in);
        connection_move(connection, CONNECTION_LINGERING);
        connection_deadline(connection, connection->worker->limits->linger_ms);
        connection_ready(connection);
}

/* An answer that was cut off by a reset is no answer (RFC 9112, 9.6): say that we are done, and
 * read what is still coming until the peer says so too. */
static void linger_turn(struct connection *connection)
{
        struct worker *worker = connection->worker;
        if (!connection_flush(connection) || connection->broken) {
                connection_end(connection, "peer_closed");
                return;
        }
        bool told = connection->out.len == 0;
        connection->want_read = told; /* else it would be woken for what it does not read yet */
        if (told && connection->ssl)
                SSL_shutdown(connection->ssl);
        if (told)
                shutdown(connection->fd, SHUT_WR);
        for (int i = 0; told && i < 4; i++) {
                ssize_t got = read(connection->fd, worker->scratch, SCRATCH_BYTES);
                if (got < 0 && (errno == EAGAIN || errno == EINTR))
                        break;
                if (got <= 0) {
                        connection_end(connection, "ended");
                        return;
                }
        }
        ERR_clear_error();
        connection_watch(connection);
}

static void serve_turn(struct connection *connection)
{
        if (connection->state == CONNECTION_LINGERING)
                linger_turn(connection);
        else if (connection->h2)
                client_h2_turn(connection->h2);
        else if (connection->h1)
                client_h1_turn(connection->h1);
        else if (connection->tunnel)
                tunnel_turn(connection->tunnel);
}

static void h2_begin(struct connection *connection)
{
        connection->client.protocol = "2";
        connection->h2 = client_h2_new(connection);
}

static void http_begin(struct connection *connection)
{
        const unsigned char *alpn = NULL;
        unsigned alpn_len = 0;
        if (connection->ssl)
                SSL_get0_alpn_selected(connection->ssl, &alpn, &alpn_len);
        connection->client.protocol = "1.1";
        if (slice_is(slice_from(alpn, alpn_len), "h2"))
                h2_begin(connection);
        else
                connection->h1 = client_h1_new(connection);
        connection_deadline(connection, connection->worker->limits->idle_ms);
}

void connection_become_h2(struct connection *connection)
{
        client_h1_free(connection->h1);
        connection->h1 = NULL;
        h2_begin(connection);
        if (connection->state == CONNECTION_SERVING)
                connection_deadline(connection, connection->worker->limits->idle_ms);
        else
                client_h2_drain(connection->h2);
        connection_ready(connection);
}

void connection_serve(struct connection *connection)
{
        if (connection->ssl)
                connection_watch_records(connection);
        connection_take_names(connection);
        connection->judged = connection->worker->snapshot->generation;
        connection_await_end(connection);
        connection_move(connection, CONNECTION_SERVING);
        if (connection->listener && listener_is_of_streams(connection->listener)) {
                if (!tunnel_open(connection))
                        return;
                connection_deadline(connection, connection->worker->limits->tunnel_idle_ms);
        } else {
                http_begin(connection);
        }
        if (connection->worker->draining)
                connection_drain(connection);
}

static void connection_turn(struct connection *connection)
{
        if (connection->state == CONNECTION_GREETING) {
                connection_greeting_turn(connection);
                return;
        }
        if (connection->state == CONNECTION_HANDSHAKING) {
                connection_handshake_turn(connection);
                return;
        }
        if (connection_is_unjudged(connection))
                connection_recheck(connection);
        if (connection_is_open(connection))
                serve_turn(connection);
}

static void on_poll(uv_poll_t *handle, int status, int events);

static void poll_set(struct connection *connection, int events)
{
        connection->poll_events = events;
        if (events)
                uv_poll_start(&connection->poll, events, on_poll);
        else
                uv_poll_stop(&connection->poll);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
        struct connection *connection = handle->data;
        if (status < 0) {
                connection->poll_events = 0;
                connection->broken = true;
        } else if (events == UV_READABLE && !connection->want_read &&
                   connection->state != CONNECTION_HANDSHAKING) {
                poll_set(connection, connection->poll_events & ~UV_READABLE);
                return;
        }
        connection_turn(connection);
}

static void on_deadline(struct deadline *deadline)
{
        struct connection *connection = CONTAINER_OF(deadline, struct connection, deadline);
        switch (connection->state) {
        case CONNECTION_GREETING:
        case CONNECTION_HANDSHAKING:
                connection_abort(connection, REASON_TIMEOUT);
                return;
        case CONNECTION_SERVING:
                connection_end(connection, "idle_timeout");
                return;
        case CONNECTION_DRAINING:
                if (connection->ends_ms) {
                        connection_leave(connection);
                        return;
                }
                connection_end(connection, connection->why ? connection->why : "drained");
                return;
        case CONNECTION_LINGERING:
                connection_end(connection, "ended");
                return;
        case CONNECTION_CLOSED:
                return;
        }
}

void connection_deadline(struct connection *connection, uint64_t in_ms)
{
        deadline_set(&connection->worker->wheel, &connection->deadline,
                     connection->worker->now_ms + in_ms + 1, on_deadline);
}

void connection_deadline_extend(struct connection *connection, uint64_t in_ms)
{
        if (connection->worker->now_ms + in_ms + 1 > connection->deadline.at_ms)
                connection_deadline(connection, in_ms);
}

struct exchange_start connection_exchange(struct connection *connection)
{
        connection->requests++;
        return (struct exchange_start){
                .env = &connection->worker->env,
                .client = &connection->client,
                .self = connection,
                .snapshot = connection->worker->snapshot,
                .port = connection->port,
                .listener = connection->listener,
        };
}

static struct connection *connection_new(struct worker *worker, size_t port_index, int fd,
                                         const struct event_address *peer)
{
        struct connection *connection = NEW(struct connection);
        connection->worker = worker;
        connection->fd = fd;
        connection->id = ++worker->next_connection;
        connection->opened_ms = worker->now_ms;
        connection->peer = *peer;
        connection->port_index = port_index;
        connection->port = &worker->snapshot->ports[port_index];
        connection->want_read = true;
        arena_init(&connection->arena, ARENA_BYTES);
        buffer_init(&connection->in, worker->limits->head_bytes + IN_BYTES_SLACK);
        buffer_init(&connection->out, OUT_BYTES_MAX);
        connection->client = (struct exchange_client){
                .peer = connection->peer, .connection = connection->id, .scheme = SLICE("http")};
        connection->link = &worker->connections;
        connection->next = worker->connections;
        if (connection->next)
                connection->next->link = &connection->next;
        worker->connections = connection;
        worker->connection_count++;
        counter_add(&worker->counters->connections_opened, 1);
        counter_add(&worker->counters->connections_handshaking, 1);
        return connection;
}

void connection_open(struct worker *worker, size_t port_index, int fd, const struct sockaddr *peer)
{
        struct event_address from = event_address_of(peer);
        struct address_seat *seat = NULL;
        if (!connection_seat_first(worker, &worker->snapshot->ports[port_index], &from, &seat)) {
                close(fd); /* and nobody makes room for it */
                return;
        }
        connections_make_room(worker);
        struct connection *connection = connection_new(worker, port_index, fd, &from);
        connection->seat = seat;
        if (uv_poll_init(&worker->loop, &connection->poll, fd) != 0) {
                /* The kernel has no room to watch one more: this client goes, the process stays. */
                connection_move(connection, CONNECTION_CLOSED);
                counter_add(&worker->counters->limit_refusals, 1);
                forget(connection);
                return;
        }
        connection->poll.data = connection;
        connection_greet(connection);
        if (!connection_is_open(connection)) /* there is nowhere for its bytes to go */
                return;
        uv_poll_start(&connection->poll, UV_READABLE, on_poll);
        connection->poll_events = UV_READABLE;
        /* The first bytes are often there already. */
        connection_ready(connection);
}

static void on_stalled(struct deadline *deadline)
{
        connection_end(CONTAINER_OF(deadline, struct connection, stall), "stalled");
}

/* Who asks for much and reads nothing holds an exchange and a backend: not for long. */
static void watch_stall(struct connection *connection)
{
        struct worker *worker = connection->worker;
        if (connection->tunnel) /* who says nothing may also wait to listen: its idle time tells */
                return;
        if (connection->out.len == 0)
                deadline_clear(&connection->stall);
        else if (connection->progressed || !deadline_is_set(&connection->stall))
                deadline_set(&worker->wheel, &connection->stall,
                             worker->now_ms + worker->limits->body_progress_ms, on_stalled);
        connection->progressed = false;
}

/* Polling for reading when nothing is to be read costs nothing until something comes, and a change
 * costs system calls: it is given up only once there was something (on_poll). */
void connection_watch(struct connection *connection)
{
        if (!connection_is_open(connection))
                return;
        watch_stall(connection);
        int events = connection->want_read ? UV_READABLE : 0;
        if (connection->out.len > 0 || connection->want_write ||
            (connection->state == CONNECTION_HANDSHAKING && !connection->want_read))
                events |= UV_WRITABLE;
        bool writes_alike = ((events ^ connection->poll_events) & UV_WRITABLE) == 0;
        if (writes_alike && (connection->poll_events & events) == events)
                return;
        poll_set(connection, events);
}

void connections_turn(struct worker *worker)
{
        /* Those that ask again meanwhile wait for the next turn. */
        struct connection *ready = worker->ready;
        worker->ready = NULL;
        worker->ready_end = &worker->ready;
        while (ready) {
                struct connection *connection = ready;
                ready = connection->ready_next;
                connection->is_ready = false;
                connection_turn(connection);
        }
}
