/* Notices a client that came back with a new key: a certificate of a configured CA with the subject
 * and alternative names of one that a named pin let in before, but another key, which is not
 * pinned. It is told and nothing else; names never let anybody in (I13). Remembered since the
 * start, RENEWALS_MAX clients, those seen least recently forgotten first. The observe thread's
 * alone. An empty one notices nothing. */
#pragma once

#include "event/facts.h"

enum {
        RENEWALS_MAX = 4096,
};

struct renewals;

struct renewals *renewals_new(void);
void renewals_free(struct renewals *renewals); /* NULL is fine */

/* Takes note of an admission by a named pin; all else is no news. */
void renewals_note(struct renewals *renewals, const struct handshake_facts *facts);
/* The name of the pin that the client had, where it is a renewal that is not pinned; else empty.
 * Good until the next note. */
struct slice renewals_find(const struct renewals *renewals, const struct handshake_facts *facts);
