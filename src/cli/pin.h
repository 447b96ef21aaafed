/* What the parts of `pingate pin` share: bytes from a file, a Secret or a server in, digests and
 * broken rules out, ready to paste. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"
#include "trust/pinnable.h"

struct pin_report {
        const char *where; /* as the user named it */
        const char *name;  /* of the client; NULL: none given */
        bool from_network; /* nobody has vouched for it */
        struct pinnable pinnable;
};

/* The certificates that https://HOST[:PORT] presents, as PEM in the arena. Nothing is verified. */
bool pin_server_fetch(const char *url, struct arena *arena, struct slice *pem, struct error *err);

void pin_print_text(const struct pin_report *report, FILE *out);
/* With a name a list `pins` of a ClientCertificatePolicy, else a `certificatePinning` block. */
void pin_print_yaml(const struct pin_report *report, FILE *out);
bool pin_print_json(const struct pin_report *report, FILE *out);
