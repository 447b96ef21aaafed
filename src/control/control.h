/* THE LIFE OF A CHANGE: sources are read, translated, made ready and published; what can't be read
 * changes nothing (design: the last good generation serves on). On the main thread's loop; it alone
 * writes the published generation. */
#pragma once

#include <uv.h>

#include "base/error.h"
#include "control/translate/served.h"
#include "event/emit.h"
#include "snapshot/publish.h"
#include "tls/context.h"

struct control;

/* What the composition root adds: control knows neither workers nor pages. */
struct control_hooks {
        /* Opens what the snapshot needs. False: the generation is not published. */
        bool (*on_prepare)(const struct snapshot *snapshot, struct error *err, void *self);
        void (*on_published)(const struct translation *translation, void *self);
        /* The empty text: all sources are well again. */
        void (*on_source_error)(struct slice text, void *self);
        /* What the data plane has made of the newest generation; texts are the arena's. */
        void (*on_facts)(struct served_facts *facts, struct arena *arena, void *self);
};

struct control_options { /* what it points to outlives control */
        uv_loop_t *loop;
        const char *const *paths;
        size_t path_count;
        bool require_pinning;
        struct publisher *publisher;
        struct event_sink *sink;
        const struct tls_options *tls;
        const struct control_hooks *hooks;
        void *self;
};

/* Reads, publishes the first generation, then watches. False: the first reading failed; err names
 * file, line, object and field. */
bool control_start(const struct control_options *options, struct control **out, struct error *err);
void control_reload(struct control *control); /* as if every file had changed */
/* Stops watching; memory that the loop still knows returns in its close callbacks. */
void control_stop(struct control *control);
