#include "proxy/connection_greet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "proxy/connection_handshake.h"
#include "proxy/handshake/client_hello.h"
#include "proxy/proxy_header.h"

enum {
        GREETING_BYTES_MAX = PROXY_HEADER_BYTES_MAX + CLIENT_HELLO_BYTES_MAX,
        READ_BYTES = 4096,
};

static bool range_has(const struct address_range *range, const struct event_address *address)
{
        size_t whole = range->bits / 8U, rest = range->bits % 8U;
        if (range->family != address->family || memcmp(range->bytes, address->bytes, whole) != 0)
                return false;
        unsigned mask = (0xff00U >> rest) & 0xffU;
        return rest == 0 || ((range->bytes[whole] ^ address->bytes[whole]) & mask) == 0;
}

static bool port_believes(const struct port *port, const struct event_address *from)
{
        for (size_t i = 0; i < port->proxy_count; i++)
                if (range_has(&port->proxies[i], from))
                        return true;
        return false;
}

static bool awaits_header(const struct connection *connection)
{
        return !connection->introduced && port_believes(connection->port, &connection->peer);
}

static bool awaits_hello(const struct connection *connection)
{
        return connection->port->protocol == PORT_TLS && connection->port->passes_through;
}

/* Nothing more is to be found out. */
static void begin(struct connection *connection)
{
        connection->place = (struct place){0}; /* it gets the one that it is served in */
        if (connection->port->protocol == PORT_TLS && !connection->listener) {
                connection_tls_begin(connection);
                return;
        }
        if (connection->port->protocol == PORT_TCP)
                connection->listener = connection->port->listeners;
        connection_prove_end(connection);
        connection_serve(connection);
}

void connection_greet(struct connection *connection)
{
        struct worker *worker = connection->worker;
        if (!awaits_header(connection) && !awaits_hello(connection)) {
                begin(connection);
                return;
        }
        connection_prove(connection);
        connection_take_names(connection); /* it may outlive this generation */
        connection->judged = worker->snapshot->generation;
        connection_deadline(connection, worker->limits->handshake_ms);
}

/* It has not served, and is told of no more. */
static void end_unreported(struct connection *connection, const char *why)
{
        connection->place = (struct place){0};
        connection_end(connection, why);
}

void connection_greeting_refuse(struct connection *connection, const char *fault)
{
        struct worker *worker = connection->worker;
        struct stream_facts facts = {
                .fault = slice_of(fault),
                .client = connection->peer,
                .gateway = connection->place.port_gateway,
                .sni = connection->client.tls_server_name,
                .generation = worker->snapshot->generation,
                .connection = connection->id,
                .duration_us = (worker->now_ms - connection->opened_ms) * 1000,
        };
        event_stream(worker->sink, &facts);
        counter_add(&worker->counters->streams_refused, 1);
        end_unreported(connection, fault);
}

/* ---- one address, so many connections ---- */

static bool seat_take(struct worker *worker, const struct port *port,
                      const struct event_address *from, struct address_seat **seat)
{
        if (address_counts_enter(worker->addresses, from, seat))
                return true;
        struct refused_facts facts = {
                .reason = REASON_ADDRESS_OVER_CAPACITY,
                .peer = *from,
                .gateway = port->gateway,
                .generation = worker->snapshot->generation,
        };
        event_connection_refused(worker->sink, &facts);
        counter_add(&worker->counters->limit_refusals, 1);
        return false;
}

bool connection_seat_first(struct worker *worker, const struct port *port,
                           const struct event_address *from, struct address_seat **seat)
{
        return port_believes(port, from) || seat_take(worker, port, from, seat);
}

/* False: it has ended. */
static bool seat_keep(struct connection *connection)
{
        if (connection->seat ||
            seat_take(connection->worker, connection->port, &connection->peer, &connection->seat))
                return true;
        end_unreported(connection, "refused");
        return false;
}

/* ---- the PROXY header ---- */

