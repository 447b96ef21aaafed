#include "control/control_kube_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"
#include "base/must.h"
#include "control/control_parts.h"
#include "event/fold.h"

enum {
        FAULT_MS = 250,         /* faults that come together are told as one */
        FAULTS_BYTES_MAX = 900, /* of a record's text */
        TROUBLES_MAX = 32,      /* that are told of one generation */
};

enum { /* floods that are folded apart, behind the kinds */
        FLOOD_HIDDEN = KIND_COUNT,
        FLOOD_CLUSTER,
        FLOOD_COUNT
};

struct kube_log {
        struct control *control;
        on_kube_told_fn on_told;
        void *self;
        char *faults[KUBE_PLACE_COUNT]; /* of each kind, and of what follows. Owned */
        struct buffer told;             /* of the faults */
        struct fold folds[FLOOD_COUNT];
        uv_timer_t tell;
};

/* --- faults --- */

static const char *place_name(size_t place)
{
        if (place < KIND_COUNT)
                return object_resource((enum object_kind)place);
        return place == KUBE_PLACE_CHANGE ? "change" : "objects referred to";
}

static bool told_before(const struct kube_log *log, size_t place)
{
        for (size_t i = 0; i < place; i++)
                if (log->faults[i] && strcmp(log->faults[i], log->faults[place]) == 0)
                        return true;
        return false;
}

/* Where a server is away all kinds say the same, and say it once. */
static void faults_print(const struct kube_log *log, struct buffer *out)
{
        for (size_t i = 0; i < KUBE_PLACE_COUNT; i++) {
                size_t others = 0;
                if (!log->faults[i] || told_before(log, i))
                        continue;
                for (size_t k = i + 1; k < KUBE_PLACE_COUNT; k++)
                        others += log->faults[k] && strcmp(log->faults[k], log->faults[i]) == 0;
                buffer_printf(out, "%s%s", out->len ? "; " : "Kubernetes: ", place_name(i));
                if (others > 0)
                        buffer_printf(out, " and %zu other%s", others, others > 1 ? "s" : "");
                buffer_printf(out, ": %s", log->faults[i]);
        }
}

static void on_tell(uv_timer_t *timer)
{
        struct kube_log *log = timer->data;
        CLEANUP(buffer_done) struct buffer text;
        buffer_init(&text, FAULTS_BYTES_MAX);
        faults_print(log, &text);
        if (slice_equal(buffer_slice(&text), buffer_slice(&log->told)))
                return;
        buffer_clear(&log->told);
        buffer_append(&log->told, buffer_slice(&text));
        control_tell_source(log->control, buffer_slice(&log->told));
        log->on_told(buffer_slice(&log->told), log->self);
        event_sink_turn(log->control->options.sink);
}

void kube_log_fault(struct kube_log *log, size_t place, struct slice text)
{
        free(log->faults[place]);
        log->faults[place] = text.len > 0 ? memory_dup(text.data, text.len) : NULL;
        if (!uv_is_active((uv_handle_t *)&log->tell))
                must(uv_timer_start(&log->tell, on_tell, FAULT_MS, 0) == 0);
}

bool kube_log_has_fault(const struct kube_log *log, size_t place)
{
        return log->faults[place] != NULL;
}

/* --- warnings --- */

static const char *flood_where(size_t flood)
{
        if (flood < KIND_COUNT)
                return object_resource((enum object_kind)flood);
        return flood == FLOOD_HIDDEN ? object_resource(KIND_GATEWAY) : "cluster";
}

static void counted_tell(struct kube_log *log, size_t flood, uint64_t count)
{
        if (count > 0)
                event_warningf(log->control->options.sink, flood_where(flood),
                               "and %llu more such warnings, which came too fast to be written",
                               (unsigned long long)count);
}

static void warn(struct kube_log *log, size_t flood, struct slice text)
{
        uint64_t counted;
        int64_t now_ms = (int64_t)uv_now(log->control->options.loop);
        bool full = fold_take(&log->folds[flood], now_ms, &counted);
        counted_tell(log, flood, counted);
        if (full)
                event_warningf(log->control->options.sink, flood_where(flood), "%.*s",
                               SLICE_ARG(text));
}

void kube_log_warn(struct kube_log *log, enum object_kind kind, struct slice text)
{
        warn(log, kind, text);
}

void kube_log_hidden(struct kube_log *log, struct slice text)
{
        warn(log, FLOOD_HIDDEN, text);
}

void kube_log_beat(struct kube_log *log)
{
        int64_t now_ms = (int64_t)uv_now(log->control->options.loop);
        for (size_t i = 0; i < FLOOD_COUNT; i++)
                counted_tell(log, i, fold_tell(&log->folds[i], now_ms));
}

/* Whoever may write objects may write thousands that can't be used. */
static void troubles_index(const struct translation *translation, struct map *out)
{
        for (size_t i = 0; translation && i < translation->troubles.count; i++)
                map_set(out, translation->troubles.items[i], out); /* a set: any value does */
}

/* What no object's status says; once for as long as it is so. */
void kube_log_troubles(struct kube_log *log, const struct translation *translation)
{
        size_t count = translation->troubles.count, told = 0;
        struct map known = {0};
        troubles_index(log->control->current, &known);
        for (size_t i = 0; i < count && told <= TROUBLES_MAX; i++) {
                struct slice trouble = translation->troubles.items[i];
                if (map_find(&known, trouble) || ++told > TROUBLES_MAX)
                        continue;
                warn(log, FLOOD_CLUSTER, trouble);
        }
        if (told > TROUBLES_MAX)
                event_warningf(log->control->options.sink, "cluster",
                               "and others: there are %zu such", count);
        map_done(&known);
}

/* --- life --- */

struct kube_log *kube_log_open(struct control *control, void *self, on_kube_told_fn on_told)
{
        struct kube_log *log = NEW(struct kube_log);
        log->control = control;
        log->self = self;
        log->on_told = on_told;
        buffer_init(&log->told, FAULTS_BYTES_MAX);
        must(uv_timer_init(control->options.loop, &log->tell) == 0);
        log->tell.data = log;
        return log;
}

static void on_closed(uv_handle_t *handle)
{
        free(handle->data);
}

void kube_log_close(struct kube_log *log)
{
        for (size_t i = 0; i < KUBE_PLACE_COUNT; i++)
                free(log->faults[i]);
        buffer_done(&log->told);
        uv_close((uv_handle_t *)&log->tell, on_closed);
}
