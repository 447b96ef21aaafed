#include "control/kube/reflector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/vec.h"
#include "control/kube/list_stream.h"
#include "control/kube/path.h"
#include "control/kube/watch_events.h"

enum {
        PAGE_ITEMS = 500,
        PAGE_MS = 120000,
        PAGE_SILENCE_MS = 30000,
        WATCH_S_MIN = 290,
        WATCH_S_SPREAD = 300,
        WATCH_LATE_MS = 60000, /* beyond timeoutSeconds */
        WATCH_LIVED_MS = 1000, /* one that ends sooner counts as a failure */
        PAUSE_MS_MIN = 200,
        PAUSE_MS_MAX = 5000, /* a pin that was removed meanwhile waits as long */
        RETRY_AFTER_MS_MAX = 300000,
        REFUSED_MS = 10000, /* between tries of what we may not do, or what is not installed */
        REFUSED_SOON = 6, /* tries before that: a server that starts knows no roles yet, nor CRDs */
        ABSENT_MS = 30000, /* the same of a kind that need not be */
        ANSWERED_FAULTS_MAX = 2,
        VERSION_MAX = 128,
        CONTINUE_MAX = 16 * 1024, /* three times as long in a URL */
        LATE_BYTES_MAX = 2 << 20,
        LATE_MS = 1, /* by then the next page is asked for */
};

enum reflector_state {
        REFLECTOR_LISTING,  /* a page is on its way */
        REFLECTOR_WATCHING, /* events are */
        REFLECTOR_PAUSING,  /* until the timer: then `next` */
        REFLECTOR_CLOSED,   /* waits for the loop to let go of the timer */
};

static const unsigned may_become[] = {
        [REFLECTOR_LISTING] = BIT(REFLECTOR_LISTING) | BIT(REFLECTOR_WATCHING) |
                              BIT(REFLECTOR_PAUSING) | BIT(REFLECTOR_CLOSED),
        [REFLECTOR_WATCHING] = BIT(REFLECTOR_LISTING) | BIT(REFLECTOR_WATCHING) |
                               BIT(REFLECTOR_PAUSING) | BIT(REFLECTOR_CLOSED),
        [REFLECTOR_PAUSING] =
                BIT(REFLECTOR_LISTING) | BIT(REFLECTOR_WATCHING) | BIT(REFLECTOR_CLOSED),
        [REFLECTOR_CLOSED] = 0,
};

struct reflector {
        struct reflector_options options;
        enum reflector_state state;
        enum reflector_state next; /* what the pause is before */
        uv_timer_t timer;
        struct kube_call *call;      /* NULL while pausing */
        struct list_stream *list;    /* of the page on its way */
        struct watch_events *events; /* of the watch on its way */
        struct buffer version;       /* that the watch goes on from */
        struct buffer page;          /* the continue token; empty: the first page */
        struct buffer late;          /* items that are decoded while the next page is on its way */
        VEC(size_t) late_ends;       /* of each of them */
        struct buffer fault;         /* as told last */
        struct error broken;         /* why we ended a call; empty: we did not */
        int ended_code;              /* of the watch's ERROR event; 0: none */
        unsigned failures;           /* in a row */
        unsigned refused;            /* of them, the last in a row that were refusals */
        unsigned answered;           /* of those, answered by the server */
        unsigned gone;               /* versions in a row that it no longer knew (410) */
        uint64_t watch_began_ms, watch_ends_ms, heard_ms;
        bool synced;
        bool accepted; /* this watch was */
        bool absence_told;
        bool absent; /* when it was asked for last */
};

static void list_begin(struct reflector *r);
static void page_ask_and_decode(struct reflector *r);
static void watch_begin(struct reflector *r);

static void become(struct reflector *r, enum reflector_state state)
{
        must(may_become[r->state] & BIT(state));
        r->state = state;
}

static uint64_t random_number(void)
{
        static uint64_t turn;
        turn++;
        return hash_bytes(&turn, sizeof(turn)); /* keyed per process */
}

static void heard(struct reflector *r)
{
        r->heard_ms = uv_now(r->options.loop);
}

