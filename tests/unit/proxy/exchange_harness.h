/* A worker's loop with a pool, an exchange on it, and real sockets on loopback behind it: a backend
 * that says what a test tells it to, so that it can also break every rule. */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "event/ring.h"
#include "http/h1.h"
#include "proxy/exchange.h"
#include "proxy/mirror.h"

enum {
        PEERS_MAX = 8,
        LOOP_MS_MAX = 20000, /* a test that waits longer has failed */
};

/* ---- the backend: a script for each connection, in the order they come ---- */

struct step {
        const char *expect; /* read on until this was seen; NULL: nothing */
        const char *reply;
        bool close;
};

struct script {
        const struct step *steps;
        size_t count;
};

struct peer {
        struct backend_peer *backend;
        uv_poll_t poll;
        int fd;
        const struct script *script;
        size_t step;
        struct buffer seen; /* all that came on this connection */
        size_t checked;     /* of it, used up by expectations */
        bool open;
        bool ended; /* the gateway closed it */
};

struct backend_peer {
        struct harness *h;
        uv_poll_t poll;
        int fd;
        in_port_t port;
        const struct script *scripts;
        size_t script_count;
        struct peer peers[PEERS_MAX];
        size_t peer_count;
        bool deaf; /* accepts, never reads: for back-pressure */
};

/* ---- the client side of the exchange ---- */

struct harness {
        /* Set before harness_init; zero is what most tests want. */
        bool no_local_names;
        uint64_t idle_ms_max;

        uv_loop_t loop;
        uv_timer_t ticker;
        struct wheel wheel;
        uint64_t now_ms, started_ms, random;
        struct event_hub *hub;
        struct event_sink *sink;
        struct upstream_pool *pool;
        struct exchange_env env;
        struct mirrors mirrors;
        struct exchange_client client;
        struct snapshot *snapshot;
        struct port *port;
        struct listener *listeners;
        struct backend *backends;
        struct route_rule *rules; /* in the order that they are added in: /good is the first */
        struct arena arena;
        struct request_head head;
        struct backend_peer backend;
        struct exchange *exchange;
        /* what the exchange said */
        unsigned statuses[8];
        size_t head_count;
        struct response_head final;
        struct buffer body, header_text;
        struct header_list trailers;
        bool end, aborted, inside_open, hold; /* hold: pulls nothing */
        size_t consumed, continues;
        bool close_on_head;
        bool pool_closed;
};

void harness_init(struct harness *h, const struct script *scripts, size_t count);
void harness_done(struct harness *h);
/* Reads a request head of h1 text ("GET / HTTP/1.1\r\nHost: a\r\n\r\n") and opens an exchange. */
void harness_open(struct harness *h, const char *text);
void harness_open_fault(struct harness *h, const struct http_fault *fault);
void harness_close(struct harness *h);
/* Runs the loop until the response is over. */
void harness_finish(struct harness *h);
/* Runs the loop until *condition is not 0. */
void harness_until(struct harness *h, const size_t *condition, size_t at_least);
void harness_pull(struct harness *h);
struct request_facts harness_record(struct harness *h); /* takes the next access record */
