#include "control/report/kube_events.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/map.h"
#include "base/must.h"
#include "base/vec.h"
#include "control/kube/rule.h"
#include "text/json.h"
#include "text/time.h"
#include "trust/hash.h"

enum {
        AGAIN_S = 3600,
        TICK_MS = 1000, /* one more may be written */
        WRITE_MS_MAX = 10000,
        BODY_BYTES_MAX = 16384,
        NOTE_BYTES_MAX = 1000, /* upstream's maximum is 1 kB */
        NAME_KEPT_MAX = 200,   /* of a name of 253, for the digest is behind it */
        KEY_BYTES = 16,
        TRIES = 2,
};

struct said {
        char key[KEY_BYTES]; /* the map's: of object, reason and text */
        int64_t at_s;
};

struct waiting { /* to be written, or being written; owned by the queue */
        struct kube_events *events;
        struct slice path, body; /* behind the struct */
        unsigned tries;
        struct kube_call *call;
};

struct kube_events {
        struct kube_events_options options;
        struct slice identity;
        struct map said;
        VEC(struct waiting *) queue; /* the first is next */
        struct waiting *written;     /* one at a time; NULL: none */
        unsigned allowance;
        bool faulty; /* and said so */
        struct arena scratch;
        uv_timer_t tick;
};

/* ---- what was said ---- */

static struct digest event_digest(const struct kube_event *event)
{
        struct hasher hasher;
        hasher_init(&hasher, "kube_event 1");
        hasher_bytes(&hasher, event->kind);
        hasher_bytes(&hasher, event->namespace);
        hasher_bytes(&hasher, event->name);
        hasher_bytes(&hasher, slice_of(event->reason));
        hasher_bytes(&hasher, event->text);
        return hasher_done(&hasher);
}

static void forget_old(struct kube_events *events, int64_t now_s)
{
        VEC(struct said *) old = {0};
        struct map_slot *slot;
        for (size_t at = 0; map_next(&events->said, &at, &slot);) {
                struct said *said = slot->value;
                if (now_s >= said->at_s + AGAIN_S)
                        vec_push(&old, said);
        }
        vec_each (said, &old) {
                map_remove(&events->said, slice_from((*said)->key, KEY_BYTES));
                free(*said);
        }
        vec_done(&old);
}

/* False: it was said within the hour, or too much else was. */
static bool take_note(struct kube_events *events, const struct digest *digest, int64_t now_s)
{
        struct slice key = slice_from(digest->bytes, KEY_BYTES);
        struct said *said = map_find(&events->said, key);
        if (said && now_s < said->at_s + AGAIN_S)
                return false;
        if (said) {
                said->at_s = now_s;
                return true;
        }
        if (events->said.count >= KUBE_EVENTS_KNOWN_MAX)
                forget_old(events, now_s);
        if (events->said.count >= KUBE_EVENTS_KNOWN_MAX)
                return false;
        said = NEW(struct said);
        memcpy(said->key, digest->bytes, KEY_BYTES);
        said->at_s = now_s;
        map_set(&events->said, slice_from(said->key, KEY_BYTES), said);
        return true;
}

/* ---- how it is written ---- */

/* The hour is in it, so that what lasts is an Event of its own again: the API server forgets them
 * about as fast. */
static struct slice event_name(struct kube_events *events, const struct kube_event *event,
                               const struct digest *digest, int64_t now_s)
{
        struct slice kept = slice_sub(event->name, 0, NAME_KEPT_MAX);
        char hex[DIGEST_HEX_SIZE];
        while (kept.len > 0 && (kept.data[kept.len - 1] == '.' || kept.data[kept.len - 1] == '-'))
                kept.len--;
        return arena_printf(&events->scratch, "%.*s.%.16s.%llx", SLICE_ARG(kept),
                            digest_hex(digest, hex), (unsigned long long)(now_s / AGAIN_S));
}

static struct slice note_of(struct slice text)
{
        size_t len = text.len < NOTE_BYTES_MAX ? text.len : NOTE_BYTES_MAX;
        while (len < text.len && len > 0 && ((unsigned char)text.data[len] & 0xc0) == 0x80)
                len--; /* not within a character */
        return slice_sub(text, 0, len);
}

static void regarding_print(struct json_writer *w, const struct kube_event *event)
{
        json_key(w, SLICE("regarding"));
        json_begin_object(w);
        json_field_string(w, "apiVersion", event->api_version);
        json_field_string(w, "kind", event->kind);
        if (event->namespace.len > 0)
                json_field_string(w, "namespace", event->namespace);
        json_field_string(w, "name", event->name);
        if (event->uid.len > 0)
                json_field_string(w, "uid", event->uid);
        json_end_object(w);
}

/* Where a cluster's own objects have theirs. */
static struct slice event_namespace(const struct kube_event *event)
{
        return event->namespace.len > 0 ? event->namespace : SLICE("default");
}

