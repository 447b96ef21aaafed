/* How a tunnel's bytes move: each turn as much as both sides take, a bounded number of reads, so
 * that one fast pair does not starve the others of its worker. */
#include "base/must.h"
#include "proxy/connection_io.h"
#include "proxy/tunnel_state.h"

enum {
        READS_A_TURN = 4,
};

/* ---- to the backend ---- */

/* What waits goes first. False: it broke. */
static bool send_waiting(struct tunnel *tunnel)
{
        struct buffer *waiting = &tunnel->to_backend;
        while (waiting->len > 0) {
                ssize_t sent = upstream_send(&tunnel->lease, buffer_slice(waiting));
                if (sent == UPSTREAM_LATER)
                        return true;
                if (sent < 0)
                        return false;
                buffer_consume(waiting, (size_t)sent);
                tunnel->moved = true;
        }
        buffer_release(waiting);
        return true;
}

static bool send_on(struct tunnel *tunnel, struct slice bytes)
{
        tunnel->up.bytes += bytes.len;
        tunnel->moved = true;
        while (bytes.len > 0 && tunnel->to_backend.len == 0) {
                ssize_t sent = upstream_send(&tunnel->lease, bytes);
                if (sent == UPSTREAM_LATER)
                        break;
                if (sent < 0)
                        return false;
                bytes = slice_skip(bytes, (size_t)sent);
        }
        must(buffer_append(&tunnel->to_backend, bytes)); /* no more was read than has room */
        return true;
}

/* What came before the tunnel was one. */
static bool send_first(struct tunnel *tunnel)
{
        struct buffer *in = &tunnel->connection->in;
        size_t room = TUNNEL_BYTES_MAX - tunnel->to_backend.len;
        struct slice bytes = slice_sub(buffer_slice(in), 0, room);
        if (bytes.len == 0)
                return true;
        if (!send_on(tunnel, bytes))
                return false;
        buffer_consume(in, bytes.len);
        if (in->len == 0)
                buffer_release(in);
        return true;
}

static bool up_has_room(const struct tunnel *tunnel)
{
        return tunnel->to_backend.len < TUNNEL_BYTES_MAX && tunnel->connection->in.len == 0;
}

static enum tunnel_progress move_up(struct tunnel *tunnel)
{
        struct connection *connection = tunnel->connection;
        struct tunnel_way *up = &tunnel->up;
        char *scratch = connection->worker->scratch;
        if (!send_waiting(tunnel) || !send_first(tunnel))
                return TUNNEL_BACKEND_BROKE;
        for (int i = 0; i < READS_A_TURN && !up->ended && up_has_room(tunnel); i++) {
                size_t room = TUNNEL_BYTES_MAX - tunnel->to_backend.len;
                long got = connection_read(connection, scratch, room);
                if (got == IO_MORE)
                        return TUNNEL_GOES_ON;
                if (got == IO_BROKEN)
                        return TUNNEL_CLIENT_BROKE;
                if (got == IO_CLOSED)
                        up->ended = true;
                else if (!send_on(tunnel, slice_from(scratch, (size_t)got)))
                        return TUNNEL_BACKEND_BROKE;
        }
        /* The turn's reads are spent, and poll does not fire for what TLS holds. */
        if (!up->ended && up_has_room(tunnel))
                connection_ready(connection);
        return TUNNEL_GOES_ON;
}

/* ---- to the client ---- */

static enum tunnel_progress move_down(struct tunnel *tunnel)
{
        struct connection *connection = tunnel->connection;
        struct tunnel_way *down = &tunnel->down;
        char *scratch = connection->worker->scratch;
        if (!connection_flush(connection))
                return TUNNEL_CLIENT_BROKE;
        for (int i = 0; !down->ended && connection->out.len < TUNNEL_BYTES_MAX; i++) {
                if (i == READS_A_TURN) {
                        connection_ready(connection);
                        break;
                }
                size_t room = TUNNEL_BYTES_MAX - connection->out.len;
                ssize_t got = upstream_receive(&tunnel->lease, scratch, room);
                if (got == UPSTREAM_LATER)
                        break;
                if (got == UPSTREAM_BROKEN)
                        return TUNNEL_BACKEND_BROKE;
                if (got == 0) {
                        down->ended = true;
                        break;
                }
                down->bytes += (uint64_t)got;
                tunnel->moved = true;
                if (!connection_write(connection, slice_from(scratch, (size_t)got)))
                        return TUNNEL_CLIENT_BROKE;
        }
        tunnel->moved |= connection->progressed;
        connection->progressed = false;
        return TUNNEL_GOES_ON;
}

/* ---- both ---- */

static void pass_on_ends(struct tunnel *tunnel)
{
        struct connection *connection = tunnel->connection;
        struct tunnel_way *up = &tunnel->up, *down = &tunnel->down;
        if (up->ended && !up->passed_on && tunnel->to_backend.len == 0)
                up->passed_on = upstream_end(&tunnel->lease);
        if (down->ended && !down->passed_on && connection->out.len == 0)
                down->passed_on = connection_say_end(connection);
}

static void watch(struct tunnel *tunnel)
{
        struct connection *connection = tunnel->connection;
        const struct tunnel_way *up = &tunnel->up, *down = &tunnel->down;
        connection->want_read = !up->ended && up_has_room(tunnel);
        connection->want_write = down->ended && !down->passed_on;
        connection_watch(connection);
        bool write = tunnel->to_backend.len > 0 || connection->in.len > 0 ||
                     (up->ended && !up->passed_on);
        upstream_want(&tunnel->lease, !down->ended && connection->out.len < TUNNEL_BYTES_MAX,
                      write);
}

enum tunnel_progress tunnel_move(struct tunnel *tunnel)
{
        enum tunnel_progress progress = move_up(tunnel);
        if (progress == TUNNEL_GOES_ON)
                progress = move_down(tunnel);
        if (progress != TUNNEL_GOES_ON)
                return progress;
        pass_on_ends(tunnel);
        if (tunnel->up.passed_on && tunnel->down.passed_on)
                return TUNNEL_IS_OVER;
        watch(tunnel);
        return TUNNEL_GOES_ON;
}
