/* The replicas as the leader sees them: a list, then a watch, and a clock for those that are no
 * longer heard of. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/must.h"
#include "control/report/lease_parts.h"
#include "text/json.h"

enum {
        TICK_MS = 1000,
        REST_MS = 500, /* after a fault, and as much jitter */
        SILENCE_MS = 20000,
        WATCH_S = 300, /* then the server ends it, and we begin the next */
        EVENT_BYTES_MAX = 1 << 20,
        LIST_BYTES_MAX = 16 << 20,
        REPLICAS_MAX = 4096,
};

struct replica {
        struct lease_sight sight;
        uint64_t heard_ms; /* its last sign of life that we saw; 0: none, though it is there */
        bool listed;       /* by the list that is being read */
        bool told_alive;   /* by the last tick */
        char name[];
};

static void list(struct lease *lease);
static void watch(struct lease *lease);

static bool is_known(const struct lease *lease)
{
        const struct lease_watch *watch_ = &lease->watch;
        return watch_->state == WATCH_WATCHING &&
               lease_now_ms() - watch_->heard_ms < LEASE_DURATION_MS;
}

static void tell(struct lease *lease)
{
        if (lease->state == LEASE_OPEN && lease->options.on_replicas)
                lease->options.on_replicas(lease->options.self);
}

/* --- replicas --- */

static void free_replica(struct replica *replica)
{
        lease_sight_done(&replica->sight);
        free(replica);
}

static bool drop(struct lease *lease, struct slice name)
{
        struct replica *replica = map_remove(&lease->watch.replicas, name);
        if (replica)
                free_replica(replica);
        return replica != NULL;
}

static void drop_all(struct lease *lease)
{
        struct map_slot *slot;
        size_t at = 0;
        while (map_next(&lease->watch.replicas, &at, &slot))
                free_replica(slot->value);
        map_done(&lease->watch.replicas);
}

static struct replica *add(struct lease *lease, struct slice name)
{
        struct replica *replica = memory_new(sizeof(*replica) + name.len + 1);
        memcpy(replica->name, name.data, name.len);
        lease_sight_init(&replica->sight);
        map_set(&lease->watch.replicas, slice_from(replica->name, name.len), replica);
        return replica;
}

/* True: another digest, or one more. */
static bool put(struct lease *lease, const struct lease_record *record)
{
        struct replica *replica = map_find(&lease->watch.replicas, record->name);
        if (!replica && lease->watch.replicas.count == REPLICAS_MAX)
                return false;
        bool fresh = !replica;
        if (fresh)
                replica = add(lease, record->name);
        bool other = fresh || !digest_equal(&replica->sight.record.digest, &record->digest);
        if (lease_sight_update(&replica->sight, record, lease_now_ms()) && !fresh)
                replica->heard_ms = replica->sight.changed_ms;
        replica->listed = true;
        return other;
}

/* --- list --- */

static void rest(struct lease *lease);

static void keep_version(struct lease *lease, struct slice version)
{
        struct lease_watch *watch_ = &lease->watch;
        struct slice kept = version.len < 256 ? version : SLICE_NONE;
        arena_reset(&watch_->version_arena);
        watch_->version = arena_slice(&watch_->version_arena, kept);
}

static void unlist(struct lease *lease)
{
        struct map_slot *slot;
        size_t at = 0;
        while (map_next(&lease->watch.replicas, &at, &slot))
                ((struct replica *)slot->value)->listed = false;
}

static void drop_unlisted(struct lease *lease)
{
        struct map_slot *slot;
        size_t at = 0;
        while (map_next(&lease->watch.replicas, &at, &slot)) {
                if (((struct replica *)slot->value)->listed)
                        continue;
                drop(lease, slot->key);
                at = 0; /* what is removed moves the others */
        }
}

static bool take_list(struct lease *lease, struct slice body, struct error *err)
{
        struct arena arena;
        struct node *root;
        arena_init(&arena, 16 * 1024);
        bool ok = json_parse(&arena, body, "leases", &root, err);
        const struct node *items = ok ? node_find(root, "items") : NULL;
        unlist(lease);
        for (size_t i = 0; items && ok && i < items->child_count; i++) {
                struct lease_record record;
                ok = lease_record_read(items->children[i], &record, err);
                if (ok)
                        put(lease, &record);
        }
        if (ok) {
                drop_unlisted(lease);
                keep_version(lease, node_text(node_find(root, "metadata"), "resourceVersion"));
        }
        arena_done(&arena);
        return ok;
}

