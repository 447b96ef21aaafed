#include "control/source/folder_events.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/map.h"
#include "base/memory.h"
#include "base/must.h"

enum {
        WRITTEN_MAX = 64, /* names in the making that are told apart; with more, nothing is whole */
        EVENT_BYTES = 16 * 1024,
        EVENTS_ASKED = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE |
                       IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR,
};

struct folder_events {
        uv_poll_t poll;
        uv_loop_t *loop;
        int fd;                        /* -1: the kernel gives no events */
        uint64_t written[WRITTEN_MAX]; /* hashes of folder and name */
        size_t written_count;
        bool overrun, moved;
        uint64_t last_ms;
        void *self;
        on_folder_event_fn on_event;
        void (*on_closed)(void *self);
};

/* --- what happened --- */

static void written_remove(struct folder_events *events, uint64_t name)
{
        for (size_t i = 0; i < events->written_count; i++)
                if (events->written[i] == name)
                        events->written[i--] = events->written[--events->written_count];
}

static void written_add(struct folder_events *events, uint64_t name)
{
        written_remove(events, name);
        if (events->written_count == WRITTEN_MAX)
                events->overrun = true;
        else
                events->written[events->written_count++] = name;
}

static void event_take(struct folder_events *events, const struct inotify_event *event)
{
        if (event->mask & IN_Q_OVERFLOW)
                events->overrun = true;
        if (event->len == 0)
                return; /* of the folder itself */
        uint64_t parts[2] = {(uint64_t)event->wd, hash_bytes(event->name, strlen(event->name))};
        uint64_t name = hash_bytes(parts, sizeof(parts));
        if (event->mask & (IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE))
                written_remove(events, name);
        else if (!(event->mask & IN_ISDIR))
                written_add(events, name);
        events->moved |= (event->mask & IN_MOVED_TO) != 0;
}

/* True: something was told. */
static bool take(struct folder_events *events)
{
        alignas(struct inotify_event) char bytes[EVENT_BYTES];
        bool any = false;
        ssize_t len;
        while (events->fd >= 0 && (len = read(events->fd, bytes, sizeof(bytes))) > 0) {
                const char *at = bytes, *end = bytes + len;
                for (; at < end; at += sizeof(struct inotify_event) +
                                       ((const struct inotify_event *)(const void *)at)->len)
                        event_take(events, (const struct inotify_event *)(const void *)at);
                any = true;
        }
        if (any)
                events->last_ms = uv_now(events->loop);
        return any;
}

void folder_events_drain(struct folder_events *events)
{
        (void)take(events);
}

bool folder_events_only_moved(const struct folder_events *events, uint64_t quiet_ms)
{
        return events->moved && !events->overrun && events->written_count == 0 &&
               uv_now(events->loop) - events->last_ms >= quiet_ms;
}

void folder_events_forget(struct folder_events *events)
{
        events->written_count = 0;
        events->overrun = events->moved = false;
}

/* --- the loop --- */

static void on_readable(uv_poll_t *poll, int status, int what)
{
        struct folder_events *events = poll->data;
        (void)status, (void)what;
        if (take(events))
                events->on_event(events->self);
}

struct folder_events *folder_events_open(uv_loop_t *loop, void *self, on_folder_event_fn on_event)
{
        struct folder_events *events = NEW(struct folder_events);
        *events = (struct folder_events){.loop = loop, .self = self, .on_event = on_event};
        events->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (events->fd < 0)
                return events;
        must(uv_poll_init(loop, &events->poll, events->fd) == 0);
        events->poll.data = events;
        must(uv_poll_start(&events->poll, UV_READABLE, on_readable) == 0);
        return events;
}

void folder_events_follow(struct folder_events *events, const char *folder)
{
        if (events->fd >= 0)
                (void)inotify_add_watch(events->fd, folder, EVENTS_ASKED);
}

static void done(struct folder_events *events)
{
        if (events->fd >= 0)
                close(events->fd);
        events->on_closed(events->self);
        free(events);
}

static void on_poll_closed(uv_handle_t *handle)
{
        done(handle->data);
}

void folder_events_close(struct folder_events *events, void (*on_closed)(void *self))
{
        events->on_closed = on_closed;
        if (events->fd >= 0)
                uv_close((uv_handle_t *)&events->poll, on_poll_closed);
        else
                done(events);
}