static void introduce(struct connection *connection, const struct proxy_header *header)
{
        connection->introduced = true;
        address_seat_leave(connection->seat); /* the load balancer's own is not its client's */
        connection->seat = NULL;
        buffer_consume(&connection->in, header->len);
        if (connection->in.len == 0)
                buffer_release(&connection->in);
        if (header->from.family == 0) /* a check of its health, or nothing to say */
                return;
        connection->peer = connection->client.peer = header->from;
        connection->local = header->to;
}

/* False: it is not there yet, or will never be. */
static bool header_look(struct connection *connection)
{
        struct proxy_header header;
        switch (proxy_header_read(buffer_slice(&connection->in), &header)) {
        case PROXY_HEADER_MORE:
                connection_watch(connection);
                return false;
        case PROXY_HEADER_BAD:
                connection_greeting_refuse(connection, "proxy_header_malformed");
                return false;
        case PROXY_HEADER_DONE:
                introduce(connection, &header);
                return header.from.family == 0 || seat_keep(connection);
        }
        return false;
}

/* ---- the ClientHello ---- */

static void hello_take(struct connection *connection, const struct server_name *name)
{
        connection->client.tls_server_name =
                arena_slice(&connection->arena, slice_from(name->bytes, name->len));
        const struct listener *listener =
                host_table_find(connection->port->hosts, connection->client.tls_server_name);
        if (!listener) {
                connection_greeting_refuse(connection, "unknown_sni");
                return;
        }
        if (listener->kind == LISTENER_TLS_PASSTHROUGH)
                connection->listener = listener;
        begin(connection);
}

static void hello_look(struct connection *connection)
{
        struct server_name name;
        switch (client_hello_read(buffer_slice(&connection->in), &name)) {
        case CLIENT_HELLO_MORE:
                connection_watch(connection);
                return;
        case CLIENT_HELLO_BAD:
                connection_greeting_refuse(connection, "client_hello_malformed");
                return;
        case CLIENT_HELLO_DONE:
                hello_take(connection, &name);
                return;
        }
}

/* ---- bytes ---- */

enum came {
        CAME_MORE,
        CAME_END, /* the peer says no more, and may still listen */
        CAME_BROKEN,
};

static enum came read_on(struct connection *connection)
{
        struct buffer *in = &connection->in;
        while (in->len < GREETING_BYTES_MAX) {
                size_t room = GREETING_BYTES_MAX - in->len;
                room = room < READ_BYTES ? room : READ_BYTES;
                ssize_t got = recv(connection->fd, buffer_reserve(in, room), room, 0);
                if (got < 0 && (errno == EAGAIN || errno == EINTR))
                        return CAME_MORE;
                if (got <= 0)
                        return got < 0 ? CAME_BROKEN : CAME_END;
                in->len += (size_t)got;
        }
        return CAME_MORE;
}

/* The generation that it came in by may be gone: the one that serves now decides. */
static bool rebind(struct connection *connection)
{
        struct worker *worker = connection->worker;
        if (connection->judged != worker->snapshot->generation) {
                if (!port_find(worker->snapshot, &connection->place, &connection->port_index))
                        return false;
                connection->judged = worker->snapshot->generation;
        }
        connection->port = &worker->snapshot->ports[connection->port_index];
        return true;
}

static void look(struct connection *connection)
{
        if (!rebind(connection)) {
                connection_greeting_refuse(connection, "listener_removed");
                return;
        }
        bool goes_on =
                connection->introduced ||
                (awaits_header(connection) ? header_look(connection) : seat_keep(connection));
        if (!goes_on)
                return;
        if (awaits_hello(connection))
                hello_look(connection);
        else
                begin(connection);
        connection_ready(connection); /* what it has become may have something to do */
}

void connection_greeting_turn(struct connection *connection)
{
        enum came came = connection->broken ? CAME_BROKEN : read_on(connection);
        if (came != CAME_BROKEN)
                look(connection);
        if (came == CAME_MORE || connection->state != CONNECTION_GREETING)
                return;
        if (connection->in.len == 0 && awaits_header(connection))
                end_unreported(connection, "peer_closed"); /* how a load balancer looks for life */
        else
                connection_greeting_refuse(connection, "client_gone");
}
