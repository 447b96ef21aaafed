/* A real TLS client that shows a certificate, or none, and asks for one page. Blocking, with a
 * deadline. The server's certificate is checked against the demo's own CA. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "cli/pki.h"

struct demo_call {
        int port;                        /* on 127.0.0.1 */
        const char *host;                /* SNI, Host, and the name the server must bear */
        const struct throwaway *trusts;  /* the CA of the server's certificate */
        const struct throwaway *shows;   /* NULL: no certificate */
        const struct throwaway *through; /* an issuer sent along; NULL: none */
};

struct demo_outcome {
        int local_port; /* of our side: by it the audit log is searched */
        int status;     /* of HTTP; 0: none came */
        int alert;      /* TLS alert that ended it; 0: none came */
        char alert_text[64];
        char body[4096];
};

/* False only when the call could not be made at all; a refusal is an outcome. */
bool demo_call(const struct demo_call *call, struct demo_outcome *outcome, struct error *err);
