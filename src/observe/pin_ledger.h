/* What became of the pins in force: whom they let in and when last, set by set and name by name,
 * when a set changed, which names nobody has used since the start, when the next one ends. It is
 * told each generation (control thread) and each admission (observe thread) and is read by the
 * admin server, under a lock of its own that no worker takes. Names and sets are bounded; what is
 * beyond is summed up as "other". A new ledger knows no pins. What leaves the configuration is
 * forgotten.
 *
 * An admission counts in every scope that it met, ReportOnly ones too: which pins it matched is
 * looked up here, after the fact, in the newest generation. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

enum {
        LEDGER_SETS_MAX = 256,
        LEDGER_NAMES_MAX = 4096,
        LEDGER_WALK_MAX = 65536, /* pins whose names are looked at, of the smallest sets first */
};

struct handshake_facts;
struct json_writer;
struct pin_ledger;
struct request_facts;
struct snapshot;

struct pin_ledger *pin_ledger_new(void);
void pin_ledger_free(struct pin_ledger *ledger); /* NULL is fine */

/* The newest generation; takes a reference of its own and gives the former one back. */
void pin_ledger_set_snapshot(struct pin_ledger *ledger, struct snapshot *snapshot,
                             int64_t published_ms);
/* All else than an admission with an identity is no news. */
void pin_ledger_note(struct pin_ledger *ledger, const struct handshake_facts *facts,
                     int64_t time_ms);
/* A request that the policies of its route and rule let pass; counts in their scopes. */
void pin_ledger_note_request(struct pin_ledger *ledger, const struct request_facts *facts,
                             int64_t time_ms);
/* Does a pin in force bear that name? Where some names are not followed, it may. */
bool pin_ledger_may_have(struct pin_ledger *ledger, struct slice name);

/* The metrics, and the value of /status at "pins". False when the buffer's maximum is reached. */
bool pin_ledger_measure(struct pin_ledger *ledger, int64_t now_ms, struct buffer *out);
void pin_ledger_print(struct pin_ledger *ledger, int64_t now_ms, struct json_writer *w);
