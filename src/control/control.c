#include "control/control_parts.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "snapshot/pin_changes.h"

enum {
        SOURCES_BYTES_MAX = 4096
};

uint64_t control_now_us(void)
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
                .build_us = control_now_us() - began_us,
        };
        event_generation(control->options.sink, &facts);
}

static struct translate_request request_of(struct control *control, const struct objects *objects)
{
        struct translate_request request = {.objects = objects,
                                            .previous = control->current,
                                            .prepared = control->prepared,
                                            .generation = control->generation + 1,
                                            .now = (int64_t)time(NULL),
                                            .require_pinning = control->options.require_pinning};
        if (control->options.kube) {
                request.pool = control->options.kube->pool;
                request.services = &control->options.kube->services;
        }
        return request;
}

bool control_translate(struct control *control, const struct objects *objects,
                       struct translation **out, struct error *err)
{
        struct translate_request request = request_of(control, objects);
        return translate(&request, out, err);
}

bool control_translate_endpoints(struct control *control, const struct objects *objects,
                                 struct translation **out)
{
        struct translate_request request = request_of(control, objects);
        return control->current && translate_endpoints(&request, control->current, out);
}

bool control_publish_translation(struct control *control, struct translation *next,
                                 uint64_t began_us, struct error *err)
{
        const struct control_options *options = &control->options;
        const struct snapshot *former = control->current ? control->current->snapshot : NULL;
        next->snapshot->generation = control->generation + 1;
        bool has_contexts = next->snapshot->base; /* its base's, which is in force */
        if ((!has_contexts &&
             !tls_contexts_build_after(former, next->snapshot, options->tls, err)) ||
            !options->hooks->on_prepare(next->snapshot, err, options->self)) {
                translation_free(next);
                return false;
        }
        control->generation = next->snapshot->generation;
        publisher_publish(options->publisher, snapshot_ref(next->snapshot));
        options->hooks->on_published(next, options->self);
        /* Told once it is in force: finding what changed among a million pins takes its time. */
        tell_generation(control, next, began_us);
        if (control->kube)
                control_kube_published(control->kube, next);
        translation_free(control->current);
        control->current = next;
        return true;
}

bool control_publish(struct control *control, const struct objects *objects, uint64_t began_us,
                     struct error *err)
{
        struct translation *next;
        return control_translate(control, objects, &next, err) &&
               control_publish_translation(control, next, began_us, err);
}

void control_tell_source(struct control *control, struct slice text)
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

static void name_sources(struct control *control)
{
        const struct control_options *options = &control->options;
        buffer_init(&control->sources, SOURCES_BYTES_MAX);
        if (options->kube)
                buffer_append(&control->sources,
                              slice_sub(options->kube->access->server, 0, SOURCES_BYTES_MAX));
        for (size_t i = 0; i < options->path_count; i++)
                if (!buffer_printf(&control->sources, "%s%s", i ? ", " : "", options->paths[i]))
                        return; /* a log's line is cut anyway */
}

void control_reload(struct control *control)
{
        if (control->kube)
                control_kube_reload(control->kube);
        else
                control_files_reload(control->files);
}

bool control_start(const struct control_options *options, struct control **out, struct error *err)
{
        struct control *control = NEW(struct control);
        control->options = *options;
        name_sources(control);
        if (!(options->kube ? control_kube_start : control_files_start)(control, err)) {
                control_stop(control);
                return false;
        }
        event_sink_turn(options->sink);
        *out = control;
        return true;
}

void control_leave(struct control *control)
{
        if (control && control->kube)
                control_kube_leave(control->kube);
}

bool control_left(const struct control *control)
{
        return !control || !control->kube || control_kube_left(control->kube);
}

void control_stop(struct control *control)
{
        if (!control)
                return;
        control_files_stop(control->files);
        control_kube_stop(control->kube);
        translation_free(control->current);
        buffer_done(&control->sources);
        free(control);
}
