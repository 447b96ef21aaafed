/* What is bound, and what serves there: ports, their listeners and certificates. Frozen in a
 * snapshot, read by workers without a lock. A port is bound even when nobody may come in, so that
 * refusals are seen and told (alert 49); a listener without routes answers 404. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/digest.h"
#include "base/secret.h"
#include "base/slice.h"
#include "route/host_match.h"
#include "route/table.h"
#include "trust/policy.h"

enum port_protocol { /* what its first byte is */
        PORT_HTTP,
        PORT_TLS, /* a ClientHello: the listeners are HTTPS and TLS, told apart by server name */
        PORT_TCP  /* anything: one listener */
};

enum listener_kind {
        LISTENER_HTTP,
        LISTENER_HTTPS,
        LISTENER_TLS_TERMINATE,   /* the bytes within go to a backend as they are */
        LISTENER_TLS_PASSTHROUGH, /* the records themselves do; nobody here looks into them */
        LISTENER_TCP,
};

struct key_pair;

/* A server's own certificate and key (trust/key_pair.h), and where they are from. */
struct server_certificate {
        struct slice source;   /* "Secret edge/tls" */
        struct key_pair *pair; /* a reference of the snapshot's */
        struct digest digest;  /* of chain and key */
        int64_t not_after;
        const struct slice
                *names; /* DNS names of the leaf, in lower case; for people; the pair's */
        size_t name_count;
};

/* Where the bytes of a connection go: of a TLSRoute or a TCPRoute. No backend, or all weights 0:
 * the connection is closed. */
struct stream_route {
        struct slice route; /* "namespace/name", for logs */
        const struct route_backend *backends;
        size_t backend_count;
        uint64_t weight_sum;
        bool introduces; /* backends are told who the client is, by a PROXY header of version 2 */
};

struct listener {
        enum listener_kind kind;
        struct slice gateway; /* "namespace/name" */
        struct slice name;    /* section name; "namespace/set/section" where a ListenerSet has it */
        struct slice hostname; /* normalised pattern; empty: every name */
        uint32_t index;        /* within the port: the scope number that policies use */
        /* Where TLS ends here; the first is used unless SNI or key type say otherwise. None: the
         * listener refuses its handshakes. */
        const struct server_certificate *const *certificates;
        size_t certificate_count;
        const struct route_table *routes; /* of HTTP and HTTPS; NULL: 404 for everything */
        /* Of the other kinds: server name to struct stream_route ("" for TCP); NULL: closed. */
        const struct host_table *streams;
        unsigned forward; /* enum identity_forward, ORed */
        struct slice
                closed; /* why its handshakes are refused, whoever comes; empty: they are not */
};

/* The addresses that share their first `bits` with these. */
struct address_range {
        uint8_t family; /* 4, 6 */
        uint8_t bits;
        unsigned char bytes[16];
};

/* One (address, port) of one Gateway. */
struct port {
        struct sockaddr_storage address;
        struct slice text; /* what is bound: "192.0.2.1:443", "[::]:20001" */
        uint16_t number; /* that clients ask for: the listeners', which a load balancer in front may
                          * lead to another */
        enum port_protocol protocol;
        struct slice gateway;
        const struct listener *listeners; /* at least one */
        size_t listener_count;
        const struct host_table *hosts; /* host name to struct listener */
        bool passes_through; /* a listener of it is LISTENER_TLS_PASSTHROUGH: the ClientHello is
                              * read before it is known whether TLS ends here */
        /* Load balancers in front: who comes from there says whom for by a PROXY header, and must;
         * nobody else may. */
        const struct address_range *proxies;
        size_t proxy_count;
        /* NULL: certificates are not asked for. The snapshot holds one reference a port, given
         * back by snapshot_reap. */
        const struct client_policy *client;
};
