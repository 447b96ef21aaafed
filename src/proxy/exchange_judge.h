/* May a request that is in flight go on? Asked when a generation comes and when the time of a pin
 * of its route or rule ends, by the gates that let it in, of the same head as it came. Without
 * scopes of route or rule, before and now, nothing is asked: what has begun is finished.
 *
 * Refused, it goes as the strictest onRemoval of the scopes that refuse says. So does one whose
 * rule had scopes and is gone, or whose requests another route's rule gets now, by what those said:
 * whom they let in was let in to that backend alone. To go is final, and a later change can only
 * bring it closer. */
#pragma once

#include "proxy/exchange.h"

/* What holds now, and for whom. */
struct exchange_law {
        const struct snapshot *snapshot;
        const struct port *port;         /* of the connection, in the snapshot */
        const struct listener *listener; /* that SNI chose, or NULL on a plain port */
        const struct standing *standing; /* NULL where the port asks nobody */
        int64_t now;                     /* Unix seconds */
};

/* Close: it ends at once, by a 403 where the client was told no head, else broken off. Drain: the
 * same at a moment of its own in the last eighth of the grace, as nothing can tell its client to
 * go. */
void exchange_judge(struct exchange *exchange, const struct exchange_law *law);
/* When it is to be asked again though nothing changes; INT64_MAX: never. */
int64_t exchange_valid_until(const struct exchange *exchange);

/* ---- of an exchange ---- */

/* What it is judged by while it is in flight. */
struct exchange_hold {
        struct request_head asked; /* as it came: filters change the other one */
        bool held;                 /* a scope of its rule or route can refuse it… */
        struct removal removal;    /* …and that is how it goes where the rule itself is gone */
        int64_t valid_until;       /* of what they said last */
        const char *why;           /* it has to go, when ends_ms comes; NULL: it may stay */
        enum reason reason;
        struct slice scope; /* that refused it last */
};

/* Behind the gates, before anything changes its head. */
void exchange_hold_begin(struct exchange *exchange);
/* Its time to go has come. */
void exchange_hold_end(struct exchange *exchange);