static void fault_tell(struct reflector *r, struct slice text, bool forbidden)
{
        if (slice_equal(buffer_slice(&r->fault), text))
                return;
        buffer_clear(&r->fault);
        buffer_append(&r->fault, slice_sub(text, 0, r->fault.max));
        r->options.hooks->on_fault(r->options.kind, buffer_slice(&r->fault), forbidden,
                                   r->options.self);
}

/* A watch that shows that it works. One that was accepted alone may end at once, again and again.
 */
static void well(struct reflector *r)
{
        r->failures = r->refused = r->answered = r->gone = 0;
        fault_tell(r, SLICE_NONE, false);
}

/* --- pauses --- */

uint64_t reflector_pause_ms(unsigned failures, uint64_t random)
{
        unsigned doublings = failures > 0 ? failures - 1 : 0;
        uint64_t pause = PAUSE_MS_MAX;
        if (doublings < 8 && (uint64_t)PAUSE_MS_MIN << doublings < PAUSE_MS_MAX)
                pause = (uint64_t)PAUSE_MS_MIN << doublings;
        return pause - random % (pause / 2);
}

static void on_pause_over(uv_timer_t *timer)
{
        struct reflector *r = timer->data;
        if (r->next == REFLECTOR_LISTING)
                list_begin(r);
        else
                watch_begin(r);
}

static void pause_before(struct reflector *r, enum reflector_state next, uint64_t ms)
{
        r->next = next;
        become(r, REFLECTOR_PAUSING);
        must(uv_timer_start(&r->timer, on_pause_over, ms, 0) == 0);
}

static bool is_refusal(const struct kube_answer *answer)
{
        return answer->status == 403 || answer->status == 404;
}

static uint64_t pause_of(const struct reflector *r, const struct kube_answer *answer)
{
        uint64_t asked_ms = (uint64_t)answer->retry_after_s * 1000;
        uint64_t pause_ms = reflector_pause_ms(r->failures, random_number());
        if (is_refusal(answer))
                return r->refused > REFUSED_SOON ? REFUSED_MS
                                                 : reflector_pause_ms(r->refused, random_number());
        if (asked_ms > RETRY_AFTER_MS_MAX)
                asked_ms = RETRY_AFTER_MS_MAX;
        return asked_ms > pause_ms ? asked_ms : pause_ms;
}

/* --- what went wrong --- */

static struct slice fault_print(struct arena *arena, const struct reflector *r, const char *verb,
                                const struct kube_answer *answer)
{
        enum object_kind kind = r->options.kind;
        struct slice why = r->broken.text[0] ? slice_of(r->broken.text) : answer->fault;
        if (answer->status == 404)
                return arena_printf(arena, "%s: %.*s; the CRDs of %s are wanted", verb,
                                    SLICE_ARG(why), object_api_version(kind));
        return arena_printf(arena, "%s: %.*s", verb, SLICE_ARG(why));
}

static void late_drop(struct reflector *r)
{
        buffer_wipe(&r->late);
        buffer_release(&r->late);
        r->late_ends.count = 0;
}

static void fail(struct reflector *r, const char *verb, const struct kube_answer *answer,
                 enum reflector_state next)
{
        late_drop(r);
        struct arena arena;
        arena_init(&arena, 4096);
        r->failures++;
        r->refused = is_refusal(answer) ? r->refused + 1 : 0;
        r->answered += answer->status >= 500;
        if (answer->status != 429 || r->failures > 1) /* a server that is busy for once */
                fault_tell(r, fault_print(&arena, r, verb, answer), answer->status == 403);
        arena_done(&arena);
        pause_before(r, next, pause_of(r, answer));
}

static void warn(struct reflector *r, const char *text)
{
        r->options.hooks->on_warning(r->options.kind, slice_of(text), r->options.self);
}

static void changed(struct reflector *r, enum kube_change change)
{
        if (change == KUBE_CHANGED)
                r->options.hooks->on_change(r->options.kind, r->options.self);
}

static void item_put(struct reflector *r, struct slice item)
{
        struct error fault;
        enum kube_change change = kube_store_put(r->options.store, r->options.kind, item, &fault);
        if (change == KUBE_HIDDEN)
                r->options.hooks->on_hidden(slice_of(fault.text), r->options.self);
        else if (fault.text[0])
                warn(r, fault.text);
        changed(r, change);
}

/* --- the list --- */

