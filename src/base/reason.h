/* The reasons of reason.def as an enum, with the token for machines, the sentence for people and
 * the TLS alert for the peer. REASON_ACCEPTED is 0. */
#pragma once

#include "base/slice.h"

enum reason {
#define REASON(name, token, alert, says) REASON_##name,
#include "base/reason.def"
#undef REASON
        REASON_COUNT,
};

const char *reason_token(enum reason reason);
const char *reason_says(enum reason reason);
/* The alert's number (RFC 8446, 6); 0 when none is sent. NO_CERTIFICATE is 40 in TLS 1.2. */
int reason_alert(enum reason reason);
