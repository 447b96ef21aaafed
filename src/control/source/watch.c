#include "control/source/watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/must.h"
#include "base/vec.h"
#include "control/source/folder_events.h"
#include "control/source/stamp.h"

enum {
        LOOK_MS = 250,       /* between looks while nothing happens */
        SETTLE_MS = 50,      /* between looks while something does */
        EVENT_MS = 10,       /* from a kernel event to the look, and of quiet after a rename */
        UNREST_MS_MAX = 500, /* then it is told as it is */
        FOLDERS_MAX = 256,   /* with kernel events; the rest has looks */
};

#define NEVER_SEEN 0 /* no look gives it: hash_bytes is never 0 */

enum watch_state {
        WATCH_RESTING,  /* as told last */
        WATCH_SETTLING, /* something changed, and may still */
        WATCH_CLOSED,   /* waits for the loop to let go of the handles */
};

struct file_watch {
        enum watch_state state;
        uv_timer_t timer;
        const char *const *paths;
        size_t path_count;
        VEC(char *) beside; /* owned */
        struct folder_events *events;
        VEC(char *) folder_names; /* owned; of all folders that were tried */
        uint64_t told, seen;      /* what the looks made of it all */
        uint64_t unrest_since_ms, seen_ms;
        size_t open_handles;
        void *self;
        on_files_changed_fn on_changed;
};

/* --- a look --- */

static uint64_t look(const struct file_watch *watch)
{
        uint64_t all = 1;
        for (size_t i = 0; i < watch->path_count; i++)
                all = stamp_mix(all, path_stamp(watch->paths[i]));
        vec_each (path, &watch->beside)
                all = stamp_mix(all, path_stamp(*path));
        return all;
}

/* --- the state --- */

static void on_timer(uv_timer_t *timer);

static void look_in(struct file_watch *watch, uint64_t ms)
{
        must(uv_timer_start(&watch->timer, on_timer, ms, 0) == 0);
}

static void rest(struct file_watch *watch)
{
        watch->state = WATCH_RESTING;
        folder_events_forget(watch->events);
        look_in(watch, LOOK_MS);
}

static void tell(struct file_watch *watch, uint64_t seen)
{
        watch->told = seen;
        rest(watch);
        watch->on_changed(watch->self);
}

/* What is moved into place is whole, and only its companions are waited for. Any other change may
 * be the half of one. */
static bool is_settled(const struct file_watch *watch, uint64_t seen, uint64_t now)
{
        if (folder_events_only_moved(watch->events, EVENT_MS))
                return true;
        if (watch->state != WATCH_SETTLING)
                return false;
        return now - watch->unrest_since_ms >= UNREST_MS_MAX ||
               (seen == watch->seen && now - watch->seen_ms >= SETTLE_MS);
}

static void on_timer(uv_timer_t *timer)
{
        struct file_watch *watch = timer->data;
        uint64_t seen = look(watch), now = uv_now(timer->loop);
        if (seen == watch->told) {
                rest(watch);
                return;
        }
        folder_events_drain(watch->events); /* also what happened while it looked */
        if (is_settled(watch, seen, now)) {
                tell(watch, seen);
                return;
        }
        if (watch->state != WATCH_SETTLING)
                watch->unrest_since_ms = now;
        if (watch->state != WATCH_SETTLING || seen != watch->seen)
                watch->seen_ms = now;
        watch->state = WATCH_SETTLING;
        watch->seen = seen;
        look_in(watch, folder_events_only_moved(watch->events, 0) ? EVENT_MS : SETTLE_MS);
}

static void on_folder_event(void *self)
{
        struct file_watch *watch = self;
        /* Only ever sooner: a stream of events must not push the look away. */
        if (watch->state == WATCH_RESTING && uv_timer_get_due_in(&watch->timer) > EVENT_MS)
                look_in(watch, EVENT_MS);
}

/* --- handles --- */

static void handle_closed(struct file_watch *watch)
{
        if (--watch->open_handles > 0)
                return;
        vec_each (name, &watch->folder_names)
                free(*name);
        vec_each (path, &watch->beside)
                free(*path);
        vec_done(&watch->folder_names);
        vec_done(&watch->beside);
        free(watch);
}

static void on_events_closed(void *self)
{
        handle_closed(self);
}

static void on_timer_closed(uv_handle_t *handle)
{
        handle_closed(handle->data);
}

static bool listed(char *const *items, size_t count, const char *text)
{
        for (size_t i = 0; i < count; i++)
                if (strcmp(items[i], text) == 0)
                        return true;
        return false;
}

static void folder_open(struct file_watch *watch, const char *name)
{
        if (watch->folder_names.count >= FOLDERS_MAX ||
            listed(watch->folder_names.items, watch->folder_names.count, name))
                return;
        char *copy = memory_dup(name, strlen(name));
        vec_push(&watch->folder_names, copy);
        folder_events_follow(watch->events, name);
}

static void events_of_path(struct file_watch *watch, const char *path)
{
        struct stat about;
        const char *slash = strrchr(path, '/');
        if (stat(path, &about) == 0 && S_ISDIR(about.st_mode)) {
                folder_open(watch, path);
                return;
        }
        char *parent = slash ? memory_dup(path, slash == path ? 1 : (size_t)(slash - path))
                             : memory_dup(".", 1);
        folder_open(watch, parent);
        free(parent);
}

struct file_watch *file_watch_open(uv_loop_t *loop, const char *const *paths, size_t count,
                                   void *self, on_files_changed_fn on_changed)
{
        struct file_watch *watch = NEW(struct file_watch);
        watch->paths = paths;
        watch->path_count = count;
        watch->self = self;
        watch->on_changed = on_changed;
        must(uv_timer_init(loop, &watch->timer) == 0);
        watch->timer.data = watch;
        watch->events = folder_events_open(loop, watch, on_folder_event);
        watch->open_handles = 2;
        for (size_t i = 0; i < count; i++)
                events_of_path(watch, paths[i]);
        watch->told = look(watch);
        rest(watch);
        return watch;
}

static bool within_paths(const struct file_watch *watch, const char *file)
{
        for (size_t i = 0; i < watch->path_count; i++) {
                size_t len = strlen(watch->paths[i]);
                if (strncmp(file, watch->paths[i], len) != 0)
                        continue;
                /* A folder's look covers its own entries, not those of folders within. */
                if (file[len] == '\0' ||
                    (file[len] == '/' && !strchr(file + len + 1, '/') && file[len + 1] != '.'))
                        return true;
        }
        return false;
}

void file_watch_follow(struct file_watch *watch, const struct objects *objects)
{
        bool fresh = false;
        vec_each (file, &objects->files) {
                fresh |= file->fresh;
                char *path = memory_dup(file->path.data, file->path.len);
                if (within_paths(watch, path) ||
                    listed(watch->beside.items, watch->beside.count, path)) {
                        free(path);
                        continue;
                }
                vec_push(&watch->beside, path);
                events_of_path(watch, path);
                /* As it was when it was read: the next look sees what happened since. */
                watch->told = stamp_mix(watch->told, file->stamp);
        }
        if (!fresh || watch->state != WATCH_RESTING)
                return;
        watch->told = NEVER_SEEN;
        look_in(watch, SETTLE_MS);
}

void file_watch_close(struct file_watch *watch)
{
        if (!watch)
                return;
        must(watch->state != WATCH_CLOSED);
        watch->state = WATCH_CLOSED;
        folder_events_close(watch->events, on_events_closed);
        uv_close((uv_handle_t *)&watch->timer, on_timer_closed);
}
