/* The TLS side of a snapshot: for every worker and port one SSL_CTX with its own store of the
 * port's CAs, so that workers share no lock, and the same for backends (backend.h). Built on the
 * control thread before a snapshot is published, stored in snapshot->tls, let go with it; an SSL
 * keeps its context alive by itself.
 *
 * A context holds everything that decides how a client is judged (I19); the server name chooses a
 * certificate and a listener, and no callback ever exchanges the context (design: a context without
 * VERIFY_PEER, switched to one that demands certificates, lets a client without one in).
 * Resumption is off in all of its forms (I15); so are renegotiation, compression and 0-RTT. */
#pragma once

#include <openssl/ssl.h>
#include <stddef.h>

#include "base/error.h"
#include "snapshot/snapshot.h"
#include "tls/library.h"
#include "trust/trust_store.h"

/* What the handshake answers to; set by proxy/handshake once, before any context is built. */
struct tls_hooks {
        SSL_client_hello_cb_fn on_client_hello;
        int (*on_certificate)(SSL *ssl, void *arg);
        int (*on_verify)(X509_STORE_CTX *store, void *arg);
        SSL_CTX_alpn_select_cb_func on_alpn;
};

struct tls_options {
        size_t workers;
        const struct tls_hooks *hooks;
        const struct tls_library *library; /* NULL: OpenSSL's own context */
};

bool tls_contexts_build(struct snapshot *snapshot, const struct tls_options *options,
                        struct error *err);
/* The same, but contexts and stores whose inputs are those of `former` are shared
 * with it. NULL: there is none. */
bool tls_contexts_build_after(const struct snapshot *former, struct snapshot *snapshot,
                              const struct tls_options *options, struct error *err);

/* Of a snapshot that tls_contexts_build has been at. NULL for a plain port. */
SSL_CTX *tls_context_find(const struct snapshot *snapshot, size_t worker, size_t port);
struct trust_store *tls_trust_store_find(const struct snapshot *snapshot, size_t worker,
                                         size_t port);

/* Gives ssl the certificates of a listener that is not the port's first. */
bool tls_use_listener(SSL *ssl, const struct port *port, const struct listener *listener);
