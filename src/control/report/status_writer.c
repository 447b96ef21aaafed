#include "control/report/status_writer.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/must.h"
#include "base/vec.h"
#include "control/kube/path.h"
#include "control/kube/rule.h"
#include "control/report/features.h"
#include "control/report/status_digest.h"
#include "control/report/status_merge.h"
#include "text/json.h"

enum {
        TICK_MS = 250,
        WRITE_MS_MAX = 15000,
        BODY_BYTES_MAX = 4 << 20, /* etcd takes no object of more than 1.5 MiB */
        WARNING_MS = 10000,       /* of many objects that are refused, one is told */
        ID_BYTES_MAX = 640,       /* "ClientCertificatePolicy ", 63, "/", 253 */
};

enum told_state {
        TOLD_CALM,     /* nothing to do before there is news */
        TOLD_QUEUED,   /* is looked at as soon as its turn comes */
        TOLD_WRITING,  /* a request is in flight */
        TOLD_WRITTEN,  /* the store has not heard of it yet */
        TOLD_OUTDATED, /* the same, and then it has to be looked at */
        TOLD_REFUSED,  /* put off until due */
};

static const unsigned told_may_become[] = {
        [TOLD_CALM] = BIT(TOLD_QUEUED),
        [TOLD_QUEUED] = BIT(TOLD_CALM) | BIT(TOLD_WRITING) | BIT(TOLD_REFUSED),
        [TOLD_WRITING] = BIT(TOLD_CALM) | BIT(TOLD_QUEUED) | BIT(TOLD_WRITTEN) |
                         BIT(TOLD_OUTDATED) | BIT(TOLD_REFUSED),
        [TOLD_WRITTEN] = BIT(TOLD_CALM) | BIT(TOLD_QUEUED) | BIT(TOLD_OUTDATED),
        [TOLD_OUTDATED] = BIT(TOLD_QUEUED),
        [TOLD_REFUSED] = BIT(TOLD_QUEUED),
};

struct told_list {
        struct told *first, *last;
};

struct told { /* an object of ours; the writer's */
        struct status_writer *writer;
        enum told_state state;
        /* The map's key, "Gateway edge/edge", and what it is made of; in the bytes behind. */
        struct slice id, namespace, name;
        enum object_kind kind;
        const struct object_status *status; /* until the next begin; nothing else looks at it */
        uint64_t digest, round;
        struct kube_call *call; /* while it is written */
        char *version;          /* that was written upon; owned */
        uint64_t due_ms;
        unsigned failures;
        struct told_list *list; /* NULL: in none */
        struct told *next, *previous;
};

struct status_writer {
        struct status_writer_options options;
        struct map by_id;
        struct told_list urgent, others; /* queued: Gateways and policies; routes */
        struct told_list waiting;
        uint64_t round;
        size_t given;
        bool open; /* between begin and end */
        size_t in_flight;
        unsigned failures; /* of the server, in a row */
        uint64_t held_ms;
        uint64_t warned_ms[KIND_COUNT]; /* each kind has a right of its own */
        struct arena scratch;
        struct buffer body;
        uv_idle_t idle;
        uv_timer_t tick;
        size_t open_handles;
};

/* ---- states ---- */

static void unlink_told(struct told *told)
{
        struct told_list *list = told->list;
        if (!list)
                return;
        *(told->previous ? &told->previous->next : &list->first) = told->next;
        *(told->next ? &told->next->previous : &list->last) = told->previous;
        told->next = told->previous = NULL;
        told->list = NULL;
}

static void link_told(struct told *told, struct told_list *list)
{
        told->previous = list->last;
        *(list->last ? &list->last->next : &list->first) = told;
        list->last = told;
        told->list = list;
}

static bool is_urgent(enum object_kind kind)
{
        return kind < KIND_HTTP_ROUTE || kind > KIND_TCP_ROUTE;
}

static void become(struct told *told, enum told_state state)
{
        struct status_writer *writer = told->writer;
        must(told_may_become[told->state] & BIT(state));
        writer->in_flight -= told->state == TOLD_WRITING;
        told->state = state;
        writer->in_flight += state == TOLD_WRITING;
        unlink_told(told);
        if (state == TOLD_QUEUED)
                link_told(told, is_urgent(told->kind) ? &writer->urgent : &writer->others);
        else if (state != TOLD_CALM && state != TOLD_WRITING)
                link_told(told, &writer->waiting);
}

static void told_free(struct told *told)
{
        unlink_told(told);
        told->writer->in_flight -= told->state == TOLD_WRITING;
        kube_call_cancel(told->call);
        free(told->version);
        free(told);
}

static uint64_t now_ms(const struct status_writer *writer)
{
        return uv_now(writer->options.side.loop);
}

static void pump_soon(struct status_writer *writer);

