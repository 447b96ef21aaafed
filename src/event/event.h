/* One record of something that happened: fixed in size, copied into a ring by the thread that saw
 * it (event/emit.h), formatted by the observe thread. All its text lies in one small heap at its
 * end, so a short record touches few cache lines; text that does not fit is cut and marked. A span
 * of length 0 is "not known", and is left out of the logs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/digest.h"
#include "base/reason.h"
#include "base/slice.h"
#include "event/facts.h"

enum {
        EVENT_TEXT_BYTES = 1888,
};

enum event_kind {
#define EVENT(name, token, where) EVENT_##name,
#include "event/events.def"
#undef EVENT
        EVENT_KIND_COUNT,
};

enum event_log {
        EVENT_LOG_AUDIT,
        EVENT_LOG_ACCESS,
        EVENT_LOG_LIFE
};

const char *event_token(enum event_kind kind);
enum event_log event_log_of(enum event_kind kind);

/* The records keep the numbers of the facts they were made of (event/facts.h) and, where the facts
 * hold slices, the same slices made to point into the record's own text: see event_text_adopt. */
struct event {
        enum event_kind kind;
        unsigned sink;       /* which producer: the worker's index, or the control thread's */
        int64_t time_ms;     /* Unix time */
        uint64_t lost_total; /* records its ring had dropped before this one */
        union {
                struct handshake_facts handshake;
                struct folded_facts folded;
                struct refused_facts refused;
                struct closed_facts closed;
                struct request_facts request;
                struct stream_facts stream;
                struct generation_facts generation;
                struct pin_change_facts pin_change;
                struct source_facts source;
                struct lifecycle_facts lifecycle;
                struct warning_facts warning;
        };
        uint16_t text_len;
        bool truncated; /* some text was cut */
        char text[EVENT_TEXT_BYTES];
};

/* Copies *s into the event's text, cut to `max` bytes and to the room that is left, and lets *s
 * point there. The slice is good for as long as the event stays where it is. */
void event_text_adopt(struct event *event, struct slice *s, size_t max);