static void on_listed(const struct kube_answer *answer, void *self)
{
        struct lease *lease = self;
        struct error err;
        lease->watch.call = NULL;
        if (answer->fault.len > 0) {
                lease_warn_answer(lease, &lease->watch.failing, "the replicas", answer);
                rest(lease);
        } else if (!take_list(lease, answer->body, &err)) {
                lease_warn(lease, &lease->watch.failing, "the replicas", slice_of(err.text));
                rest(lease);
        } else {
                lease->watch.heard_ms = lease_now_ms();
                watch(lease);
                tell(lease);
        }
}

static void list(struct lease *lease)
{
        struct arena arena;
        arena_init(&arena, 512);
        struct kube_request request = {
                .method = "GET",
                .path = arena_printf(&arena, "%.*s?labelSelector=pingate.dev%%2Freplica%%3Dtrue",
                                     SLICE_ARG(lease->collection)),
                .timeout_ms = LEASE_CALL_MS,
                .body_max = LIST_BYTES_MAX,
                .self = lease,
                .on_done = on_listed,
        };
        lease->watch.state = WATCH_LISTING;
        lease->watch.call = kube_call_start(lease->options.client, &request);
        arena_done(&arena);
}

/* --- watch --- */

/* False: the watch is over, and the next one begins with a list. */
static bool take_event(struct lease *lease, struct slice line, bool *other)
{
        struct arena arena;
        struct node *event;
        struct lease_record record;
        struct error err;
        arena_init(&arena, 4096);
        bool ok = json_parse(&arena, line, "watch", &event, &err);
        struct slice type = ok ? node_text(event, "type") : SLICE_NONE;
        const struct node *object = ok ? node_find(event, "object") : NULL;
        ok = ok && !slice_is(type, "ERROR");
        if (ok && !slice_is(type, "BOOKMARK")) {
                ok = lease_record_read(object, &record, &err);
                if (ok && slice_is(type, "DELETED"))
                        *other |= drop(lease, record.name);
                else if (ok)
                        *other |= put(lease, &record);
        }
        if (ok)
                keep_version(lease, node_text(node_find(object, "metadata"), "resourceVersion"));
        arena_done(&arena);
        return ok;
}

static bool on_events(struct slice bytes, void *self)
{
        struct lease *lease = self;
        struct buffer *line = &lease->watch.line;
        struct slice part;
        bool other = false, ok = true;
        lease->watch.heard_ms = lease_now_ms();
        lease->watch.failing = false;
        while (ok && bytes.len > 0) {
                size_t end = slice_find(bytes, '\n');
                part = slice_sub(bytes, 0, end);
                ok = buffer_append(line, part);
                if (end == bytes.len)
                        break;
                ok = ok && take_event(lease, buffer_slice(line), &other);
                buffer_clear(line);
                bytes = slice_skip(bytes, end + 1);
        }
        if (!ok)
                lease->watch.version = SLICE_NONE;
        if (other)
                tell(lease);
        return ok;
}

/* The server ends each watch now and then. */
static void on_watched(const struct kube_answer *answer, void *self)
{
        struct lease *lease = self;
        lease->watch.call = NULL;
        buffer_clear(&lease->watch.line);
        if (answer->fault.len == 0 && lease->watch.version.len > 0) {
                watch(lease);
                return;
        }
        /* Of a connection that broke the list will tell, if it has not healed by then. */
        if (answer->fault.len > 0 && answer->status != 410 && answer->status != 0)
                lease_warn_answer(lease, &lease->watch.failing, "the replicas", answer);
        rest(lease);
}

static void watch(struct lease *lease)
{
        struct arena arena;
        arena_init(&arena, 512);
        struct kube_request request = {
                .method = "GET",
                .path = arena_printf(
                        &arena,
                        "%.*s?labelSelector=pingate.dev%%2Freplica%%3Dtrue&watch=true"
                        "&allowWatchBookmarks=true&timeoutSeconds=%d&resourceVersion=%.*s",
                        SLICE_ARG(lease->collection), WATCH_S, SLICE_ARG(lease->watch.version)),
                .silence_ms = SILENCE_MS,
                .self = lease,
                .on_bytes = on_events,
                .on_done = on_watched,
        };
        lease->watch.state = WATCH_WATCHING;
        lease->watch.call = kube_call_start(lease->options.client, &request);
        arena_done(&arena);
}

