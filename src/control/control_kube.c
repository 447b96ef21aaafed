/* An API server as the source: what its reflectors hold is translated at each change and published.
 * Nothing is published before every kind is known, nor while it is not known whether a Secret or
 * ConfigMap is there that somebody refers to (I42). */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/must.h"
#include "control/control_kube_crd.h"
#include "control/control_kube_log.h"
#include "control/control_kube_pairs.h"
#include "control/control_parts.h"
#include "control/kube/client.h"
#include "control/kube/fetch.h"
#include "control/kube/reflector.h"
#include "control/kube/store.h"
#include "control/report/lease.h"
#include "control/report/report.h"
#include "control/report/services.h"
#include "control/report/status_digest.h"

enum {
        TURN_MS = 5, /* changes that come together are one translation */
        TURN_MS_MAX = 250,
        AGAIN_MS = 5000, /* what could not be published is tried again without a change */
        HELD_MS_MAX = 1000,
        CAUGHT_UP_MS = 250, /* of a watch that is accepted again: what it missed comes at once */
        BEAT_MS = 1000,
};

enum kube_state {
        KUBE_FIRST_WAVE,  /* all kinds are listed, but for Secrets and ConfigMaps */
        KUBE_SECOND_WAVE, /* those too: it is known which of them are wanted */
        KUBE_SERVING,
};

static const unsigned may_become[] = {
        [KUBE_FIRST_WAVE] = BIT(KUBE_SECOND_WAVE),
        [KUBE_SECOND_WAVE] = BIT(KUBE_SERVING),
        [KUBE_SERVING] = 0,
};

struct control_kube {
        struct control *control;
        enum kube_state state;
        struct kube_client *client;
        struct kube_store *store;
        struct kube_fetch *fetch; /* Secrets and ConfigMaps that came to be wanted */
        struct lease *lease; /* NULL before the first generation: who serves nothing leads nobody */
        struct report *report;     /* the same, and NULL once we leave */
        struct services *services; /* the same */
        bool leaving, left;
        struct reflector *reflectors[KIND_COUNT];
        struct kube_pairs *pairs; /* between the waves and the first generation; else NULL */
        struct kube_log *log;
        struct kube_crd *crd; /* of policies that are gone */
        uv_timer_t turn, beat;
        size_t open_timers;
        uint64_t turn_ended_ms, turn_took_ms;
        bool changed;             /* since the last turn */
        uint64_t trusted_from_ms; /* policies have not been out of hearing since then */
        uint64_t held_since_ms;   /* that a Secret or ConfigMap is not known; 0: all are */
        uint64_t waits_since_ms;  /* that a change waits for policies to be heard; 0: none does */
        bool policies_listed;     /* this very turn of the loop, for such a change */
        bool only_endpoints;      /* since the last generation nothing else has changed */
};

static void turn_soon(struct control_kube *kube);
static void on_turn(uv_timer_t *timer);

static void become(struct control_kube *kube, enum kube_state state)
{
        must(may_become[kube->state] & BIT(state));
        kube->state = state;
}

/* Who does not hear of a new policy may let somebody in: what other kinds say meanwhile waits, so
 * that no Gateway opens before its policy is heard of. No other kind is waited for, as a pin that
 * was heard to be removed would wait with it. That policies are listed anew, or their watch asked
 * for, is no fault, and may take as long. Whether they are gone with their CRD no list can say. */
static bool policies_unknown(const struct control_kube *kube)
{
        return kube_crd_holds(kube->crd) ||
               (!kube->policies_listed && (kube_log_has_fault(kube->log, KIND_POLICY) ||
                                           !reflector_hears(kube->reflectors[KIND_POLICY])));
}

/* --- from the store to a generation --- */

static bool is_second_wave(size_t kind)
{
        return kind == KIND_SECRET || kind == KIND_CONFIG_MAP;
}

/* They have no field that refers to a Secret or ConfigMap, and there can be ten thousand of them.
 */
static bool wants_nothing(size_t kind)
{
        return kind == KIND_HTTP_ROUTE || kind == KIND_GRPC_ROUTE || kind == KIND_TLS_ROUTE ||
               kind == KIND_TCP_ROUTE || kind == KIND_SERVICE || kind == KIND_ENDPOINT_SLICE;
}

