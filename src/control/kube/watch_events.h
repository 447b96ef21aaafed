/* A watch as its bytes come: one JSON document a line, each an event. Used by reflectors. */
#pragma once

#include "base/error.h"
#include "base/slice.h"

enum watch_event_type {
        EVENT_ADDED,
        EVENT_MODIFIED,
        EVENT_DELETED,
        EVENT_BOOKMARK,
        EVENT_ERROR,
};

struct watch_event {
        enum watch_event_type type;
        struct slice object;           /* as JSON */
        struct slice resource_version; /* of the object; empty for errors */
        int code;                      /* of an error, as HTTP has it: 410 */
        struct slice message;          /* of an error; for people, unchecked */
};

struct watch_events;

/* False ends the stream. The event is wiped afterwards. */
typedef bool (*on_watch_event_fn)(const struct watch_event *event, void *self);

struct watch_events *watch_events_new(void *self, on_watch_event_fn on_event);
void watch_events_free(struct watch_events *events); /* NULL is fine */
/* False: a line that is no event, or one of more than KUBE_ITEM_MAX bytes; err says so. Also false,
 * err untouched, when on_event was. */
bool watch_events_feed(struct watch_events *events, struct slice bytes, struct error *err);
