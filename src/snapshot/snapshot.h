/* The one compiled form: everything the data plane knows, frozen. Built by control/translate on the
 * control thread, adopted by each worker once a loop turn, never changed after it was published.
 * It knows neither YAML nor Kubernetes. An empty snapshot binds nothing and admits nobody. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/secret.h"
#include "base/slice.h"
#include "route/host_match.h"
#include "route/table.h"
#include "trust/policy.h"

enum port_protocol {
        PORT_HTTP,
        PORT_HTTPS
};

/* A server's own certificate and key, checked to belong together. */
struct server_certificate {
        struct slice source;       /* "Secret edge/tls" */
        const struct slice *chain; /* DER, leaf first; at least one */
        size_t chain_count;
        struct secret key;    /* PKCS#8 DER; wiped with the snapshot */
        struct digest digest; /* of chain and key */
        int64_t not_after;
};

struct listener {
        struct slice gateway;  /* "namespace/name" */
        struct slice name;     /* section name */
        struct slice hostname; /* normalised pattern; empty: every name */
        uint32_t index;        /* within the port: the scope number that policies use */
        /* For PORT_HTTPS; the first is used unless SNI or key type say otherwise. None: the
         * listener refuses its handshakes. */
        const struct server_certificate *const *certificates;
        size_t certificate_count;
        const struct route_table *routes; /* NULL: 404 for everything */
        unsigned forward;                 /* enum identity_forward, ORed */
        struct slice
                closed; /* why its handshakes are refused, whoever comes; empty: they are not */
};

/* One (address, port) of one Gateway. Bound even when nobody may come in, so that refusals are seen
 * and told (alert 49). */
struct port {
        struct sockaddr_storage address;
        struct slice text; /* "192.0.2.1:443", "[::]:8443" */
        uint16_t number;
        enum port_protocol protocol;
        struct slice gateway;
        const struct listener *listeners; /* at least one */
        size_t listener_count;
        const struct host_table *hosts; /* host name to struct listener */
        /* NULL: certificates are not asked for. The snapshot holds one reference a port, given
         * back by snapshot_reap. */
        const struct client_policy *client;
};

struct endpoint {
        struct sockaddr_storage address; /* family AF_UNSPEC: dns_name is to be resolved */
        struct slice dns_name;           /* of an ExternalName Service; else empty */
        uint16_t port;
        struct slice text; /* "10.0.0.7:8080", for logs */
};

struct backend {
        struct slice name;                /* "namespace/service:port" */
        const struct endpoint *endpoints; /* ready ones; none: 503 */
        size_t endpoint_count;
};

/* What the policies of a route and its rule ask of every request that the rule serves. The snapshot
 * holds a reference to each set. */
struct rule_policy {
        struct request_policy pins;
        bool forward_given; /* else the listener's holds */
        unsigned forward;   /* enum identity_forward, ORed */
};

struct snapshot {
        struct arena arena; /* everything below lives here */
        atomic_uint references;
        struct snapshot *retired_next;
        uint64_t generation;  /* 1 for the first; set by control */
        struct digest digest; /* of snapshot_print's text */
        const struct port *ports;
        size_t port_count;
        const struct backend *backends;
        size_t backend_count;
        const struct rule_policy *rule_policies; /* route_rule.policy is an index into these */
        size_t rule_policy_count;
        const struct server_certificate *const *certificates; /* each once, to be wiped */
        size_t certificate_count;
        size_t pin_count; /* pins in force, over all ports */
        size_t route_count;
        /* TLS contexts of every worker and port (tls/context.h), made before publishing. */
        void *tls;
        void (*tls_free)(void *tls);
};

/* Empty, with one reference. */
struct snapshot *snapshot_new(void);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
/* Any thread. The last one puts it on the retired list; nothing is freed here. NULL is fine. */
void snapshot_unref(struct snapshot *snapshot);
/* Control thread: frees what is retired (sets and policies give their references back). */
void snapshot_reap(void);

/* Canonical text, the same for the same meaning, without secrets (keys appear as their digest):
 * golden twins and the digest are made of it. */
struct slice snapshot_print(const struct snapshot *snapshot, struct arena *arena);
/* Sets snapshot->digest from the print. */
void snapshot_seal(struct snapshot *snapshot);