/* All that the state waits for. */
static bool all_synced(const struct control_kube *kube)
{
        bool first = kube->state == KUBE_FIRST_WAVE;
        for (size_t i = 0; i < KIND_COUNT; i++)
                if (!(first && (is_second_wave(i) || wants_nothing(i))) &&
                    !reflector_synced(kube->reflectors[i]))
                        return false;
        return true;
}

static void want(struct control_kube *kube, const struct translation *translation)
{
        kube_store_want_begin(kube->store);
        for (size_t i = 0; i < translation->wanted.count; i++) {
                const struct wanted_object *wanted = &translation->wanted.items[i];
                kube_store_want(kube->store, wanted->kind, wanted->namespace, wanted->name);
        }
        kube_store_want_end(kube->store);
}

static void reflect(struct control_kube *kube, enum object_kind kind);

/* Translated only to learn what is wanted. What routes add to that after all is asked for as what
 * comes to be wanted at any other time. */
static void second_wave_begin(struct control_kube *kube, struct translation *translation)
{
        want(kube, translation);
        kube->pairs = kube_pairs_open(kube->control->options.loop, kube->store, translation);
        kube->control->prepared = kube_pairs_cache(kube->pairs);
        translation_free(translation);
        become(kube, KUBE_SECOND_WAVE);
        reflect(kube, KIND_SECRET);
        reflect(kube, KIND_CONFIG_MAP);
}

/* The generation holds what it took of them. */
static void pairs_end(struct control_kube *kube)
{
        kube->control->prepared = NULL;
        kube_pairs_close(kube->pairs);
        kube->pairs = NULL;
}

/* A pin's removal waits for no Secret longer than that: what is not known by then is not there, as
 * far as this generation is concerned, and only who refers to it is narrowed by that. */
static bool is_held(struct control_kube *kube)
{
        uint64_t now = uv_now(kube->control->options.loop);
        if (kube_fetch_unknown(kube->fetch) == 0) {
                kube->held_since_ms = 0;
                return false;
        }
        if (kube->held_since_ms == 0)
                kube->held_since_ms = now;
        if (kube->state == KUBE_SERVING && now - kube->held_since_ms >= HELD_MS_MAX)
                return false;
        must(uv_timer_start(&kube->turn, on_turn, HELD_MS_MAX, 0) == 0);
        return true;
}

static uint64_t statuses_digest(const struct translation *translation)
{
        uint64_t digest = translation->statuses.count;
        for (size_t i = 0; i < translation->statuses.count; i++)
                digest = digest * 31 + status_digest(&translation->statuses.items[i]);
        return digest;
}

/* In a cluster endpoints come and go all the time, mostly of Services that nobody routes to. */
static bool says_nothing_new(const struct control_kube *kube, const struct translation *next)
{
        const struct translation *current = kube->control->current;
        return current && kube->only_endpoints &&
               memcmp(&current->snapshot->digest, &next->snapshot->digest, sizeof(struct digest)) ==
                       0 &&
               statuses_digest(current) == statuses_digest(next);
}

static bool publish(struct control_kube *kube, struct translation *translation, uint64_t began_us,
                    struct error *err)
{
        want(kube, translation);
        /* While it is held it is made anew, once all is known. */
        if (is_held(kube) || says_nothing_new(kube, translation)) {
                translation_free(translation);
                return true;
        }
        kube->only_endpoints = true;
        if (!control_publish_translation(kube->control, translation, began_us, err))
                return kube->only_endpoints = false;
        if (kube->state != KUBE_SERVING)
                become(kube, KUBE_SERVING);
        pairs_end(kube);
        return true;
}

static bool change_take(struct control_kube *kube, struct error *err)
{
        struct translation *translation;
        uint64_t began_us = control_now_us();
        struct objects *objects = kube_store_objects(kube->store);
        bool ok = (kube->only_endpoints && kube->held_since_ms == 0 &&
                   control_translate_endpoints(kube->control, objects, &translation)) ||
                  control_translate(kube->control, objects, &translation, err);
        objects_unref(objects);
        if (!ok || !translation)
                return ok;
        if (kube->state != KUBE_FIRST_WAVE)
                return publish(kube, translation, began_us, err);
        second_wave_begin(kube, translation);
        return true;
}