static void late_put(struct reflector *r)
{
        size_t from = 0;
        vec_each (end, &r->late_ends) {
                item_put(r, slice_sub(buffer_slice(&r->late), from, *end - from));
                from = *end;
        }
        buffer_wipe(&r->late);
        r->late_ends.count = 0;
}

static void on_late(uv_timer_t *timer)
{
        late_put(timer->data);
}

/* To decode a page takes half as long as an API server takes to make the next one. Secrets do not
 * wait: next to all are passed over, at no cost, and a server may stop within a page. */
static bool on_item(struct slice item, void *self)
{
        struct reflector *r = self;
        bool waits = r->options.kind != KIND_SECRET;
        if (r->late.len + item.len > LATE_BYTES_MAX)
                late_put(r);
        if (waits && buffer_append_secret(&r->late, item))
                vec_push(&r->late_ends, r->late.len);
        else
                item_put(r, item);
        return true;
}

static bool on_list_bytes(struct slice bytes, void *self)
{
        struct reflector *r = self;
        heard(r);
        return list_stream_feed(r->list, bytes, &r->broken);
}

static void list_end(struct reflector *r)
{
        uv_timer_stop(&r->timer);
        late_put(r);
        late_drop(r);
        buffer_clear(&r->version);
        buffer_append(&r->version, list_stream_version(r->list));
        changed(r,
                kube_store_list_end(r->options.store, r->options.kind, buffer_slice(&r->version)));
        r->synced = true;
        r->absent = false;
        r->answered = r->refused = 0;
        fault_tell(r, SLICE_NONE, false);
        r->options.hooks->on_synced(r->options.kind, r->options.self);
        if (r->state == REFLECTOR_LISTING) /* on_synced may close us */
                watch_begin(r);
}

/* What need not be installed is empty where it is not; what was there once may only be away. */
static bool is_absent(struct reflector *r, const struct kube_answer *answer)
{
        if (answer->status != 404 || !r->options.optional ||
            kube_store_count(r->options.store, r->options.kind) > 0 || r->late.len > 0)
                return false;
        if (!r->absence_told)
                warn(r, "is not installed, so there is none of it; looked for every 30 s");
        r->absence_told = r->absent = true;
        r->synced = true;
        fault_tell(r, SLICE_NONE, false);
        pause_before(r, REFLECTOR_LISTING, ABSENT_MS);
        r->options.hooks->on_synced(r->options.kind, r->options.self);
        return true;
}

static void on_list_done(const struct kube_answer *answer, void *self)
{
        struct reflector *r = self;
        r->call = NULL;
        if (answer->status != 0)
                heard(r);
        if (answer->status == 410 && r->page.len > 0 && r->gone++ == 0) {
                list_begin(r); /* the token's time is over, for once */
                return;
        }
        if (is_absent(r, answer))
                return;
        if (answer->status == 200 && !r->broken.text[0])
                list_stream_end(r->list, object_kind_name(r->options.kind), &r->broken);
        if (answer->status != 200 || r->broken.text[0]) {
                fail(r, "list", answer, REFLECTOR_LISTING);
                return;
        }
        struct slice more = list_stream_continue(r->list);
        buffer_clear(&r->page);
        if (more.len == 0) {
                list_end(r);
        } else if (buffer_append(&r->page, more)) {
                page_ask_and_decode(r);
        } else {
                error_set(&r->broken, ERROR_LIMIT, "a continue token of more than %d bytes",
                          CONTINUE_MAX);
                fail(r, "list", answer, REFLECTOR_LISTING);
        }
}

/* Of what is sent back to where it came from, only letters, digits, "-", "_", "." pass as they are.
 */
static struct slice percent_print(struct arena *arena, struct slice text)
{
        static const char hex[] = "0123456789ABCDEF";
        char *out = arena_alloc(arena, text.len * 3 + 1);
        size_t len = 0;
        for (size_t i = 0; i < text.len; i++) {
                unsigned char c = (unsigned char)text.data[i];
                char lower = ascii_lower((char)c);
                bool plain = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                             c == '_' || c == '.';
                if (plain) {
                        out[len++] = (char)c;
                        continue;
                }
                out[len++] = '%';
                out[len++] = hex[c >> 4];
                out[len++] = hex[c & 15];
        }
        return slice_from(out, len);
}

