#include "event/event.h"

#include <string.h>

static const struct {
        const char *token;
        enum event_log log;
} kinds[] = {
#define EVENT(name, token, where) {token, EVENT_LOG_##where},
#include "event/events.def"
#undef EVENT
};

const char *event_token(enum event_kind kind)
{
        return kinds[kind].token;
}

enum event_log event_log_of(enum event_kind kind)
{
        return kinds[kind].log;
}

void event_text_adopt(struct event *event, struct slice *s, size_t max)
{
        size_t room = sizeof(event->text) - event->text_len;
        size_t kept = s->len < max ? s->len : max;
        if (kept > room)
                kept = room;
        if (kept < s->len)
                event->truncated = true;
        if (kept == 0) {
                *s = SLICE_NONE;
                return;
        }
        char *to = event->text + event->text_len;
        memcpy(to, s->data, kept);
        event->text_len = (uint16_t)(event->text_len + kept);
        *s = slice_from(to, kept);
}