static void on_turn(uv_timer_t *timer)
{
        struct control_kube *kube = timer->data;
        bool early = !kube->policies_listed &&
                     uv_now(kube->control->options.loop) < kube->trusted_from_ms;
        bool unknown = policies_unknown(kube);
        kube->policies_listed = false;
        if (unknown || early) {
                turn_soon(kube); /* a fault came, or went, since it was asked for */
                return;
        }
        kube->changed = false;
        kube->waits_since_ms = 0;
        struct error err = {.text = ""};
        uint64_t began_us = control_now_us();
        bool ok = change_take(kube, &err);
        if (!ok || kube_log_has_fault(kube->log, KUBE_PLACE_CHANGE))
                kube_log_fault(kube->log, KUBE_PLACE_CHANGE, ok ? SLICE_NONE : slice_of(err.text));
        uv_update_time(kube->control->options.loop);
        kube->turn_ended_ms = uv_now(kube->control->options.loop);
        kube->turn_took_ms = (control_now_us() - began_us) / 1000;
        if (!ok)
                must(uv_timer_start(&kube->turn, on_turn, AGAIN_MS, 0) == 0);
        snapshot_reap();
        event_sink_turn(kube->control->options.sink);
}

/* Soon after a first change; half as long after the former turn as that one took, so that a storm
 * of changes leaves a third of the thread to reading them. */
static void turn_soon(struct control_kube *kube)
{
        uint64_t now = uv_now(kube->control->options.loop), pause = kube->turn_took_ms / 2;
        uint64_t wait = TURN_MS;
        kube->changed = true;
        if (kube->waits_since_ms == 0)
                kube->waits_since_ms = now;
        if (!all_synced(kube) || policies_unknown(kube))
                return;
        if (kube->trusted_from_ms > now + wait)
                wait = kube->trusted_from_ms - now;
        if (pause > TURN_MS_MAX)
                pause = TURN_MS_MAX;
        if (kube->turn_ended_ms + pause > now + wait)
                wait = kube->turn_ended_ms + pause - now;
        if (!uv_is_active((uv_handle_t *)&kube->turn) || uv_timer_get_due_in(&kube->turn) > wait)
                must(uv_timer_start(&kube->turn, on_turn, wait, 0) == 0);
}

/* --- what reflectors say --- */

static void on_change(enum object_kind kind, void *self)
{
        struct control_kube *kube = self;
        kube->only_endpoints &= kind == KIND_ENDPOINT_SLICE;
        turn_soon(kube);
}

static unsigned kinds_absent(const struct control_kube *kube)
{
        unsigned kinds = 0;
        for (size_t i = 0; i < KIND_COUNT; i++)
                if (kube->reflectors[i] && reflector_absent(kube->reflectors[i]))
                        kinds |= BIT(i);
        return kinds;
}

/* A list of policies that is over is as good as a watch that is open, for this moment. A change
 * that has waited for one does not wait for a watch that ends again and again. */
static void policies_heard(struct control_kube *kube)
{
        uint64_t now = uv_now(kube->control->options.loop);
        if (kube->state != KUBE_SERVING || !kube->changed ||
            now - kube->waits_since_ms < HELD_MS_MAX)
                return;
        kube->policies_listed = true;
        must(uv_timer_start(&kube->turn, on_turn, 0, 0) == 0);
}

/* A list that changed nothing says something new only where it was waited for. */
static void on_synced(enum object_kind kind, void *self)
{
        struct control_kube *kube = self;
        if (kube->report)
                report_lacks(kube->report, kinds_absent(kube));
        if (kube->state != KUBE_SERVING || kube->held_since_ms > 0)
                turn_soon(kube);
        if (kind == KIND_POLICY)
                policies_heard(kube);
}

static void on_hearing(enum object_kind kind, void *self)
{
        struct control_kube *kube = self;
        if (kind != KIND_POLICY)
                return;
        if (kube->state == KUBE_SERVING)
                kube->trusted_from_ms = uv_now(kube->control->options.loop) + CAUGHT_UP_MS;
        if (kube->changed)
                turn_soon(kube); /* what waited for it */
}

static void on_fault(enum object_kind kind, struct slice text, bool forbidden, void *self)
{
        struct control_kube *kube = self;
        kube_log_forbid(kube->log, kind, forbidden);
        kube_log_fault(kube->log, kind, text);
}

static void on_warning(enum object_kind kind, struct slice text, void *self)
{
        struct control_kube *kube = self;
        kube_log_warn(kube->log, kind, text);
}

