#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/connection_io.h"
#include "proxy/connection_state.h"

/* Records without a byte of HTTP: KeyUpdate, and in TLS 1.2 renegotiation, which is refused by a
 * warning. OpenSSL handles as many as are there inside one SSL_read: 30,000 a second kept others
 * waiting. Nobody needs many between two requests, a key lasts 2^24 records (RFC 8446, 5.5);
 * BoringSSL gives up at 32 as well. */
enum {
        BARREN_RECORDS_MAX = 32
};

static bool is_barren(const struct connection *connection)
{
        return connection->barren_records > BARREN_RECORDS_MAX;
}

/* SSL_read stops by nothing else than what it takes for the peer's end. */
static void on_record(int written, int version, int type, const void *bytes, size_t len, SSL *ssl,
                      void *self)
{
        struct connection *connection = self;
        (void)version;
        (void)bytes;
        (void)len;
        if (written || type != SSL3_RT_HEADER)
                return;
        connection->barren_records++;
        if (is_barren(connection))
                SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_RECEIVED_SHUTDOWN);
}

void connection_watch_records(struct connection *connection)
{
        SSL_set_msg_callback(connection->ssl, on_record);
        SSL_set_msg_callback_arg(connection->ssl, connection);
}

static long read_tls(struct connection *connection, char *into, size_t room)
{
        size_t got = 0;
        ERR_clear_error();
        int status = SSL_read_ex(connection->ssl, into, room, &got);
        if (status == 1) {
                connection->barren_records = 0;
                return (long)got;
        }
        int error = SSL_get_error(connection->ssl, status);
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
                return IO_MORE;
        ERR_clear_error();
        if (is_barren(connection)) {
                connection->why = "barren_records";
                counter_add(&connection->worker->counters->limit_refusals, 1);
                return IO_BROKEN;
        }
        return error == SSL_ERROR_ZERO_RETURN ? IO_CLOSED : IO_BROKEN;
}

long connection_read(struct connection *connection, char *into, size_t room)
{
        if (connection->ssl)
                return read_tls(connection, into, room);
        ssize_t got = recv(connection->fd, into, room, 0);
        if (got != 0)
                return got > 0 ? got : errno == EAGAIN || errno == EINTR ? IO_MORE : IO_BROKEN;
        return IO_CLOSED;
}

bool connection_has_input(struct connection *connection)
{
        char byte;
        if (connection->ssl && SSL_has_pending(connection->ssl))
                return true;
        ssize_t got = recv(connection->fd, &byte, 1, MSG_PEEK);
        return got >= 0 || (errno != EAGAIN && errno != EINTR);
}

/* How many of the bytes the peer took; IO_. */
static long write_some(struct connection *connection, struct slice bytes)
{
        if (!connection->ssl) {
                ssize_t sent = send(connection->fd, bytes.data, bytes.len, MSG_NOSIGNAL);
                if (sent >= 0)
                        return sent;
                return errno == EAGAIN || errno == EINTR ? IO_MORE : IO_CLOSED;
        }
        size_t sent = 0;
        ERR_clear_error();
        int status = SSL_write_ex(connection->ssl, bytes.data, bytes.len, &sent);
        if (status == 1)
                return (long)sent;
        int error = SSL_get_error(connection->ssl, status);
        ERR_clear_error();
        return error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ ? IO_MORE : IO_CLOSED;
}

/* The part of bytes that was taken; all of it unless the peer is slow. False: broken. */
static bool write_all(struct connection *connection, struct slice *bytes)
{
        while (bytes->len > 0) {
                long sent = write_some(connection, *bytes);
                if (sent == IO_CLOSED) {
                        connection->broken = true;
                        return false;
                }
                if (sent == IO_MORE)
                        return true;
                *bytes = slice_skip(*bytes, (size_t)sent);
                connection->progressed = true;
        }
        return true;
}

bool connection_flush(struct connection *connection)
{
        struct slice waiting = buffer_slice(&connection->out);
        size_t before = waiting.len;
        if (!write_all(connection, &waiting))
                return false;
        buffer_consume(&connection->out, before - waiting.len);
        if (connection->out.len == 0)
                buffer_release(&connection->out);
        return true;
}

bool connection_write(struct connection *connection, struct slice bytes)
{
        if (connection->out.len == 0 && !write_all(connection, &bytes))
                return false;
        if (!buffer_append(&connection->out, bytes)) {
                connection->broken = true;
                return false;
        }
        return true;
}

bool connection_say_end(struct connection *connection)
{
        if (connection->ssl) {
                ERR_clear_error();
                int status = SSL_shutdown(connection->ssl);
                int error = status < 0 ? SSL_get_error(connection->ssl, status) : SSL_ERROR_NONE;
                ERR_clear_error();
                if (error == SSL_ERROR_WANT_WRITE)
                        return false;
        }
        shutdown(connection->fd, SHUT_WR);
        return true;
}
