/* A whole data plane for tests: real workers, real sockets, real handshakes, a backend that counts
 * its requests, and a snapshot made by hand instead of by translate. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "event/emit.h"
#include "snapshot/publish.h"
#include "trust/test_pki.h"

enum {
        WORLD_CERTIFICATES_MAX = 4,
        WORLD_PINS_MAX = 4,
};

/* What a generation looks like; zero is: AllowValidOnly by the world's CA, no pins, any name. */
struct world_config {
        enum client_mode mode;
        bool asks_nobody, refuses_all;
        bool no_port;
        bool pins; /* a scope is there, with these leaves as certificate pins */
        struct pki_cert pinned[WORLD_PINS_MAX];
        const char *pin_name;          /* of all of them; NULL: robot */
        int64_t pin_not_after;         /* of all of them; 0: always */
        const char *hostname;          /* of the only listener; NULL: every name */
        const struct pki_cert *server; /* NULL: the world's; more than one of them: count */
        size_t server_count;
        unsigned forward; /* enum identity_forward */
        X509_CRL *crl;
        uint16_t plain;        /* not 0: the port is HTTP */
        bool streams;          /* the listener is TCP if plain, else TLS that ends here */
        const char *passes;    /* a listener for these names that passes TLS through, beside it */
        bool no_route;         /* of streams: it has none */
        uint16_t backend_port; /* not 0: somebody else's than the world's backend */
        uint64_t tunnel_idle_ms, drain_grace_ms; /* not 0: of the first configuration */
        size_t handshakes;      /* not 0: the cap on them; of the first configuration */
        struct removal removal; /* of who is not pinned any more; zero: drained at once */
};

struct world;
struct world *world_start(const struct world_config *config);
/* The backend answers every request with what it was asked, but GET /hold never and
 * GET /endless without end. */
void world_publish(struct world *world, const struct world_config *config);
void world_stop(struct world *world);
void world_drain_begin(struct world *world);
void world_drain(struct world *world); /* and waits for the end */

const struct pki_cert *world_ca(struct world *world);
/* A leaf of the world's CA, valid now. */
struct pki_cert world_client(struct world *world, const struct pki_spec *spec);
struct pki_spec world_valid(struct pki_spec spec); /* times around the real clock */
uint16_t world_port(const struct world *world);
unsigned world_backend_hits(struct world *world);
const struct worker_counters *world_counters(struct world *world);

/* One client's connection. */
struct call {
        const struct pki_cert *with; /* NULL: no certificate */
        STACK_OF(X509) * chain;      /* sent behind it */
        const char *sni;
        const char *alpn; /* wire form; NULL: none */
        int version;      /* TLS1_2_VERSION or TLS1_3_VERSION */
        SSL_SESSION *resume;
};
struct line {
        SSL_CTX *ctx;
        SSL *ssl;
        int fd;
        int alert; /* that the server sent; 0: none seen */
};
/* False: refused by then; line->alert says how. line_close in any case. */
bool line_open(struct world *world, const struct call *call, struct line *line);
/* Sends and reads until a whole response with Content-Length came. Its status; 0: the connection
 * ended instead. */
int line_ask(struct line *line, const char *request, char *response, size_t size);
void line_close(struct line *line);
/* Opens, asks GET /, closes: the status, or minus the alert, or 0. */
int world_call(struct world *world, const struct call *call);
int world_connect(const struct world *world);
