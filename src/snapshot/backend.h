/* Who answers: the endpoints of one Service port, and how they are spoken to. Frozen in a snapshot,
 * read by workers without a lock. No endpoint: 503. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/slice.h"

struct endpoint {
        struct sockaddr_storage address; /* family AF_UNSPEC: dns_name is to be resolved */
        struct slice dns_name;           /* of an ExternalName Service; else empty */
        uint16_t port;
        struct slice text; /* "10.0.0.7:8080", for logs */
};

enum backend_protocol {
        BACKEND_HTTP,  /* HTTP/1.1; over TLS whatever ALPN says of h2 and http/1.1 */
        BACKEND_HTTP2, /* h2 alone: by prior knowledge in the clear (h2c), by ALPN over TLS */
        BACKEND_TCP,   /* bytes: of a TLSRoute or TCPRoute */
};

struct backend_tls; /* backend_tls.h */

/* Each (Service, port, protocol) once. */
struct backend {
        struct slice name;                /* "namespace/service:port" */
        const struct endpoint *endpoints; /* ready ones; none: 503 */
        size_t endpoint_count;
        enum backend_protocol protocol;
        const struct backend_tls *tls; /* of a BackendTLSPolicy; NULL: in the clear */
};
