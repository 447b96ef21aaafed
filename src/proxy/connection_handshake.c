#include "proxy/connection_handshake.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "proxy/connection_greet.h"
#include "proxy/connection_io.h"
#include "proxy/handshake/hello_bio.h"

/* ---- the unproven, by age ---- */

static void unproven_remove(struct connection *connection)
{
        struct worker *worker = connection->worker;
        if (connection->handshake_former)
                connection->handshake_former->handshake_next = connection->handshake_next;
        else
                worker->oldest_handshake = connection->handshake_next;
        if (connection->handshake_next)
                connection->handshake_next->handshake_former = connection->handshake_former;
        else
                worker->newest_handshake = connection->handshake_former;
        connection->handshake_next = connection->handshake_former = NULL;
        worker->handshake_count--;
}

static void unproven_add(struct connection *connection)
{
        struct worker *worker = connection->worker;
        connection->handshake_former = worker->newest_handshake;
        if (worker->newest_handshake)
                worker->newest_handshake->handshake_next = connection;
        else
                worker->oldest_handshake = connection;
        worker->newest_handshake = connection;
        worker->handshake_count++;
}

static bool is_unproven(const struct connection *connection)
{
        return connection->handshake_former || connection->handshake_next ||
               connection->worker->oldest_handshake == connection;
}

void connection_prove(struct connection *connection)
{
        if (!is_unproven(connection))
                unproven_add(connection);
}

void connection_prove_end(struct connection *connection)
{
        if (is_unproven(connection))
                unproven_remove(connection);
        if (!connection->handshake)
                return;
        handshake_done(connection->handshake);
        free(connection->handshake);
        connection->handshake = NULL;
}

void connections_make_room(struct worker *worker)
{
        if (worker->handshake_count >= worker->limits->handshakes)
                connection_abort(worker->oldest_handshake, REASON_OVER_CAPACITY);
}

/* ---- TLS ---- */

/* An alert that a reset overtakes tells the client nothing: where one was sent, linger. */
static void refuse(struct connection *connection, enum reason reason)
{
        if (reason_alert(reason) == 0) {
                connection_end(connection, "refused");
                return;
        }
        SSL_free(connection->ssl);
        connection->ssl = NULL;
        connection_linger(connection, "refused");
}

/* Decided: one event, whatever the answer (I44). */
static void handshake_end(struct connection *connection, enum reason reason, bool admitted)
{
        struct worker *worker = connection->worker;
        struct handshake *handshake = connection->handshake;
        struct handshake_outcome outcome = {reason, admitted, worker->strict_audit};
        if (!handshake_report(handshake, connection->ssl, worker->sink, &outcome)) {
                /* Who can't be recorded does not come in. */
                admitted = false;
                reason = REASON_AUDIT_FULL;
                outcome = (struct handshake_outcome){.reason = reason};
                handshake_report(handshake, connection->ssl, worker->sink, &outcome);
        }
        if (admitted)
                connection_take_evidence(connection);
        connection_prove_end(connection);
        if (!admitted) {
                refuse(connection, reason);
                return;
        }
        connection_serve(connection);
        connection_ready(connection);
}

void connection_abort(struct connection *connection, enum reason reason)
{
        if (connection->handshake)
                handshake_end(connection, reason, false);
        else
                connection_greeting_refuse(connection, reason_token(reason));
}

static enum reason completed_reason(const struct handshake *handshake)
{
        if (handshake->verdict)
                return handshake->verdict->reason;
        return REASON_NO_CLIENT_AUTH;
}

void connection_handshake_turn(struct connection *connection)
{
        struct worker *worker = connection->worker;
        struct handshake *handshake = connection->handshake;
        if (worker->handshake_steps == 0) {
                connection_ready(connection); /* one storm does not starve open connections */
                return;
        }
        worker->handshake_steps--;
        ERR_clear_error();
        int status = SSL_do_handshake(connection->ssl);
        if (status == 1) {
                bool admitted = handshake_complete(handshake, connection->ssl, worker->snapshot,
                                                   (int64_t)time(NULL));
                enum reason reason =
                        admitted ? completed_reason(handshake) : handshake_failure(handshake);
                if (!admitted)
                        SSL_shutdown(connection->ssl);
                handshake_end(connection, reason, admitted);
                return;
        }
        int error = SSL_get_error(connection->ssl, status);
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
                connection->want_read = error == SSL_ERROR_WANT_READ;
                connection_watch(connection);
                return;
        }
        bool closed = error == SSL_ERROR_SYSCALL || error == SSL_ERROR_ZERO_RETURN;
        enum reason reason = handshake_failure(handshake);
        if (closed && reason == REASON_HANDSHAKE_FAILED)
                reason = REASON_PEER_CLOSED;
        handshake_end(connection, reason, false);
}

/* What was read before is read by OpenSSL first, so that both see the same ClientHello (I19). */
static bool bytes_join(struct connection *connection)
{
        if (connection->in.len == 0)
                return SSL_set_fd(connection->ssl, connection->fd) == 1;
        return hello_bio_set(connection->ssl, connection->fd, &connection->in);
}

static bool tls_begin(struct connection *connection)
{
        struct worker *worker = connection->worker;
        struct handshake *handshake = connection->handshake = NEW(struct handshake);
        handshake->worker = worker->index;
        handshake->cache = worker->cache;
        handshake->peer = connection->peer;
        handshake->connection = connection->id;
        if (connection->port->passes_through)
                handshake->peeked = &connection->client.tls_server_name;
        connection->client.scheme = SLICE("https");
        connection->ssl =
                SSL_new(tls_context_find(worker->snapshot, worker->index, connection->port_index));
        if (!connection->ssl || !bytes_join(connection))
                return false;
        SSL_set_accept_state(connection->ssl);
        if (!handshake_begin(handshake, connection->ssl, worker->snapshot, connection->port_index))
                return false;
        counter_add(&worker->counters->handshakes_started, 1);
        return true;
}

void connection_tls_begin(struct connection *connection)
{
        connection_prove(connection);
        connection_move(connection, CONNECTION_HANDSHAKING);
        if (!deadline_is_set(&connection->deadline)) /* one for all until it is proven (I34) */
                connection_deadline(connection, connection->worker->limits->handshake_ms);
        if (tls_begin(connection))
                return;
        ERR_clear_error();
        connection_end(connection, "internal_error");
}
