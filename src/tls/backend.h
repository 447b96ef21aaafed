/* Our side of a TLS connection to a backend: contexts are built with the snapshot's (context.h), a
 * connection's SSL is made here, and the verify hook asks the judge. OpenSSL decides nothing, and
 * no trust store but the policy's is ever loaded (I39).
 *
 * Nothing is resumed: a resumed handshake calls no verify hook, so a CA or pin that was taken away
 * would go on admitting, and kept connections save more than tickets would. Renegotiation,
 * compression and post-handshake authentication are off. */
#pragma once

#include <openssl/ssl.h>
#include <stddef.h>

#include "snapshot/snapshot.h"
#include "trust/judge.h"

/* One handshake, from tls_backend_connect to its end; the SSL points to it meanwhile. */
struct backend_handshake {
        const struct backend_tls *tls;
        struct trust_store *store; /* this worker's */
        struct path_cache *cache;  /* this worker's; may be NULL */
        bool judged;
        struct verdict verdict; /* once judged */
};

struct backend_offer {
        size_t worker;
        struct slice alpn; /* protocols with their lengths in front; empty: none is offered */
        int fd;
};

/* An SSL for one connection, in connect state, about to send the policy's server name; the caller's
 * to free. Fills *handshake but for the cache. NULL: out of memory. */
SSL *tls_backend_connect(const struct backend_tls *tls, const struct backend_offer *offer,
                         struct backend_handshake *handshake);
/* SSL_connect has returned 1. False: the peer is not the one that was judged, or was not judged. */
bool tls_backend_finish(SSL *ssl, struct backend_handshake *handshake);
/* Why SSL_connect failed; empties OpenSSL's error queue. */
enum reason tls_backend_failure(const struct backend_handshake *handshake);
