/* The other end of a probe: a client that shakes hands with a server context in memory. Private to
 * proxy/handshake. */
#pragma once

#include <openssl/ssl.h>

#include "snapshot/snapshot.h"
#include "trust/judge.h"
#include "trust/throwaway.h"

struct probe_outcome {
        bool completed; /* OpenSSL let the handshake complete */
        bool admitted;  /* and handshake_complete let the client in */
        bool judged;    /* there is a verdict */
        struct verdict verdict;
};

/* A client with that certificate. NULL: OpenSSL gave none. */
SSL_CTX *probe_client_new(const struct throwaway *identity);
/* Port 0 of the snapshot, worker 0. False: OpenSSL gave no memory. */
bool probe_client_call(SSL_CTX *client, struct snapshot *snapshot, int version,
                       struct probe_outcome *out);