static void on_hidden(struct slice text, void *self)
{
        struct control_kube *kube = self;
        kube_log_hidden(kube->log, text);
}

static const struct reflector_hooks reflector_hooks = {on_change, on_synced,  on_hearing,
                                                       on_fault,  on_warning, on_hidden};

static void on_told(struct slice text, void *self)
{
        struct control_kube *kube = self;
        if (kube->report)
                report_fault(kube->report, text);
}

static void on_fetch_fault(struct slice text, void *self)
{
        struct control_kube *kube = self;
        kube_log_fault(kube->log, KUBE_PLACE_FETCH, text);
}

static void on_policies_known(void *self)
{
        struct control_kube *kube = self;
        if (kube->changed)
                turn_soon(kube);
}

static void on_fetched(void *self)
{
        struct control_kube *kube = self;
        kube->only_endpoints = false;
        turn_soon(kube);
}

/* What a list that is under way may have passed by already is looked for when that is over, as
 * on_synced says. Begun anew for each edit of somebody who refers to ever new names it would never
 * end, and nobody's changes would be heard. */
static void on_fetch_relist(enum object_kind kind, void *self)
{
        struct control_kube *kube = self;
        if (!reflector_lists(kube->reflectors[kind]))
                reflector_relist(kube->reflectors[kind]);
}

static const struct kube_fetch_hooks fetch_hooks = {on_fetched, on_fetch_fault, on_fetch_relist};

static void on_entry(enum object_kind kind, struct slice namespace, struct slice name,
                     const struct kube_entry *entry, void *self)
{
        const struct control_kube *kube = self;
        if (kind == KIND_POLICY && !entry && kube->state == KUBE_SERVING)
                kube_crd_ask(kube->crd);
        if (kind == KIND_SECRET && entry)
                kube_pairs_heard(kube->pairs, namespace, name);
        if (!kube->report)
                return;
        report_heard(kube->report, kind, namespace, name);
        if (kind == KIND_SERVICE)
                services_heard(kube->services);
}

static void on_beat(uv_timer_t *timer)
{
        struct control_kube *kube = timer->data;
        const struct control_options *options = &kube->control->options;
        struct source_kind kinds[KIND_COUNT];
        kube_log_beat(kube->log);
        for (size_t i = 0; i < KIND_COUNT; i++) {
                const struct reflector *reflector = kube->reflectors[i];
                kinds[i] = (struct source_kind){.name = object_resource((enum object_kind)i)};
                if (!reflector)
                        continue;
                kinds[i].synced = reflector_synced(reflector);
                kinds[i].heard_ms = reflector_heard_ms(reflector);
        }
        if (options->hooks->on_source_heard)
                options->hooks->on_source_heard(kinds, KIND_COUNT, options->self);
}

/* Kinds that only ever grant: an API server without them has none. */
static bool only_grants(enum object_kind kind)
{
        return kind == KIND_TCP_ROUTE || kind == KIND_TLS_ROUTE || kind == KIND_GRPC_ROUTE ||
               kind == KIND_LISTENER_SET;
}

static void reflect(struct control_kube *kube, enum object_kind kind)
{
        struct reflector_options options = {.loop = kube->control->options.loop,
                                            .client = kube->client,
                                            .store = kube->store,
                                            .kind = kind,
                                            .optional = only_grants(kind),
                                            .silence_ms = kube->control->options.kube->silence_ms,
                                            .hooks = &reflector_hooks,
                                            .self = kube};
        kube->reflectors[kind] = reflector_open(&options);
}

static void timer_open(struct control_kube *kube, uv_timer_t *timer)
{
        must(uv_timer_init(kube->control->options.loop, timer) == 0);
        timer->data = kube;
        kube->open_timers++;
}

/* --- what the API server is told --- */

static void on_leading(bool leading, void *self)
{
        const struct control_kube *kube = self;
        (void)leading;
        if (kube->report)
                report_look(kube->report);
}

static void on_replicas(void *self)
{
        on_leading(true, self);
}

static void lease_begin(struct control_kube *kube)
{
        const struct control_options *options = &kube->control->options;
        struct lease_options lease = {.loop = options->loop,
                                      .client = kube->client,
                                      .namespace = options->kube->access->namespace,
                                      .identity = options->kube->identity,
                                      .pod_uid = options->kube->pod_uid,
                                      .sink = options->sink,
                                      .self = kube,
                                      .on_leading = on_leading,
                                      .on_replicas = on_replicas};
        kube->lease = lease_open(&lease);
}

