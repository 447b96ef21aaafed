/* THE LIFE OF A CHANGE: sources are read, translated, made ready and published; what can't be read
 * changes nothing (design: the last good generation serves on). On the main thread's loop; it alone
 * writes the published generation. */
#pragma once

#include <uv.h>

#include "base/error.h"
#include "control/kube/access.h"
#include "control/report/service_diff.h"
#include "control/translate/served.h"
#include "event/emit.h"
#include "snapshot/publish.h"
#include "tls/context.h"

struct control;

/* When a kind of objects was last heard of. */
struct source_kind {
        const char *name;  /* "httproutes" */
        uint64_t heard_ms; /* monotonic, as uv_hrtime; 0: never */
        bool synced;
};

/* What the composition root adds: control knows neither workers nor pages. */
struct control_hooks {
        /* Opens what the snapshot needs. False: the generation is not published. */
        bool (*on_prepare)(const struct snapshot *snapshot, struct error *err, void *self);
        void (*on_published)(const struct translation *translation, void *self);
        /* The empty text: all sources are well again. */
        void (*on_source_error)(struct slice text, void *self);
        /* What the data plane has made of the newest generation; texts are the arena's. */
        void (*on_facts)(struct served_facts *facts, struct arena *arena, void *self);
        /* Once a second, of an API server. */
        void (*on_source_heard)(const struct source_kind *kinds, size_t count, void *self);
};

/* An API server instead of files. */
struct control_kube_options {
        const struct kube_access *access;
        struct slice identity; /* this replica's name, as its lease has it */
        struct slice pod_uid;  /* of the Pod of that name; empty: it is none */
        const struct address_pool
                *pool;                /* of Gateways' addresses; NULL: load balancers have them */
        struct service_plan services; /* which bear Gateways; its namespace is access->namespace */
        struct service_selector selector; /* of our own pods */
        uint64_t silence_ms;              /* without a byte; then a watch is begun anew */
};

struct control_options { /* what it points to outlives control */
        uv_loop_t *loop;
        const char *const *paths;
        size_t path_count;
        const struct control_kube_options *kube; /* NULL: paths */
        bool require_pinning;
        struct publisher *publisher;
        struct event_sink *sink;
        const struct tls_options *tls;
        const struct control_hooks *hooks;
        void *self;
};

/* Files: reads, publishes the first generation, then watches. False: the first reading failed; err
 * names file, line, object and field. An API server: begins to ask, and publishes once every kind
 * is known, however long that takes. */
bool control_start(const struct control_options *options, struct control **out, struct error *err);
void control_reload(struct control *control); /* as if every file, or object, had changed */
/* Hands over what only one replica may do, and tells the API server nothing from now on: 2 s at
 * most until control_left. What changes is still published. */
void control_leave(struct control *control);
bool control_left(const struct control *control);
/* After control_left. Stops watching; memory that the loop still knows returns in its close
 * callbacks. */
void control_stop(struct control *control);
