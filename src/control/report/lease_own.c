/* Our own replica's Lease: written when it is due or what is served changes, gone when we are, or
 * our Pod, which owns it. */
#include "base/must.h"
#include "control/api/names.h"
#include "control/report/lease_parts.h"
#include "text/json.h"

enum {
        RENEW_EACH_MS = 5000,
        COALESCE_MS = 200,
        RETRY_MS = 1000,
};

static void write_it(struct lease *lease);
static void remove_it(struct lease *lease);

static void on_timer(uv_timer_t *timer)
{
        write_it(timer->data);
}

/* That long after the last one was sent. */
static void write_after(struct lease *lease, uint64_t ms)
{
        struct lease_own *own = &lease->own;
        uint64_t passed = lease_now_ms() - own->sent_ms;
        if (lease->state == LEASE_OPEN && !own->call)
                must(uv_timer_start(&own->timer, on_timer, passed < ms ? ms - passed : 0, 0) == 0);
}

/* So it goes with the Pod: until then who is not heard of may live, and is not passed over. */
static void print_owner(const struct lease *lease, struct json_writer *w)
{
        json_key(w, SLICE("ownerReferences"));
        json_begin_array(w);
        json_begin_object(w);
        json_field_text(w, "apiVersion", "v1");
        json_field_text(w, "kind", "Pod");
        json_field_string(w, "name", lease->options.identity);
        json_field_string(w, "uid", lease->options.pod_uid);
        json_end_object(w);
        json_end_array(w);
}

static bool print(const struct lease *lease, struct buffer *out)
{
        const struct lease_own *own = &lease->own;
        struct json_writer w;
        char hex[DIGEST_HEX_SIZE], now[LEASE_TIME_SIZE], generation[24];
        snprintf(generation, sizeof(generation), "%llu", (unsigned long long)own->generation);
        json_writer_init(&w, out);
        json_begin_object(&w);
        json_field_text(&w, "apiVersion", "coordination.k8s.io/v1");
        json_field_text(&w, "kind", "Lease");
        json_key(&w, SLICE("metadata"));
        json_begin_object(&w);
        json_field_string(&w, "name", own->name);
        json_key(&w, SLICE("labels"));
        json_begin_object(&w);
        json_field_text(&w, LEASE_REPLICA_LABEL, "true");
        json_end_object(&w);
        json_key(&w, SLICE("annotations"));
        json_begin_object(&w);
        json_field_text(&w, LEASE_DIGEST_ANNOTATION, digest_hex(&own->digest, hex));
        json_field_text(&w, LEASE_GENERATION_ANNOTATION, generation);
        json_end_object(&w);
        if (lease->options.pod_uid.len > 0)
                print_owner(lease, &w);
        json_end_object(&w);
        json_key(&w, SLICE("spec"));
        json_begin_object(&w);
        json_field_string(&w, "holderIdentity", lease->holder);
        json_field_integer(&w, "leaseDurationSeconds", LEASE_DURATION_MS / 1000);
        json_field_text(&w, "renewTime", lease_time_print(lease_unix_us(), now));
        json_end_object(&w);
        json_end_object(&w);
        return json_writer_done(&w);
}

static void call(struct lease *lease, const char *method, struct slice body,
                 void (*on_done)(const struct kube_answer *answer, void *self))
{
        struct arena arena;
        arena_init(&arena, 512);
        bool creates = body.len > 0 && !lease->own.exists;
        struct kube_request request = {
                .method = method,
                .path = creates ? lease->collection : lease_path(lease, &arena, lease->own.name),
                .content_type = creates ? "application/json" : "application/merge-patch+json",
                .body = body,
                .timeout_ms = LEASE_CALL_MS,
                .body_max = LEASE_BODY_MAX,
                .self = lease,
                .on_done = on_done,
        };
        lease->own.sent_ms = lease_now_ms();
        lease->own.call = kube_call_start(lease->options.client, &request);
        arena_done(&arena);
}

/* One that is left from a former process of the name is ours; one that was taken away is made
 * anew. */
static void on_written(const struct kube_answer *answer, void *self)
{
        struct lease *lease = self;
        struct lease_own *own = &lease->own;
        bool other = answer->status == 409 || (answer->status == 404 && own->exists);
        own->call = NULL;
        if (answer->status != 0)
                own->exists = answer->status != 404 &&
                              (own->exists || answer->fault.len == 0 || answer->status == 409);
        if (answer->fault.len == 0)
                own->failing = false;
        else
                own->changed = true;
        if (answer->fault.len > 0 && !other)
                lease_warn_answer(lease, &own->failing, "of this replica", answer);
        if (lease->state == LEASE_CLOSING)
                remove_it(lease);
        else
                write_after(lease, !own->changed                     ? RENEW_EACH_MS
                                   : answer->fault.len > 0 && !other ? RETRY_MS
                                                                     : COALESCE_MS);
}

static void write_it(struct lease *lease)
{
        struct buffer body;
        buffer_init(&body, LEASE_BODY_MAX);
        must(print(lease, &body));
        lease->own.changed = false;
        call(lease, lease->own.exists ? "PATCH" : "POST", buffer_slice(&body), on_written);
        buffer_done(&body);
}

void lease_serve(struct lease *lease, const struct digest *digest, uint64_t generation)
{
        struct lease_own *own = &lease->own;
        bool same = digest_equal(&own->digest, digest) && own->generation == generation;
        if (same || lease->state != LEASE_OPEN)
                return;
        if (!digest_equal(&own->digest, digest))
                own->since_ms = lease_now_ms();
        own->digest = *digest;
        own->generation = generation;
        own->changed = true;
        write_after(lease, COALESCE_MS);
}

/* --- the end --- */

static void on_removed(const struct kube_answer *answer, void *self)
{
        struct lease *lease = self;
        lease->own.call = NULL;
        if (answer->fault.len > 0 && answer->status != 404)
                lease_warn_answer(lease, &lease->own.failing, "of this replica, not deleted",
                                  answer);
        lease->own.done = true;
        lease_part_done(lease);
}

static void remove_it(struct lease *lease)
{
        struct lease_own *own = &lease->own;
        if (own->call) /* it may create what is to be deleted */
                return;
        if (digest_is_none(&own->digest)) {
                own->done = true;
                lease_part_done(lease);
                return;
        }
        call(lease, "DELETE", SLICE_NONE, on_removed);
}

void lease_own_remove(struct lease *lease)
{
        uv_timer_stop(&lease->own.timer);
        remove_it(lease);
}

/* --- open and close --- */

void lease_own_open(struct lease *lease)
{
        struct arena *arena = &lease->arena;
        struct slice identity = lease->options.identity;
        /* A space: never a label, so it gets a name that no other identity has. */
        lease->own.name = name_fit(arena, arena_printf(arena, "pingate-%.*s%s", SLICE_ARG(identity),
                                                       slice_is(identity, "leader") ? " " : ""));
        lease_timer_open(lease, &lease->own.timer);
}

void lease_own_close(struct lease *lease)
{
        kube_call_cancel(lease->own.call);
        lease->own.call = NULL;
}
