/* The names of which a server's certificate must bear one, from a BackendTLSPolicy: of our clients
 * no name is asked (I13). Only subjectAltName counts, never the subject's CN (RFC 9525, 6.3):
 * a dNSName without regard to case, where "*" in the certificate stands for one whole label at its
 * left end and nothing else (RFC 9525, 6.3), or a URI octet by octet. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>

#include "base/slice.h"

enum peer_name_kind {
        PEER_NAME_DNS, /* "*.a" is borne by a certificate that says just that */
        PEER_NAME_URI,
};

struct peer_name {
        enum peer_name_kind kind;
        struct slice text;
};

/* Of several one is enough; none is borne by nobody. */
bool certificate_bears_name(X509 *leaf, const struct peer_name *names, size_t count);
/* What it does bear, for a log: "a.example, spiffe://b/c", or that it bears no name. */
const char *certificate_names_text(X509 *leaf, char *out, size_t size);