static void page_ask(struct reflector *r)
{
        struct arena arena;
        arena_init(&arena, 1024);
        struct slice base = kube_list_path(&arena, r->options.kind);
        struct slice token = percent_print(&arena, buffer_slice(&r->page));
        struct slice path = arena_printf(&arena, "%.*s?limit=%d%s%.*s", SLICE_ARG(base), PAGE_ITEMS,
                                         token.len ? "&continue=" : "", SLICE_ARG(token));
        struct kube_request request = {.method = "GET",
                                       .path = path,
                                       .timeout_ms = PAGE_MS,
                                       .silence_ms = PAGE_SILENCE_MS,
                                       .self = r,
                                       .on_bytes = on_list_bytes,
                                       .on_done = on_list_done};
        list_stream_free(r->list);
        r->list = list_stream_new(r, on_item);
        r->broken.text[0] = '\0';
        r->call = kube_call_start(r->options.client, &request);
        arena_done(&arena);
}

static void page_ask_and_decode(struct reflector *r)
{
        page_ask(r);
        must(uv_timer_start(&r->timer, on_late, LATE_MS, 0) == 0);
}

/* What of a former list was not decoded comes again. */
static void list_begin(struct reflector *r)
{
        become(r, REFLECTOR_LISTING);
        late_drop(r);
        buffer_clear(&r->page);
        kube_store_list_begin(r->options.store, r->options.kind);
        page_ask(r);
}

/* --- the watch --- */

static bool on_event(const struct watch_event *event, void *self)
{
        struct reflector *r = self;
        switch (event->type) {
        case EVENT_ADDED:
        case EVENT_MODIFIED:
                item_put(r, event->object);
                break;
        case EVENT_DELETED:
                changed(r,
                        kube_store_remove_item(r->options.store, r->options.kind, event->object));
                break;
        case EVENT_BOOKMARK:
                break;
        case EVENT_ERROR:
                r->ended_code = event->code;
                error_set(&r->broken, ERROR_INPUT, "%d: %.*s", event->code,
                          SLICE_ARG(slice_sub(event->message, 0, 512)));
                return false;
        }
        well(r);
        if (event->resource_version.len > 0) {
                buffer_clear(&r->version);
                buffer_append(&r->version, event->resource_version);
        }
        return true;
}

/* It is accepted, and may say nothing for a minute. */
static void on_watch_begin(int status, void *self)
{
        struct reflector *r = self;
        heard(r);
        r->accepted = status == 200;
        if (!r->accepted)
                return;
        fault_tell(r, SLICE_NONE, false);
        r->options.hooks->on_hearing(r->options.kind, r->options.self);
}

static bool on_watch_bytes(struct slice bytes, void *self)
{
        struct reflector *r = self;
        heard(r);
        return watch_events_feed(r->events, bytes, &r->broken);
}

/* One that lived is resumed at once, and without a word: all watches end some time, and so do the
 * connections below them. */
static bool resumes_silently(const struct reflector *r, const struct kube_answer *answer)
{
        return r->failures == 0 && r->accepted && !r->broken.text[0] &&
               (answer->status == 200 || answer->status == 0);
}

/* A CRD that changes ends the watches of its kind before their time. What the schema before hid, or
 * the one of now hides, has no version of its own, so no watch tells of it: pins that upstream's
 * Gateway CRD dropped would stay unknown when the patched one is back. */
static bool schema_may_be_another(const struct reflector *r, const struct kube_answer *answer)
{
        const char *group = object_group(r->options.kind);
        bool custom = strcmp(group, GROUP_GATEWAY) == 0 || strcmp(group, GROUP_PINGATE) == 0;
        return custom && answer->status == 200 && uv_now(r->options.loop) < r->watch_ends_ms;
}

static void watch_resume(struct reflector *r, const struct kube_answer *answer)
{
        bool unreadable = r->broken.text[0] && !r->ended_code;
        enum reflector_state next = REFLECTOR_WATCHING;
        if (resumes_silently(r, answer)) {
                r->failures++; /* until it shows that it works */
                if (schema_may_be_another(r, answer))
                        list_begin(r);
                else
                        watch_begin(r);
                return;
        }
        /* The server is there, and our version may be not; or the same would come again. */
        if (r->answered >= ANSWERED_FAULTS_MAX || answer->status == 404 || unreadable)
                next = REFLECTOR_LISTING;
        if (answer->status == 200 && !r->broken.text[0])
                error_set(&r->broken, ERROR_INPUT, "ended as soon as it had begun");
        fail(r, "watch", answer, next);
}