static bool body_print(struct kube_events *events, const struct kube_event *event,
                       struct slice name, struct buffer *out)
{
        struct json_writer w;
        struct timespec now;
        char ms[TIME_SIZE], time[TIME_SIZE + 8];
        clock_gettime(CLOCK_REALTIME, &now);
        time_print_ms((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, ms);
        snprintf(time, sizeof(time), "%.*s000Z", (int)strlen(ms) - 1, ms); /* microseconds */
        json_writer_init(&w, out);
        json_begin_object(&w);
        json_field_text(&w, "apiVersion", "events.k8s.io/v1");
        json_field_text(&w, "kind", "Event");
        json_key(&w, SLICE("metadata"));
        json_begin_object(&w);
        json_field_string(&w, "name", name);
        json_field_string(&w, "namespace", event_namespace(event));
        json_end_object(&w);
        json_field_text(&w, "eventTime", time);
        json_field_text(&w, "reportingController", "pingate.dev/gateway-controller");
        json_field_string(&w, "reportingInstance", events->identity);
        json_field_text(&w, "action", event->action);
        json_field_text(&w, "reason", event->reason);
        regarding_print(&w, event);
        json_field_string(&w, "note", note_of(event->text));
        json_field_text(&w, "type", "Warning");
        json_end_object(&w);
        return json_writer_done(&w);
}

/* ---- writing ---- */

static void pump(struct kube_events *events);

static void drop(struct kube_events *events)
{
        free(events->written);
        events->written = NULL;
}

static void tell_fault(struct kube_events *events, const struct kube_answer *answer)
{
        if (events->faulty || !events->options.sink)
                return;
        events->faulty = true;
        if (answer->status == 403)
                event_warningf(events->options.sink, "events",
                               "Events are not taken: %.*s" RULE_WANTED, SLICE_ARG(answer->fault),
                               "events.k8s.io", "events", "create");
        else
                event_warningf(events->options.sink, "events", "Events are not taken: %.*s",
                               SLICE_ARG(answer->fault));
}

static bool is_passing(int status)
{
        return status == 0 || status == 429 || status >= 500;
}

static void on_written(const struct kube_answer *answer, void *self)
{
        struct waiting *waiting = self;
        struct kube_events *events = waiting->events;
        waiting->call = NULL;
        /* 409: the leader before us has said it. */
        bool ok = (answer->status >= 200 && answer->status < 300) || answer->status == 409;
        if (!ok && is_passing(answer->status) && ++waiting->tries < TRIES)
                return; /* the next tick tries again */
        if (ok)
                events->faulty = false;
        else if (answer->status != 404 && !kube_answer_says_leaving(answer))
                tell_fault(events, answer); /* a namespace that goes takes its Events along */
        drop(events);
        pump(events);
}

static void write_event(struct waiting *waiting)
{
        struct kube_request request = {.method = "POST",
                                       .path = waiting->path,
                                       .body = waiting->body,
                                       .timeout_ms = WRITE_MS_MAX,
                                       .self = waiting,
                                       .on_done = on_written};
        waiting->call = kube_call_start(waiting->events->options.client, &request);
}

static void pump(struct kube_events *events)
{
        if (events->written || events->queue.count == 0 || events->allowance == 0)
                return;
        events->allowance--;
        events->written = events->queue.items[0];
        events->queue.count--;
        memmove(events->queue.items, events->queue.items + 1,
                events->queue.count * sizeof(events->queue.items[0]));
        write_event(events->written);
}

static void on_tick(uv_timer_t *timer)
{
        struct kube_events *events = timer->data;
        if (events->allowance < KUBE_EVENTS_BURST)
                events->allowance++;
        if (events->written && !events->written->call)
                write_event(events->written);
        pump(events);
        if (events->allowance == KUBE_EVENTS_BURST && !events->written)
                uv_timer_stop(timer);
}

static struct waiting *waiting_new(struct kube_events *events, struct slice path, struct slice body)
{
        struct waiting *waiting = memory_new(sizeof(*waiting) + path.len + body.len);
        char *bytes = (char *)(waiting + 1);
        memcpy(bytes, path.data, path.len);
        memcpy(bytes + path.len, body.data, body.len);
        waiting->events = events;
        waiting->path = slice_from(bytes, path.len);
        waiting->body = slice_from(bytes + path.len, body.len);
        return waiting;
}

void kube_events_say(struct kube_events *events, const struct kube_event *event)
{
        CLEANUP(buffer_done) struct buffer body = {.max = BODY_BYTES_MAX};
        struct digest digest = event_digest(event);
        int64_t now_s = (int64_t)time(NULL);
        if (events->queue.count >= KUBE_EVENTS_WAITING_MAX || !take_note(events, &digest, now_s))
                return;
        arena_reset(&events->scratch);
        if (!body_print(events, event, event_name(events, event, &digest, now_s), &body))
                return;
        struct slice path =
                arena_printf(&events->scratch, "/apis/events.k8s.io/v1/namespaces/%.*s/events",
                             SLICE_ARG(event_namespace(event)));
        struct waiting *waiting = waiting_new(events, path, buffer_slice(&body));
        vec_push(&events->queue, waiting);
        if (!uv_is_active((uv_handle_t *)&events->tick))
                must(uv_timer_start(&events->tick, on_tick, TICK_MS, TICK_MS) == 0);
        pump(events);
}

/* ---- life ---- */

struct kube_events *kube_events_open(const struct kube_events_options *options)
{
        struct kube_events *events = NEW(struct kube_events);
        events->options = *options;
        struct slice identity = options->identity.len ? options->identity : SLICE("pingate");
        events->identity = slice_from(memory_dup(identity.data, identity.len), identity.len);
        events->allowance = KUBE_EVENTS_BURST;
        arena_init(&events->scratch, 8192);
        must(uv_timer_init(options->loop, &events->tick) == 0);
        events->tick.data = events;
        return events;
}

static void on_closed(uv_handle_t *handle)
{
        struct kube_events *events = handle->data;
        struct map_slot *slot;
        for (size_t at = 0; map_next(&events->said, &at, &slot);)
                free(slot->value);
        map_done(&events->said);
        vec_each (waiting, &events->queue)
                free(*waiting);
        vec_done(&events->queue);
        drop(events);
        arena_done(&events->scratch);
        free((char *)(uintptr_t)events->identity.data);
        free(events);
}

void kube_events_close(struct kube_events *events)
{
        if (!events)
                return;
        if (events->written)
                kube_call_cancel(events->written->call);
        uv_close((uv_handle_t *)&events->tick, on_closed);
}
