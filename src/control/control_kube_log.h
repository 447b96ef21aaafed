/* What the log is told of an API server: what can't be read of it, and what of its objects can't be
 * used. On the control thread. */
#pragma once

#include "control/api/object.h"
#include "control/translate/translate.h"

struct control;
struct kube_log;

enum { /* places of faults, behind the kinds */
        KUBE_PLACE_CHANGE = KIND_COUNT,
        KUBE_PLACE_FETCH,
        KUBE_PLACE_CRD,
        KUBE_PLACE_COUNT
};

/* All faults as one line, whenever it changes; empty: all are well. */
typedef void (*on_kube_told_fn)(struct slice text, void *self);

struct kube_log *kube_log_open(struct control *control, void *self, on_kube_told_fn on_told);
/* Memory returns in the loop's close callbacks. */
void kube_log_close(struct kube_log *log);

/* One line without the place's name; empty: it is well again. */
void kube_log_fault(struct kube_log *log, size_t place, struct slice text);
/* Of a kind, before its fault: the role lacks the rule for it, which stands behind all faults. */
void kube_log_forbid(struct kube_log *log, enum object_kind kind, bool forbidden);
bool kube_log_has_fault(const struct kube_log *log, size_t place);
/* An object that can't be used, a kind that is not installed. Of a kind's flood most are counted,
 * as of refusals (event/fold.h): whoever may write objects may edit a broken one all day. */
void kube_log_warn(struct kube_log *log, enum object_kind kind, struct slice text);
/* Pins that a CRD hides, apart: no flood of other warnings hides these. */
void kube_log_hidden(struct kube_log *log, struct slice text);
/* What no object's status says; once for as long as it is so. */
void kube_log_troubles(struct kube_log *log, const struct translation *translation);
/* Once a second: how many were only counted. */
void kube_log_beat(struct kube_log *log);
