/* What is said about each kind of event, filled by the thread that saw it. Slices are borrowed for
 * the call of the emitter only. Zero, the empty slice and an all-zero digest mean "not known".
 * time_ms is Unix time in milliseconds; 0 lets the emitter ask the clock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/reason.h"
#include "base/slice.h"
#include "event/address.h"
#include "event/handshake_facts.h"

/* Refusals for one reason that were counted instead of written to the audit log. Emitted by the
 * sink itself. */
struct folded_facts {
        enum reason reason;
        uint64_t count;
};

/* A connection that was closed before anything was done for it. */
struct refused_facts {
        int64_t time_ms;
        enum reason reason;
        struct event_address peer; /* the client, as a load balancer in front says, if one does */
        struct slice gateway;
        uint64_t generation;
};

struct closed_facts {
        int64_t time_ms;
        struct slice why; /* token: "peer_closed", "idle_timeout", "drained", "pin_removed", … */
        enum reason reason; /* where judging anew ended it; else ACCEPTED */
        struct event_address peer;
        struct slice gateway, listener, client_name;
        struct digest certificate, spki;
        uint64_t generation, connection, duration_us, requests, bytes_in, bytes_out;
};

struct request_facts {
        int64_t time_ms; /* of the request head */
        struct slice method;
        struct slice path;      /* without the query, which may hold secrets */
        struct slice authority; /* server.address */
        struct slice protocol;  /* "1.1", "2" */
        uint16_t status;
        struct event_address client, upstream;
        struct slice client_name, gateway, listener, route, request_id;
        enum reason reason;      /* of a route or rule scope that refused; else ACCEPTED */
        enum reason report_only; /* what a ReportOnly one would have refused for; else ACCEPTED */
        struct slice scope, report_scope; /* the scope of each */
        struct slice fault;              /* token of what went wrong when pingate made the answer */
        struct digest certificate, spki; /* the verified client's */
        struct slice issuers;            /* of its path, where rule_policy is one: SPKI digests */
        uint32_t rule_policy; /* that it was judged by: its place in the generation, from 1; 0: none
                               */
        struct slice subject; /* of its certificate, where a scope would refuse it */
        bool folded; /* one of a flood of refusals: counted in the audit log; set by the emitter */
        uint64_t generation, connection;
        uint64_t bytes_in, bytes_out; /* of bodies */
        uint64_t duration_us, upstream_us;
        uint32_t retries;
};

/* A connection whose bytes went through as they were, at its end. */
struct stream_facts {
        int64_t time_ms;       /* of its beginning */
        struct slice protocol; /* "tcp", "tls", "tls-passthrough", "websocket" */
        struct slice why;      /* as closed_facts */
        struct slice fault;    /* token of why pingate ended it */
        struct event_address client, upstream;
        struct slice client_name, gateway, listener, route, sni, request_id;
        struct digest certificate, spki; /* the verified client's */
        uint64_t generation, connection;
        uint64_t bytes_in, bytes_out, duration_us;
};

struct generation_facts {
        int64_t time_ms;
        uint64_t generation;
        struct digest digest;
        struct slice sources; /* "edge.yaml, pins/" */
        uint64_t listeners, routes, pins, pins_added, pins_removed;
        uint64_t build_us;
};

/* One pin that came or went with a generation; at most EVENT_PIN_CHANGES_MAX are written for one
 * generation, whose own record has the full counts. */
enum {
        EVENT_PIN_CHANGES_MAX = 256
};

struct pin_change_facts {
        int64_t time_ms;
        uint64_t generation;
        bool added, deny;
        struct slice kind; /* "spki", "cert", "issuer" */
        struct digest digest;
        struct slice name, owner;
        struct slice object; /* "ConfigMap edge/devices", "ClientCertificatePolicy edge/partners" */
        struct slice scope;
};

struct source_facts {
        int64_t time_ms;
        uint64_t generation; /* the one that serves on */
        struct slice source, text;
};

struct lifecycle_facts {
        int64_t time_ms;
        struct slice what; /* token: "started", "ready", "draining", "stopped", … */
        struct slice detail;
};

struct warning_facts {
        int64_t time_ms;
        struct slice where, text;
};