static void on_watch_done(const struct kube_answer *answer, void *self)
{
        struct reflector *r = self;
        struct kube_answer as = *answer;
        r->call = NULL;
        if (r->accepted && uv_now(r->options.loop) - r->watch_began_ms >= WATCH_LIVED_MS)
                well(r);
        if (r->ended_code)
                as.status = r->ended_code;
        if (as.status != 410)
                watch_resume(r, &as);
        else if (r->gone++ == 0)
                list_begin(r);
        else
                pause_before(r, REFLECTOR_LISTING, reflector_pause_ms(r->gone, random_number()));
}

static void watch_begin(struct reflector *r)
{
        struct arena arena;
        unsigned seconds = WATCH_S_MIN + (unsigned)(random_number() % WATCH_S_SPREAD);
        become(r, REFLECTOR_WATCHING);
        arena_init(&arena, 1024);
        struct slice base = kube_list_path(&arena, r->options.kind);
        struct slice version = percent_print(&arena, buffer_slice(&r->version));
        struct slice path = arena_printf(&arena,
                                         "%.*s?watch=true&allowWatchBookmarks=true"
                                         "&timeoutSeconds=%u&resourceVersion=%.*s",
                                         SLICE_ARG(base), seconds, SLICE_ARG(version));
        struct kube_request request = {.method = "GET",
                                       .path = path,
                                       .timeout_ms = seconds * 1000ULL + WATCH_LATE_MS,
                                       .silence_ms = r->options.silence_ms,
                                       .endless = true,
                                       .self = r,
                                       .on_begin = on_watch_begin,
                                       .on_bytes = on_watch_bytes,
                                       .on_done = on_watch_done};
        watch_events_free(r->events);
        r->events = watch_events_new(r, on_event);
        r->broken.text[0] = '\0';
        r->accepted = false;
        r->ended_code = 0;
        r->watch_began_ms = uv_now(r->options.loop);
        r->watch_ends_ms = r->watch_began_ms + seconds * 1000ULL;
        r->call = kube_call_start(r->options.client, &request);
        arena_done(&arena);
}

/* --- from outside --- */

static void on_first(uv_timer_t *timer)
{
        list_begin(timer->data);
}

struct reflector *reflector_open(const struct reflector_options *options)
{
        struct reflector *r = NEW(struct reflector);
        r->options = *options;
        r->state = REFLECTOR_PAUSING;
        buffer_init(&r->version, VERSION_MAX);
        buffer_init(&r->page, CONTINUE_MAX);
        buffer_init(&r->late, LATE_BYTES_MAX);
        buffer_init(&r->fault, sizeof(struct error));
        must(uv_timer_init(options->loop, &r->timer) == 0);
        r->timer.data = r;
        must(uv_timer_start(&r->timer, on_first, 0, 0) == 0);
        return r;
}

void reflector_relist(struct reflector *r)
{
        kube_call_cancel(r->call);
        uv_timer_stop(&r->timer);
        list_begin(r);
}

static void on_closed(uv_handle_t *handle)
{
        struct reflector *r = handle->data;
        late_drop(r);
        vec_done(&r->late_ends);
        list_stream_free(r->list);
        watch_events_free(r->events);
        buffer_done(&r->version);
        buffer_done(&r->page);
        buffer_done(&r->fault);
        free(r);
}

void reflector_close(struct reflector *r)
{
        if (!r)
                return;
        become(r, REFLECTOR_CLOSED);
        kube_call_cancel(r->call);
        uv_close((uv_handle_t *)&r->timer, on_closed);
}

bool reflector_synced(const struct reflector *r)
{
        return r->synced;
}

bool reflector_absent(const struct reflector *r)
{
        return r->absent;
}

bool reflector_lists(const struct reflector *r)
{
        return r->state == REFLECTOR_LISTING ||
               (r->state == REFLECTOR_PAUSING && r->next == REFLECTOR_LISTING);
}

bool reflector_hears(const struct reflector *r)
{
        return r->state == REFLECTOR_WATCHING && r->accepted;
}

uint64_t reflector_heard_ms(const struct reflector *r)
{
        return r->heard_ms;
}
