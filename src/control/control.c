#include "control/control.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "control/source/files.h"
#include "control/source/watch.h"
#include "snapshot/pin_changes.h"

enum {
        SOURCES_BYTES_MAX = 4096
};

struct control {
        struct control_options options;
        struct translation *current; /* what serves; NULL before the first */
        struct file_watch *watch;
        struct readings *readings;
        struct buffer sources; /* all paths, for the log */
        uint64_t generation;
        bool source_is_bad;
};

static uint64_t now_us(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static const char *const pin_words[PIN_KIND_COUNT] = {
        [PIN_SPKI] = "spki", [PIN_CERTIFICATE] = "cert", [PIN_ISSUER] = "issuer"};

static void on_pin_change(bool added, const struct pin *pin, const struct pin_list_place *place,
                          void *self)
{
        const struct control *control = self;
        struct pin_change_facts facts = {
                .generation = control->generation,
                .added = added,
                .kind = slice_of(pin_words[pin->kind]),
                .digest = pin->digest,
                .name = pin->name,
                .owner = pin->owner,
                .deny = place->deny,
                .object = place->source,
        };
        event_pin_change(control->options.sink, &facts);
}

static void tell_generation(struct control *control, const struct translation *next,
                            uint64_t began_us)
{
        const struct snapshot *snapshot = next->snapshot;
        const struct snapshot *former = control->current ? control->current->snapshot : NULL;
        size_t listeners = 0;
        for (size_t i = 0; i < snapshot->port_count; i++)
                listeners += snapshot->ports[i].listener_count;
        struct pin_changes changes = snapshot_pin_changes(former, snapshot, EVENT_PIN_CHANGES_MAX,
                                                          control, on_pin_change);
        struct generation_facts facts = {
                .generation = snapshot->generation,
                .digest = snapshot->digest,
                .sources = buffer_slice(&control->sources),
                .listeners = listeners,
                .routes = snapshot->route_count,
                .pins = snapshot->pin_count,
                .pins_added = changes.added,
                .pins_removed = changes.removed,
                .build_us = now_us() - began_us,
        };
        event_generation(control->options.sink, &facts);
}

/* Objects to a generation that everything is ready for; published whole or not at all. */
static bool publish(struct control *control, const struct objects *objects, uint64_t began_us,
                    struct error *err)
{
        const struct control_options *options = &control->options;
        const struct snapshot *former = control->current ? control->current->snapshot : NULL;
        struct translation *next;
        struct translate_request request = {.objects = objects,
                                            .previous = control->current,
                                            .generation = control->generation + 1,
                                            .now = (int64_t)time(NULL),
                                            .require_pinning = options->require_pinning};
        if (!translate(&request, &next, err))
                return false;
        next->snapshot->generation = request.generation;
        if (!tls_contexts_build_after(former, next->snapshot, options->tls, err) ||
            !options->hooks->on_prepare(next->snapshot, err, options->self)) {
                translation_free(next);
                return false;
        }
        control->generation = request.generation;
        publisher_publish(options->publisher, snapshot_ref(next->snapshot));
        options->hooks->on_published(next, options->self);
        /* Told once it is in force: finding what changed among a million pins takes its time. */
        tell_generation(control, next, began_us);
        translation_free(control->current);
        control->current = next;
        return true;
}

static bool read_and_publish(struct control *control, struct error *err)
{
        const struct control_options *options = &control->options;
        struct objects *objects;
        uint64_t began_us = now_us();
        if (!source_files_read(options->paths, options->path_count, control->readings, &objects,
                               err))
                return false;
        /* Files were touched, or read once more to be sure of them. */
        bool ok = !objects->changed || publish(control, objects, began_us, err);
        if (!ok) /* so that the same again is tried again */
                readings_forget(control->readings);
        if (ok && control->watch)
                file_watch_follow(control->watch, objects);
        objects_unref(objects);
        return ok;
}

static void tell_source(struct control *control, struct slice text)
{
        struct source_facts facts = {.generation = control->generation,
                                     .source = buffer_slice(&control->sources),
                                     .text = text};
        if (text.len > 0)
                event_source_error(control->options.sink, &facts);
        else if (control->source_is_bad)
                event_source_recovered(control->options.sink, &facts);
        control->source_is_bad = text.len > 0;
        control->options.hooks->on_source_error(text, control->options.self);
}

static void on_files_changed(void *self)
{
        struct control *control = self;
        struct error err = {.text = ""};
        bool ok = read_and_publish(control, &err);
        tell_source(control, ok ? SLICE_NONE : slice_of(err.text));
        snapshot_reap();
        event_sink_turn(control->options.sink);
}

static void name_sources(struct control *control)
{
        const struct control_options *options = &control->options;
        buffer_init(&control->sources, SOURCES_BYTES_MAX);
        for (size_t i = 0; i < options->path_count; i++)
                if (!buffer_printf(&control->sources, "%s%s", i ? ", " : "", options->paths[i]))
                        return; /* a log's line is cut anyway */
}

void control_reload(struct control *control)
{
        readings_forget(control->readings);
        on_files_changed(control);
}

bool control_start(const struct control_options *options, struct control **out, struct error *err)
{
        struct control *control = NEW(struct control);
        control->options = *options;
        control->readings = readings_new();
        name_sources(control);
        control->watch = file_watch_open(options->loop, options->paths, options->path_count,
                                         control, on_files_changed);
        if (!read_and_publish(control, err)) {
                control_stop(control);
                return false;
        }
        event_sink_turn(options->sink);
        *out = control;
        return true;
}

void control_stop(struct control *control)
{
        if (!control)
                return;
        file_watch_close(control->watch);
        readings_free(control->readings);
        translation_free(control->current);
        buffer_done(&control->sources);
        free(control);
}
