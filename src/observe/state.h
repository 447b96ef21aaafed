/* What a running gateway is, for /status, /readyz and the metrics: written by control and by run.c,
 * read by the admin server, under one lock that no worker ever takes. Setters copy what they get.
 * Which generation a worker serves is in its counters; ready means that each serves one and that
 * the gateway is not draining (I45). A new state has no generation: not ready. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/slice.h"
#include "snapshot/expiries.h"

struct event_hub;
struct gateway_state;
struct json_writer;
struct pin_ledger;

/* What has to be seen, beside what translation knows, before a condition may be True. */
enum state_proof {
        PROOF_NONE,
        PROOF_SERVED,   /* every worker serves the generation; until then it is Pending */
        PROOF_ENFORCED, /* and has judged its open connections by it, and the probe passes */
};

struct state_condition {
        struct slice type, reason, message; /* "Programmed", "PortUnavailable" */
        bool holds;
        enum state_proof proof;
};

struct state_conditions {
        const struct state_condition *items;
        size_t count;
};

struct state_gateway {
        struct slice name; /* "edge/edge" */
        struct state_conditions conditions;
};

struct state_listener {
        struct slice gateway, name; /* "edge/edge", "https" */
        struct slice address;       /* "0.0.0.0:8443", "[::]:8443" */
        struct slice protocol;      /* "HTTPS" */
        struct slice hostname;      /* empty: any */
        struct slice mode;    /* "AllowValidOnly", "AllowInsecureFallback"; empty: asks for none */
        bool pinned;          /* handshake-stage pins are in force */
        uint64_t pins;        /* how many allow somebody here */
        struct digest digest; /* over them */
        struct state_conditions conditions;
};

struct state_generation {
        uint64_t number;
        struct digest digest;
        int64_t published_ms;
        uint64_t pins, routes;
        struct expiries expires;
        const struct state_gateway *gateways;
        size_t gateway_count;
        const struct state_listener *listeners;
        size_t listener_count;
};

/* A kind of objects at an API server. */
struct state_source {
        const char *kind;  /* a literal: "httproutes" */
        uint64_t heard_ms; /* monotonic; 0: never */
        bool synced;       /* all of it was known at least once */
};

enum {
        STATE_SOURCES_MAX = 32
};

struct metrics_extra;

struct gateway_state *gateway_state_new(const struct event_hub *hub); /* started now */
void gateway_state_free(struct gateway_state *state);

void gateway_state_set_generation(struct gateway_state *state, const struct state_generation *g);
/* The probes of one publish: how many were run, and what the last of them says (empty: all passed).
 * While it says anything, nothing counts as enforced. */
void gateway_state_set_probes(struct gateway_state *state, size_t count, struct slice failure);
void gateway_state_set_draining(struct gateway_state *state);
/* A source that can't be read: what it says and since when. The empty text: all sources are well.
 */
void gateway_state_set_source_error(struct gateway_state *state, struct slice text);

/* What the newest generation has yet to prove, each as one line; empty: nothing. */
struct state_missing {
        char unserved[96];       /* PROOF_SERVED */
        char unjudged[96];       /* PROOF_ENFORCED, beside it */
        char probe_failure[512]; /* PROOF_ENFORCED */
};
void gateway_state_missing(struct gateway_state *state, struct state_missing *missing);

/* Of an API server; without a call there is none. At most STATE_SOURCES_MAX. */
void gateway_state_set_sources(struct gateway_state *state, const struct state_source *sources,
                               size_t count);

/* Why not ready, as one token for the probe's body; "ready" where it is. */
const char *gateway_state_readiness(struct gateway_state *state);
/* `pins`: what "pins" says of them; NULL: nothing. */
void gateway_state_print(struct gateway_state *state, struct pin_ledger *pins,
                         struct json_writer *w);
void gateway_state_measure(struct gateway_state *state, struct metrics_extra *extra);
