/* One TLS handshake: which listener the server name selects, what the client presented, what the
 * judge says of it, and one event when it is decided. Embedded in a connection until then. It holds
 * the snapshot that it began with; if the worker has adopted a newer one by the time it completes,
 * the client is judged again by that. Where every client comes through, and no other way (I1). */
#pragma once

#include <openssl/ssl.h>
#include <stdint.h>

#include "event/emit.h"
#include "proxy/handshake/client_hello.h"
#include "snapshot/snapshot.h"
#include "tls/context.h"
#include "trust/judge.h"

struct handshake {
        struct snapshot *snapshot; /* one reference */
        size_t worker, port_index;
        const struct port *port;
        const struct listener *listener; /* selected by server name; NULL until then */
        const struct slice *peeked; /* the name that was read before TLS began; NULL: none was */
        char sni[SNI_MAX + 1];
        size_t sni_len;
        struct chain *chain;      /* NULL: none presented; taken over by the connection */
        struct verdict *verdict;  /* of the judge; NULL: not judged yet */
        enum reason failure;      /* why it ends where no judge said so; ACCEPTED: not known */
        struct path_cache *cache; /* the worker's */
        struct event_address peer;
        uint64_t connection, started_us;
};

/* The hooks for every context (tls/context.h). */
const struct tls_hooks *handshake_hooks(void);

/* What a ClientHello with that server name meets before any certificate: ACCEPTED with the listener
 * that the name selects, or why it is refused. Pure; `pingate explain` asks it too. */
enum reason handshake_select(const struct port *port, struct slice name,
                             const struct listener **listener);

/* Takes a reference on the snapshot. False: OpenSSL gave no memory. */
bool handshake_begin(struct handshake *handshake, SSL *ssl, struct snapshot *snapshot,
                     size_t port_index);
void handshake_done(struct handshake *handshake);

/* After SSL_do_handshake said 1: the last word. `current` is the worker's snapshot, `now` Unix
 * seconds. True: the client may go on; verdict is complete (also on a port that asks nobody). */
bool handshake_complete(struct handshake *handshake, SSL *ssl, struct snapshot *current,
                        int64_t now);
/* Why SSL_do_handshake failed, from what callbacks noted and OpenSSL's error queue (emptied). */
enum reason handshake_failure(struct handshake *handshake);
struct handshake_outcome {
        enum reason reason;
        bool admitted;
        bool strict; /* an admission that can't be recorded is not to be one */
};

/* The audit record. False under strict audit: its ring is full and nothing was recorded. */
bool handshake_report(const struct handshake *handshake, SSL *ssl, struct event_sink *sink,
                      const struct handshake_outcome *outcome);

/* What a port and a listener of it are known by in another generation. */
struct place {
        enum port_protocol protocol;
        enum listener_kind kind;
        struct slice address, port_gateway; /* of the port */
        struct slice gateway, listener, hostname;
};
struct place place_of(const struct port *port, const struct listener *listener); /* NULL: none */
/* False: the port is gone. */
bool port_find(const struct snapshot *snapshot, const struct place *place, size_t *index);
/* NULL: gone. */
const struct listener *listener_find(const struct port *port, const struct place *place);
