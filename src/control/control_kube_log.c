#include "control/control_kube_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"
#include "base/must.h"
#include "control/control_parts.h"
#include "control/kube/rule.h"
#include "event/fold.h"

enum {
        FAULT_MS = 250,          /* faults that come together are told as one */
        FAULTS_BYTES_MAX = 1152, /* of a record's text: the rules of all kinds fit */
        TROUBLES_MAX = 32,       /* that are told of one generation */
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
        bool forbidden[KIND_COUNT];     /* of a kind with a fault: its rule is missing */
        struct buffer told;             /* of the faults */
        struct fold folds[FLOOD_COUNT];
        uv_timer_t tell;
};

/* --- faults --- */

static const char *place_name(size_t place)
{
        if (place < KIND_COUNT)
                return object_resource((enum object_kind)place);
        return place == KUBE_PLACE_CHANGE ? "change"
               : place == KUBE_PLACE_CRD  ? "CRD clientcertificatepolicies"
                                          : "objects referred to";
}

static bool told_before(const struct kube_log *log, size_t place)
{
        for (size_t i = 0; i < place; i++)
                if (log->faults[i] && strcmp(log->faults[i], log->faults[place]) == 0)
                        return true;
        return false;
}

static bool is_forbidden(const struct kube_log *log, size_t place)
{
        return place < KIND_COUNT && log->faults[place] && log->forbidden[place];
}

static bool forbidden_before(const struct kube_log *log, size_t place)
{
        for (size_t i = 0; i < place; i++)
                if (is_forbidden(log, i))
                        return true;
        return false;
}

/* With all other kinds of the same group; nothing if an earlier one has printed it. */
static void rule_print(const struct kube_log *log, size_t place, bool first, struct buffer *out)
{
        const char *group = object_group((enum object_kind)place);
        for (size_t i = 0; i < place; i++)
                if (is_forbidden(log, i) && strcmp(object_group((enum object_kind)i), group) == 0)
                        return;
        buffer_printf(out, "%s" RULE_BEGIN, first ? "; the role wants the rule " : ", and ", group);
        for (size_t i = place; i < KIND_COUNT; i++)
                if (is_forbidden(log, i) && strcmp(object_group((enum object_kind)i), group) == 0)
                        buffer_printf(out, "%s%s", i > place ? ", " : "",
                                      object_resource((enum object_kind)i));
        buffer_printf(out, RULE_END, RULE_VERBS_READ);
}

/* All that a role lacks at once: who has to add it should not be told of one kind after the other.
 */
static void rules_print(const struct kube_log *log, struct buffer *out)
{
        size_t count = 0;
        for (size_t i = 0; i < KIND_COUNT; i++)
                count += is_forbidden(log, i);
        if (count > 1)
                buffer_printf(out, "; and %zu other kind%s as well", count - 1,
                              count > 2 ? "s" : "");
        for (size_t i = 0; i < KIND_COUNT; i++)
                if (is_forbidden(log, i))
                        rule_print(log, i, !forbidden_before(log, i), out);
}

/* Where a server is away all kinds say the same, and say it once; so do those that are forbidden.
 */
static void faults_print(const struct kube_log *log, struct buffer *out)
{
        for (size_t i = 0; i < KUBE_PLACE_COUNT; i++) {
                size_t others = 0;
                if (!log->faults[i] || told_before(log, i) ||
                    (is_forbidden(log, i) && forbidden_before(log, i)))
                        continue;
                for (size_t k = i + 1; k < KUBE_PLACE_COUNT; k++)
                        others += log->faults[k] && strcmp(log->faults[k], log->faults[i]) == 0;
                buffer_printf(out, "%s%s", out->len ? "; " : "Kubernetes: ", place_name(i));
                if (others > 0)
                        buffer_printf(out, " and %zu other%s", others, others > 1 ? "s" : "");
                buffer_printf(out, ": %s", log->faults[i]);
        }
        rules_print(log, out);
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

void kube_log_forbid(struct kube_log *log, enum object_kind kind, bool forbidden)
{
        log->forbidden[kind] = forbidden;
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
