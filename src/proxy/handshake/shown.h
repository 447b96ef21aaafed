/* The parts of a verified client's certificate that identity headers show, taken out of OpenSSL's
 * form once a connection. Of what the client sent along, only what lies on the verified path is
 * shown (I2, I25). */
#pragma once

#include "base/arena.h"
#include "trust/judge.h"

struct shown {               /* all in the arena */
        struct slice leaf;   /* DER */
        struct slice *chain; /* DER, the verified path above the leaf, without the anchor */
        size_t chain_count;
        struct slice subject; /* RFC 2253 text, as long as it is */
        struct slice *uris, *dns_names;
        size_t uri_count, dns_name_count;
};

/* The leaf alone, or all of it. standing->verified holds. */
void shown_read(const struct chain *chain, const struct standing *standing, bool all,
                struct arena *arena, struct shown *out);