/* There may be something to write. */
static void stir(struct told *told)
{
        struct status_writer *writer = told->writer;
        if (told->state == TOLD_WRITTEN)
                become(told, TOLD_OUTDATED);
        else if ((told->state == TOLD_CALM || told->state == TOLD_REFUSED) &&
                 api_side_leads(&writer->options.side))
                become(told, TOLD_QUEUED);
        pump_soon(writer);
}

/* ---- what is not taken ---- */

/* Half of it at least, so that replicas and clusters do not ask in step. */
static uint64_t backed_off(uint64_t first_ms, unsigned failures, uint64_t most_ms)
{
        uint64_t pause = first_ms, seed = uv_hrtime();
        for (unsigned i = 1; i < failures && pause < most_ms; i++)
                pause *= 2;
        if (pause > most_ms)
                pause = most_ms;
        return pause - hash_bytes(&seed, sizeof(seed)) % (pause / 2);
}

static void warn(const struct told *told, const struct kube_answer *answer)
{
        struct status_writer *writer = told->writer;
        uint64_t *warned_ms = &writer->warned_ms[told->kind];
        if (!writer->options.side.sink || (*warned_ms && now_ms(writer) < *warned_ms + WARNING_MS))
                return;
        *warned_ms = now_ms(writer);
        if (answer->status == 403)
                event_warningf(
                        writer->options.side.sink, "status",
                        "the API server does not let us write %.*s: %.*s; the role wants the "
                        "rule " RULE_BEGIN "%s/status" RULE_END,
                        SLICE_ARG(told->id), SLICE_ARG(answer->fault), object_group(told->kind),
                        object_resource(told->kind), "patch");
        else
                event_warningf(writer->options.side.sink, "status",
                               "%.*s could not be written: %.*s", SLICE_ARG(told->id),
                               SLICE_ARG(answer->fault));
}

/* These say nothing of the object. */
static bool is_of_the_server(int status)
{
        return status == 0 || status == 401 || status == 429 || status == 503 || status == 504;
}

static void hold(struct status_writer *writer, const struct kube_answer *answer)
{
        uint64_t asked = (uint64_t)answer->retry_after_s * 1000;
        uint64_t pause = backed_off(STATUS_PAUSE_MS, ++writer->failures, STATUS_PAUSE_MS_MAX);
        if (asked > STATUS_REFUSED_MS)
                asked = STATUS_REFUSED_MS;
        writer->held_ms = now_ms(writer) + (asked > pause ? asked : pause);
}

static void put_off(struct told *told)
{
        told->due_ms = now_ms(told->writer) +
                       backed_off(STATUS_PAUSE_MS, ++told->failures, STATUS_REFUSED_MS);
        become(told, TOLD_REFUSED);
}

/* ---- one write ---- */

static const struct kube_entry *entry_of(const struct told *told)
{
        return kube_store_find(told->writer->options.side.store, told->kind, told->namespace,
                               told->name);
}

/* Written upon a version that the store no longer holds, it has heard. */
static void await_heard(struct told *told, enum told_state state)
{
        const struct kube_entry *entry = entry_of(told);
        told->due_ms = now_ms(told->writer) + told->writer->options.heard_ms;
        become(told,
               entry && slice_is(entry->resource_version, told->version) ? state : TOLD_QUEUED);
}

/* An answer with the version that was sent: the server found nothing to change. In a JSON text that
 * is not within a string, whose quotes are escaped. */
static bool changed_nothing(const struct told *told, struct slice body)
{
        char pair[128];
        int len = snprintf(pair, sizeof(pair), "\"resourceVersion\":\"%s\"", told->version);
        return len > 0 && (size_t)len < sizeof(pair) && body.len > 0 &&
               memmem(body.data, body.len, pair, (size_t)len) != NULL;
}

static void on_written(const struct kube_answer *answer, void *self)
{
        struct told *told = self;
        struct status_writer *writer = told->writer;
        told->call = NULL;
        if (is_of_the_server(answer->status)) {
                hold(writer, answer);
                warn(told, answer);
                become(told, TOLD_QUEUED);
        } else {
                writer->failures = 0;
                if (answer->status >= 200 && answer->status < 300) {
                        told->failures = 0;
                        if (changed_nothing(told, answer->body))
                                become(told, TOLD_CALM);
                        else
                                await_heard(told, TOLD_WRITTEN);
                } else if (answer->status == 409) {
                        await_heard(told, TOLD_OUTDATED);
                } else if (answer->status == 404) {
                        become(told, TOLD_CALM); /* the store will hear of that as well */
                } else {
                        warn(told, answer);
                        put_off(told);
                }
        }
        pump_soon(writer);
}

