#include "control/kube/watch_events.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "control/kube/item.h"
#include "text/json_scan.h"

struct watch_events {
        struct buffer line;
        void *self;
        on_watch_event_fn on_event;
};

struct watch_events *watch_events_new(void *self, on_watch_event_fn on_event)
{
        struct watch_events *events = NEW(struct watch_events);
        events->self = self;
        events->on_event = on_event;
        buffer_init(&events->line, KUBE_ITEM_MAX);
        return events;
}

void watch_events_free(struct watch_events *events)
{
        if (!events)
                return;
        buffer_wipe(&events->line);
        buffer_done(&events->line);
        free(events);
}

static bool type_parse(struct slice text, enum watch_event_type *out)
{
        static const char *const names[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"};
        for (size_t i = 0; i < COUNT_OF(names); i++)
                if (slice_is(text, names[i])) {
                        *out = (enum watch_event_type)i;
                        return true;
                }
        return false;
}

static struct slice member_find(struct slice object, const char *key)
{
        struct json_members members = json_members_of(object);
        struct json_member member;
        while (json_members_next(&members, &member))
                if (slice_is(member.key, key))
                        return member.value;
        return SLICE_NONE;
}

/* An ERROR's object is a Status. */
static void error_read(struct watch_event *event)
{
        uint64_t code;
        if (slice_to_u64(member_find(event->object, "code"), 999, &code))
                event->code = (int)code;
        event->message = json_plain_string(member_find(event->object, "message"));
}

static bool event_read(struct slice line, struct watch_event *event)
{
        struct json_members members = json_members_of(line);
        struct json_member member;
        bool typed = false;
        *event = (struct watch_event){0};
        while (json_members_next(&members, &member)) {
                if (slice_is(member.key, "type"))
                        typed = type_parse(json_plain_string(member.value), &event->type);
                else if (slice_is(member.key, "object"))
                        event->object = member.value;
        }
        if (members.broken || !typed || event->object.len == 0)
                return false;
        if (event->type == EVENT_ERROR)
                error_read(event);
        else
                event->resource_version = json_plain_string(
                        member_find(member_find(event->object, "metadata"), "resourceVersion"));
        return true;
}

static bool line_end(struct watch_events *events, struct error *err)
{
        struct watch_event event;
        struct slice line = slice_trim(buffer_slice(&events->line));
        bool go_on = true;
        if (line.len > 0) {
                if (!event_read(line, &event))
                        return error_set(err, ERROR_INPUT, "a line that is no watch event");
                go_on = events->on_event(&event, events->self);
        }
        buffer_wipe(&events->line);
        return go_on;
}

bool watch_events_feed(struct watch_events *events, struct slice bytes, struct error *err)
{
        while (bytes.len > 0) {
                size_t end = slice_find(bytes, '\n');
                if (!buffer_append_secret(&events->line, slice_sub(bytes, 0, end)))
                        return error_set(err, ERROR_LIMIT, "an event of more than %d MiB",
                                         KUBE_ITEM_MAX >> 20);
                if (end < bytes.len && !line_end(events, err))
                        return false;
                bytes = slice_skip(bytes, end + 1);
        }
        return true;
}
