/* The one compiled form: everything the data plane knows, frozen. Built by control/translate on the
 * control thread, adopted by each worker once a loop turn, never changed after it was published.
 * It knows neither YAML nor Kubernetes. An empty snapshot binds nothing and admits nobody. */
#pragma once

#include <stdatomic.h>

#include "base/arena.h"
#include "snapshot/backend.h"
#include "snapshot/backend_tls.h"
#include "snapshot/port.h"

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
        /* NULL; else what this one has in common with it, which is all but its backends, belongs to
         * that one, and it holds a reference. */
        struct snapshot *base;
        uint64_t generation;  /* 1 for the first; set by control */
        struct digest digest; /* of snapshot_print's text */
        struct digest trust;  /* of who may come in where; addresses and backends are not in it */
        const struct port *ports;
        size_t port_count;
        const struct backend *backends;
        size_t backend_count;
        const struct backend_tls *const *backend_tls; /* each once, as the backends have them */
        size_t backend_tls_count;
        const struct rule_policy *rule_policies; /* route_rule.policy is an index into these */
        size_t rule_policy_count;
        const struct server_certificate *const *certificates; /* each once */
        size_t certificate_count;
        size_t pin_count; /* pins in force, over all ports */
        size_t route_count;
        /* TLS contexts of every worker (tls/context.h), made before publishing. */
        void *tls;
        void (*tls_free)(void *tls);
};

/* Empty, with one reference. */
struct snapshot *snapshot_new(void);
/* As one that was published before, to be given other backends: of the same number, in the same
 * order. */
struct snapshot *snapshot_new_like(struct snapshot *former);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
/* Any thread. The last one puts it on the retired list; nothing is freed here. NULL is fine. */
void snapshot_unref(struct snapshot *snapshot);
/* Control thread: frees what is retired (sets and policies give their references back). */
void snapshot_reap(void);

/* Canonical text, the same for the same meaning, without secrets (keys appear as their digest):
 * golden twins and the digest are made of it. */
struct slice snapshot_print(const struct snapshot *snapshot, struct arena *arena);
/* Sets both digests. */
void snapshot_seal(struct snapshot *snapshot);