/* Upon the version that was merged with: over a newer one nothing is written (409). */
static bool body_print(struct status_writer *writer, const struct kube_entry *entry,
                       struct node *patch)
{
        struct node *body = node_new(&writer->scratch, NODE_MAP, NULL, 0);
        struct node *metadata = node_new(&writer->scratch, NODE_MAP, NULL, 0);
        node_add(&writer->scratch, metadata, SLICE("resourceVersion"),
                 node_new_string(&writer->scratch, entry->resource_version));
        node_add(&writer->scratch, body, SLICE("metadata"), metadata);
        node_add(&writer->scratch, body, SLICE("status"), patch);
        buffer_clear(&writer->body);
        return node_print_json(body, &writer->body, false);
}

static void write_status(struct told *told, const struct kube_entry *entry, struct node *patch)
{
        struct status_writer *writer = told->writer;
        if (!body_print(writer, entry, patch)) {
                put_off(told);
                return;
        }
        struct slice path = kube_object_path(&writer->scratch, told->kind, told->namespace,
                                             told->name, SLICE("status?fieldManager=pingate"));
        struct kube_request request = {.method = "PATCH",
                                       .path = path,
                                       .content_type = "application/merge-patch+json",
                                       .body = buffer_slice(&writer->body),
                                       .timeout_ms = WRITE_MS_MAX,
                                       .self = told,
                                       .on_done = on_written};
        free(told->version);
        told->version = memory_dup(entry->resource_version.data, entry->resource_version.len);
        become(told, TOLD_WRITING);
        told->call = kube_call_start(writer->options.side.client, &request);
}

/* Most routes of a cluster may be others', and have nothing of ours that could be stale. */
static bool has_nothing_of_ours(const struct object_status *status, const struct kube_entry *entry)
{
        bool entries = (status->kind >= KIND_HTTP_ROUTE && status->kind <= KIND_TCP_ROUTE) ||
                       status->kind == KIND_POLICY || status->kind == KIND_BACKEND_TLS_POLICY;
        return entries && status->parents.count == 0 &&
               (entry->status.len == 0 || !memmem(entry->status.data, entry->status.len,
                                                  CONTROLLER_NAME, strlen(CONTROLLER_NAME)));
}

static void look_at(struct told *told)
{
        struct status_writer *writer = told->writer;
        const struct object_status *status = told->status;
        const struct kube_entry *entry = entry_of(told);
        struct node *patch;
        struct error err;
        /* Another generation of it than was translated: the translation of that one is to come. */
        if (!entry || entry->object->generation != status->generation ||
            has_nothing_of_ours(status, entry)) {
                become(told, TOLD_CALM);
                return;
        }
        bool is_class = status->kind == KIND_GATEWAY_CLASS;
        const char *features[FEATURES_MAX];
        struct status_wish wish = {
                .status = status,
                .current = entry->status,
                .now = (int64_t)time(NULL),
                .features = features,
                .feature_count = is_class ? features_list(writer->options.ground, features) : 0};
        arena_reset(&writer->scratch);
        if (!status_merge(&wish, &writer->scratch, &patch, &err)) {
                struct kube_answer answer = {.fault = slice_of(err.text)};
                warn(told, &answer);
                put_off(told);
        } else if (!patch) {
                become(told, TOLD_CALM);
        } else {
                write_status(told, entry, patch);
        }
}

/* ---- turns ---- */

static struct told *next_queued(const struct status_writer *writer)
{
        return writer->urgent.first ? writer->urgent.first : writer->others.first;
}

static bool can_write(const struct status_writer *writer)
{
        size_t most = writer->urgent.first ? STATUS_WRITES_MAX : STATUS_ROUTES_MAX;
        return !writer->open && writer->in_flight < most && now_ms(writer) >= writer->held_ms &&
               next_queued(writer);
}

static void let_go(struct status_writer *writer)
{
        struct told *told;
        while ((told = next_queued(writer)))
                become(told, TOLD_CALM);
}

static void on_idle(uv_idle_t *idle)
{
        struct status_writer *writer = idle->data;
        uint64_t until = uv_hrtime() + STATUS_TURN_US * 1000ull;
        if (!api_side_leads(&writer->options.side))
                let_go(writer);
        while (can_write(writer) && uv_hrtime() < until)
                look_at(next_queued(writer));
        if (!can_write(writer))
                uv_idle_stop(idle);
}

static void on_tick(uv_timer_t *timer)
{
        struct status_writer *writer = timer->data;
        struct told *next;
        for (struct told *told = writer->waiting.first; told; told = next) {
                next = told->next;
                if (now_ms(writer) < told->due_ms)
                        continue;
                become(told, told->state == TOLD_WRITTEN ? TOLD_CALM : TOLD_QUEUED);
        }
        if (!writer->waiting.first && !next_queued(writer))
                uv_timer_stop(timer);
        pump_soon(writer);
}