static void report_begin(struct control_kube *kube)
{
        const struct control_options *options = &kube->control->options;
        lease_begin(kube);
        struct api_side side = {.loop = options->loop,
                                .client = kube->client,
                                .store = kube->store,
                                .lease = kube->lease,
                                .sink = options->sink};
        struct report_options report = {.side = side,
                                        .pooled = options->kube->pool != NULL,
                                        .namespace = options->kube->access->namespace,
                                        .identity = options->kube->identity,
                                        .on_facts = options->hooks->on_facts,
                                        .self = options->self};
        kube->report = report_open(&report);
        struct services_options services = {.side = side,
                                            .namespace = options->kube->services.namespace,
                                            .balanced = !options->kube->pool,
                                            .selector = options->kube->selector};
        kube->services = services_open(&services);
}

void control_kube_published(struct control_kube *kube, const struct translation *translation)
{
        kube_log_troubles(kube->log, translation);
        if (kube->leaving)
                return;
        if (!kube->report)
                report_begin(kube);
        report_lacks(kube->report, kinds_absent(kube));
        report_take(kube->report, translation);
        services_take(kube->services, translation);
}

/* --- from outside --- */

bool control_kube_start(struct control *control, struct error *err)
{
        const struct control_options *options = &control->options;
        struct kube_client *client =
                kube_client_open(options->loop, options->kube->access, options->sink, err);
        if (!client)
                return false;
        struct control_kube *kube = NEW(struct control_kube);
        control->kube = kube;
        kube->control = control;
        kube->client = client;
        kube->store = kube_store_new();
        kube_store_keep(kube->store, KIND_SERVICE, "loadBalancer");
        if (options->kube->pool) /* which a Gateway was given: its status alone remembers */
                kube_store_keep(kube->store, KIND_GATEWAY, "addresses");
        kube->fetch = kube_fetch_new(options->loop, client, kube->store, kube, &fetch_hooks);
        kube->log = kube_log_open(control, kube, on_told);
        struct kube_crd_options crd = {.loop = options->loop,
                                       .client = client,
                                       .log = kube->log,
                                       .sink = options->sink,
                                       .on_known = on_policies_known,
                                       .self = kube};
        kube->crd = kube_crd_open(&crd);
        timer_open(kube, &kube->turn);
        timer_open(kube, &kube->beat);
        must(uv_timer_start(&kube->beat, on_beat, BEAT_MS, BEAT_MS) == 0);
        kube_store_observe(kube->store, kube, on_entry);
        for (size_t i = 0; i < KIND_COUNT; i++)
                if (!is_second_wave(i))
                        reflect(kube, (enum object_kind)i);
        return true;
}

void control_kube_reload(struct control_kube *kube)
{
        for (size_t i = 0; i < KIND_COUNT; i++)
                if (kube->reflectors[i])
                        reflector_relist(kube->reflectors[i]);
}

static void on_timer_closed(uv_handle_t *handle)
{
        struct control_kube *kube = handle->data;
        if (--kube->open_timers == 0)
                free(kube);
}

static void on_lease_closed(void *self)
{
        struct control_kube *kube = self;
        kube->left = true;
}

void control_kube_leave(struct control_kube *kube)
{
        if (kube->leaving)
                return;
        kube->leaving = true;
        report_close(kube->report);
        kube->report = NULL;
        services_close(kube->services);
        kube->services = NULL;
        if (kube->lease)
                lease_close(kube->lease, on_lease_closed);
        else
                kube->left = true;
}

bool control_kube_left(const struct control_kube *kube)
{
        return kube->left;
}

void control_kube_stop(struct control_kube *kube)
{
        if (!kube)
                return;
        must(kube->left);
        kube_fetch_close(kube->fetch);
        kube_crd_close(kube->crd);
        for (size_t i = 0; i < KIND_COUNT; i++)
                reflector_close(kube->reflectors[i]);
        kube_client_close(kube->client);
        pairs_end(kube);
        kube_store_free(kube->store);
        kube_log_close(kube->log);
        uv_close((uv_handle_t *)&kube->turn, on_timer_closed);
        uv_close((uv_handle_t *)&kube->beat, on_timer_closed);
}