static void on_timer(uv_timer_t *timer)
{
        list(timer->data);
}

static void rest(struct lease *lease)
{
        lease->watch.state = WATCH_RESTING;
        must(uv_timer_start(&lease->watch.timer, on_timer, REST_MS + lease_jitter(REST_MS), 0) ==
             0);
}

/* --- who is no longer heard of --- */

static void on_tick(uv_timer_t *timer)
{
        struct lease *lease = timer->data;
        struct lease_watch *watch_ = &lease->watch;
        struct map_slot *slot;
        size_t at = 0;
        uint64_t now = lease_now_ms();
        bool known = is_known(lease), other = known != watch_->told_known;
        watch_->told_known = known;
        while (map_next(&watch_->replicas, &at, &slot)) {
                struct replica *replica = slot->value;
                bool alive = lease_sight_is_alive(&replica->sight, now);
                other |= alive != replica->told_alive;
                replica->told_alive = alive;
        }
        if (other)
                tell(lease);
}

/* It said so after we began to serve the same, and what we have not heard of since, it has not. */
static bool said_the_same(const struct lease *lease, const struct replica *replica,
                          const struct digest *digest)
{
        return replica->heard_ms > 0 && replica->heard_ms >= lease->own.since_ms &&
               digest_equal(&lease->own.digest, digest) &&
               digest_equal(&replica->sight.record.digest, digest);
}

static struct slice first_of(struct slice a, struct slice b)
{
        return a.len == 0 || slice_compare(b, a) < 0 ? b : a; /* the same one each time */
}

struct lease_replicas lease_replicas(const struct lease *lease, const struct digest *digest)
{
        struct lease_replicas counts = {.known = lease_leads(lease) && is_known(lease)};
        struct map_slot *slot;
        size_t at = 0;
        uint64_t now = lease_now_ms();
        if (!counts.known)
                return counts;
        if (!digest_is_none(&lease->own.digest)) {
                counts.live++;
                counts.agreeing += digest_equal(&lease->own.digest, digest);
        }
        while (map_next(&lease->watch.replicas, &at, &slot)) {
                const struct replica *replica = slot->value;
                bool alive = lease_sight_is_alive(&replica->sight, now);
                if (slice_equal(slot->key, lease->own.name))
                        continue;
                counts.live += alive;
                if (!alive && !said_the_same(lease, replica, digest)) {
                        counts.silent++;
                        counts.unheard = first_of(counts.unheard, slot->key);
                } else if (alive && digest_equal(&replica->sight.record.digest, digest)) {
                        counts.agreeing++;
                } else if (alive) {
                        counts.behind = first_of(counts.behind, slot->key);
                }
        }
        return counts;
}

/* --- open and close --- */

void lease_watch_open(struct lease *lease)
{
        buffer_init(&lease->watch.line, EVENT_BYTES_MAX);
        arena_init(&lease->watch.version_arena, 512);
        lease_timer_open(lease, &lease->watch.timer);
        lease_timer_open(lease, &lease->watch.tick);
}

void lease_watch_start(struct lease *lease)
{
        must(lease->watch.state == WATCH_OFF);
        must(uv_timer_start(&lease->watch.tick, on_tick, TICK_MS, TICK_MS) == 0);
        list(lease);
}

/* What was seen is forgotten: when we lead again it is seen anew, and so taken for alive. */
void lease_watch_stop(struct lease *lease)
{
        struct lease_watch *watch_ = &lease->watch;
        uv_timer_stop(&watch_->timer);
        uv_timer_stop(&watch_->tick);
        kube_call_cancel(watch_->call);
        watch_->call = NULL;
        watch_->state = WATCH_OFF;
        watch_->told_known = false;
        buffer_clear(&watch_->line);
        drop_all(lease);
}

void lease_watch_close(struct lease *lease)
{
        lease_watch_stop(lease);
        buffer_done(&lease->watch.line);
        arena_done(&lease->watch.version_arena);
}
