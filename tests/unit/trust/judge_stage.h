/* A port with several scopes, and clients that ask for entrance, for the tests of the judge. */
#pragma once

#include "test_pki.h"
#include "trust/judge.h"

enum {
        SCOPES_MAX = 4,
        HOUR = 3600,
};

/* A port of one CA with several scopes, written as text. */
struct port {
        struct client_policy policy;
        struct pin_scope scopes[SCOPES_MAX];
        struct pin_set *sets[SCOPES_MAX];
        struct trust_store *store;
};

extern struct pki_cert root, other_root, issuing, robot, stranger, self_made;

int stage_setup(void **state);
int stage_teardown(void **state);

struct pin leaf_pin(const struct pki_cert *cert, const char *name);
struct pin issuer_pin(const struct pki_cert *cert, const char *name);
struct pin_set *set_of(const struct pin *pins, size_t count);
void port_open(struct port *port, const struct slice *crl_pem);
struct pin_scope *port_scope(struct port *port, enum pin_scope_kind kind, const char *source,
                             const struct pin *pins, size_t count);
void port_close(struct port *port);

struct asked {
        const struct pki_cert *who;
        STACK_OF(X509) * others;
        uint32_t listener;
        int64_t now; /* 0: PKI_NOW */
};
struct verdict ask(const struct port *port, struct asked asked);
void expect(const struct verdict *verdict, enum reason reason);
