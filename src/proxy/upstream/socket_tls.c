#include "proxy/upstream/socket_tls.h"

#include <limits.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "proxy/upstream/socket.h"

const char *upstream_tls_fault(enum reason reason)
{
        static const char *const faults[REASON_COUNT] = {
#define REASON(name, token, alert, says) [REASON_##name] = "backend_" token,
#include "base/reason.def"
#undef REASON
        };
        return reason == REASON_PORT_NOT_USABLE ? "backend_tls_unusable" : faults[reason];
}

/* One, so that what is spoken is known before the backend is; of bytes nothing is said. */
static struct slice alpn_of(enum backend_protocol protocol)
{
        switch (protocol) {
        case BACKEND_HTTP:
                return SLICE("\x08http/1.1");
        case BACKEND_HTTP2:
                return SLICE("\x02h2");
        case BACKEND_TCP:
                break;
        }
        return SLICE_NONE;
}

struct socket_tls *socket_tls_open(const struct upstream_lease *lease, int fd)
{
        const struct upstream_options *options = &lease->pool->options;
        const struct backend_offer offer = {
                .worker = options->worker,
                .alpn = alpn_of(lease->backend->protocol),
                .fd = fd,
        };
        struct socket_tls *tls = NEW(struct socket_tls);
        tls->handshake = NEW(struct backend_handshake);
        tls->handshake->cache = options->path_cache;
        tls->ssl = tls_backend_connect(lease->backend->tls, &offer, tls->handshake);
        if (tls->ssl)
                return tls;
        free(tls->handshake);
        free(tls);
        return NULL;
}

void socket_tls_close(struct socket_tls *tls)
{
        if (!tls)
                return;
        if (!tls->handshake && !tls->broken)
                SSL_shutdown(tls->ssl);
        ERR_clear_error();
        SSL_free(tls->ssl);
        free(tls->handshake);
        free(tls);
}

/* ---- the handshake ---- */

static bool chose_h2(const SSL *ssl)
{
        const unsigned char *chosen;
        unsigned len;
        SSL_get0_alpn_selected(ssl, &chosen, &len);
        return slice_is(slice_from(chosen, len), "h2");
}

static enum tls_step finish(struct socket_tls *tls, enum reason *reason)
{
        if (!tls_backend_finish(tls->ssl, tls->handshake)) {
                *reason = REASON_INTERNAL;
                return TLS_STEP_FAILED;
        }
        tls->valid_until = tls->handshake->verdict.valid_until;
        tls->h2 = chose_h2(tls->ssl);
        free(tls->handshake);
        tls->handshake = NULL;
        return TLS_STEP_DONE;
}

enum tls_step socket_tls_handshake(struct socket_tls *tls, enum reason *reason)
{
        ERR_clear_error();
        int done = SSL_connect(tls->ssl);
        if (done == 1)
                return finish(tls, reason);
        switch (SSL_get_error(tls->ssl, done)) {
        case SSL_ERROR_WANT_READ:
                return TLS_STEP_READ;
        case SSL_ERROR_WANT_WRITE:
                return TLS_STEP_WRITE;
        default:
                tls->alpn_refused = ERR_GET_REASON(ERR_peek_error()) ==
                                    SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL;
                *reason = tls_backend_failure(tls->handshake);
                return TLS_STEP_FAILED;
        }
}

/* ---- bytes ---- */

static ssize_t failed(struct socket_tls *tls, int result)
{
        switch (SSL_get_error(tls->ssl, result)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
                return UPSTREAM_LATER;
        case SSL_ERROR_ZERO_RETURN:
                return 0;
        default:
                ERR_clear_error();
                tls->broken = true;
                return UPSTREAM_BROKEN;
        }
}

static int clip(size_t len)
{
        return len > INT_MAX ? INT_MAX : (int)len;
}

ssize_t socket_tls_send(struct socket_tls *tls, struct slice bytes)
{
        if (bytes.len == 0)
                return 0;
        ERR_clear_error();
        int n = SSL_write(tls->ssl, bytes.data, clip(bytes.len));
        if (n > 0)
                return n;
        ssize_t result = failed(tls, n);
        return result == 0 ? UPSTREAM_BROKEN : result;
}

ssize_t socket_tls_receive(struct socket_tls *tls, char *into, size_t room)
{
        ERR_clear_error();
        int n = SSL_read(tls->ssl, into, clip(room));
        tls->drained = n <= 0;
        tls->blocked = n <= 0 && SSL_get_error(tls->ssl, n) == SSL_ERROR_WANT_WRITE;
        return n > 0 ? n : failed(tls, n);
}

bool socket_tls_end(struct socket_tls *tls)
{
        ERR_clear_error();
        int status = SSL_shutdown(tls->ssl);
        int error = status < 0 ? SSL_get_error(tls->ssl, status) : SSL_ERROR_NONE;
        ERR_clear_error();
        return error != SSL_ERROR_WANT_WRITE;
}

bool socket_tls_has_input(const struct socket_tls *tls)
{
        return !tls->drained && SSL_has_pending(tls->ssl);
}

bool socket_tls_is_trusted(const struct socket_tls *tls)
{
        return !tls->broken && SSL_get_shutdown(tls->ssl) == 0 &&
               (int64_t)time(NULL) < tls->valid_until;
}

bool socket_tls_is_reusable(const struct socket_tls *tls)
{
        return socket_tls_is_trusted(tls) && !SSL_has_pending(tls->ssl);
}
