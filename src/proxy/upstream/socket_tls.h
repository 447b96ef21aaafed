/* TLS on one connection to a backend, as its BackendTLSPolicy says. Private to proxy/upstream. The
 * handshake has the same deadline as connecting; whom it does not verify gets no byte of a request.
 * OpenSSL may hold bytes that poll() knows nothing of: see socket_tls_has_input. */
#pragma once

#include <openssl/ssl.h>

#include "proxy/upstream/bytes.h"
#include "tls/backend.h"

struct socket_tls {
        SSL *ssl;
        struct backend_handshake *handshake; /* until it is over; then NULL */
        int64_t valid_until; /* Unix seconds: a certificate or CRL of its path ends */
        bool h2;             /* what ALPN chose */
        bool alpn_refused;   /* the handshake failed as the peer speaks nothing that was offered */
        bool drained;        /* the last reading found nothing whole */
        bool blocked;        /* OpenSSL has to write before it can go on reading */
        bool broken;         /* nothing can be said any more, not even farewell */
};

/* On a connected fd. NULL: the machine said no. */
struct socket_tls *socket_tls_open(const struct upstream_lease *lease, int fd);
/* Says farewell if there is time for it. NULL is fine. */
void socket_tls_close(struct socket_tls *tls);

enum tls_step {
        TLS_STEP_DONE,
        TLS_STEP_READ,  /* go on when there is something to read… */
        TLS_STEP_WRITE, /* …or room to write */
        TLS_STEP_FAILED,
};
/* *reason: why it failed. */
enum tls_step socket_tls_handshake(struct socket_tls *tls, enum reason *reason);

/* As upstream_send and upstream_receive. */
ssize_t socket_tls_send(struct socket_tls *tls, struct slice bytes);
ssize_t socket_tls_receive(struct socket_tls *tls, char *into, size_t room);
/* That no more comes from us. False: not yet. */
bool socket_tls_end(struct socket_tls *tls);
/* Reading would give something without another byte from the network. */
bool socket_tls_has_input(const struct socket_tls *tls);
/* What vouched for the peer still does. */
bool socket_tls_is_trusted(const struct socket_tls *tls);
/* And nothing is left over. */
bool socket_tls_is_reusable(const struct socket_tls *tls);