static void pump_soon(struct status_writer *writer)
{
        bool waits = writer->waiting.first || next_queued(writer);
        if (can_write(writer))
                must(uv_idle_start(&writer->idle, on_idle) == 0);
        if (waits && !uv_is_active((uv_handle_t *)&writer->tick))
                must(uv_timer_start(&writer->tick, on_tick, TICK_MS, TICK_MS) == 0);
}

/* ---- what is to be said ---- */

static struct told *told_new(struct status_writer *writer, const struct object_status *status)
{
        struct told *told = memory_new(sizeof(*told) + status->id.len + status->namespace.len +
                                       status->name.len);
        char *at = (char *)(told + 1);
        told->writer = writer;
        told->kind = status->kind;
        told->id = slice_put(&at, status->id);
        told->namespace = slice_put(&at, status->namespace);
        told->name = slice_put(&at, status->name);
        map_set(&writer->by_id, told->id, told);
        return told;
}

void status_writer_begin(struct status_writer *writer)
{
        writer->round++;
        writer->given = 0;
        writer->open = true;
}

bool status_writer_give(struct status_writer *writer, const struct object_status *status)
{
        struct told *told = map_find(&writer->by_id, status->id);
        uint64_t digest = status_digest(status);
        bool fresh = !told;
        if (fresh)
                told = told_new(writer, status);
        bool news = fresh || told->digest != digest;
        writer->given += told->round != writer->round;
        told->round = writer->round;
        told->status = status;
        told->digest = digest;
        if (news)
                stir(told);
        return news;
}

static void forget_others(struct status_writer *writer)
{
        VEC(struct told *) gone = {0};
        struct map_slot *slot;
        for (size_t at = 0; map_next(&writer->by_id, &at, &slot);) {
                struct told *told = slot->value;
                if (told->round != writer->round)
                        vec_push(&gone, told);
        }
        vec_each (told, &gone) {
                map_remove(&writer->by_id, (*told)->id);
                told_free(*told);
        }
        vec_done(&gone);
}

void status_writer_end(struct status_writer *writer)
{
        if (writer->given < writer->by_id.count)
                forget_others(writer);
        writer->open = false;
        pump_soon(writer);
}

void status_writer_claim(struct status_writer *writer, struct features_ground ground)
{
        struct map_slot *slot;
        writer->options.ground = ground;
        for (size_t at = 0; map_next(&writer->by_id, &at, &slot);)
                if (((struct told *)slot->value)->kind == KIND_GATEWAY_CLASS)
                        stir(slot->value);
}

void status_writer_look_again(struct status_writer *writer)
{
        struct map_slot *slot;
        for (size_t at = 0; map_next(&writer->by_id, &at, &slot);)
                stir(slot->value);
}

void status_writer_heard(struct status_writer *writer, enum object_kind kind,
                         struct slice namespace, struct slice name)
{
        char id[ID_BYTES_MAX];
        bool cluster = object_is_cluster(kind);
        int len = snprintf(id, sizeof(id), "%s %.*s%s%.*s", object_kind_name(kind),
                           SLICE_ARG(cluster ? SLICE_NONE : namespace), cluster ? "" : "/",
                           SLICE_ARG(name));
        struct told *told = len > 0 && (size_t)len < sizeof(id)
                                    ? map_find(&writer->by_id, slice_from(id, (size_t)len))
                                    : NULL;
        if (!told)
                return;
        if (told->state == TOLD_WRITTEN || told->state == TOLD_OUTDATED) {
                become(told, TOLD_QUEUED);
                pump_soon(writer);
        } else if (told->state == TOLD_CALM) {
                stir(told);
        }
}

/* ---- life ---- */

struct status_writer *status_writer_open(const struct status_writer_options *options)
{
        struct status_writer *writer = NEW(struct status_writer);
        writer->options = *options;
        if (writer->options.heard_ms == 0)
                writer->options.heard_ms = STATUS_HEARD_MS;
        arena_init(&writer->scratch, 64 * 1024);
        buffer_init(&writer->body, BODY_BYTES_MAX);
        must(uv_idle_init(options->side.loop, &writer->idle) == 0);
        must(uv_timer_init(options->side.loop, &writer->tick) == 0);
        writer->idle.data = writer->tick.data = writer;
        writer->open_handles = 2;
        return writer;
}

static void on_closed(uv_handle_t *handle)
{
        struct status_writer *writer = handle->data;
        if (--writer->open_handles > 0)
                return;
        arena_done(&writer->scratch);
        buffer_done(&writer->body);
        free(writer);
}

void status_writer_close(struct status_writer *writer)
{
        if (!writer)
                return;
        writer->round++;
        forget_others(writer);
        map_done(&writer->by_id);
        uv_close((uv_handle_t *)&writer->idle, on_closed);
        uv_close((uv_handle_t *)&writer->tick, on_closed);
}
