/* Files and folders as the source: read whole at each change, which is one file parsed. */
#include <stdlib.h>

#include "base/memory.h"
#include "control/control_parts.h"
#include "control/source/files.h"
#include "control/source/watch.h"

struct control_files {
        struct control *control;
        struct file_watch *watch;
        struct readings *readings;
};

static bool read_and_publish(struct control_files *files, struct error *err)
{
        const struct control_options *options = &files->control->options;
        struct objects *objects;
        uint64_t began_us = control_now_us();
        if (!source_files_read(options->paths, options->path_count, files->readings, &objects, err))
                return false;
        /* Files were touched, or read once more to be sure of them. */
        bool ok = !objects->changed || control_publish(files->control, objects, began_us, err);
        if (!ok) /* so that the same again is tried again */
                readings_forget(files->readings);
        if (ok && files->watch)
                file_watch_follow(files->watch, objects);
        objects_unref(objects);
        return ok;
}

static void on_files_changed(void *self)
{
        struct control_files *files = self;
        struct error err = {.text = ""};
        bool ok = read_and_publish(files, &err);
        control_tell_source(files->control, ok ? SLICE_NONE : slice_of(err.text));
        snapshot_reap();
        event_sink_turn(files->control->options.sink);
}

bool control_files_start(struct control *control, struct error *err)
{
        const struct control_options *options = &control->options;
        struct control_files *files = NEW(struct control_files);
        files->control = control;
        files->readings = readings_new();
        files->watch = file_watch_open(options->loop, options->paths, options->path_count, files,
                                       on_files_changed);
        control->files = files;
        return read_and_publish(files, err);
}

void control_files_reload(struct control_files *files)
{
        readings_forget(files->readings);
        on_files_changed(files);
}

void control_files_stop(struct control_files *files)
{
        if (!files)
                return;
        file_watch_close(files->watch);
        readings_free(files->readings);
        free(files);
}
