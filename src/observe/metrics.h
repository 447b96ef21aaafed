/* Prometheus text exposition (version 0.0.4) of all counters, summed over the workers, plus what
 * the rings lost and build information. Labels are bounded: every value is from a table of ours;
 * names of pins are the ledger's to bound (observe/pin_ledger.h). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "observe/state.h"
#include "snapshot/expiries.h"

struct event_hub;

struct metrics_extra {
        bool ready;
        uint64_t lines_lost, renewals;
        int64_t published_ms, source_error_ms; /* Unix time; 0: never */
        struct expiries expires;
        uint64_t generation, pins, listeners;
        bool source_failing, probe_failing;
        uint64_t probes_passed, probes_failed;
        double started_s; /* Unix time */
        struct {
                const char *kind;
                double silence_s;
        } sources[STATE_SOURCES_MAX];
        size_t source_count; /* 0: files */
};

/* False when the buffer's maximum is reached. */
bool metrics_print(struct event_hub *hub, const struct metrics_extra *extra, struct buffer *out);
