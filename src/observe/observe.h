/* The observe thread: drains every ring, writes the audit log, the access log and the lines for
 * people on standard error, and remembers the last refusals. It never waits for a log: what a full
 * pipe does not take is kept up to LOG_BUFFER_BYTES, then lines are dropped and a gap line says how
 * many. Admissions alone are not dropped here: while the audit log is stuck their rings are left to
 * fill, so that --audit strict refuses. Started by cli/run.c after the files are opened and before
 * the sandbox closes; stopped after the workers have ended, so that the last records are written.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct event_hub;
struct observer;
struct pin_ledger;
struct refusals;

struct observe_options {
        const char
                *audit_log; /* "-" standard output, "off" or NULL, or a path that is appended to */
        const char *access_log; /* the same */
        bool quiet;             /* no lines on standard error */
};

/* Opens the files; begin starts the thread, so that walls can be put up in between. */
struct observer *observer_open(const struct observe_options *options, struct event_hub *hub,
                               struct error *err);
bool observer_begin(struct observer *observer, struct error *err);
/* Both. */
struct observer *observer_start(const struct observe_options *options, struct event_hub *hub,
                                struct error *err);
void observer_stop(struct observer *observer); /* writes what is left, waits at most a second */
struct refusals *observer_refusals(struct observer *observer);
struct pin_ledger *observer_pins(struct observer *observer);
uint64_t observer_renewals(const struct observer *observer);   /* refusals told as such */
uint64_t observer_lines_lost(const struct observer *observer); /* log lines that were dropped */
