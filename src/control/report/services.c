#include "control/report/services.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/must.h"
#include "control/kube/path.h"
#include "control/kube/rule.h"
#include "text/json.h"

enum {
        LOOK_MS = 5,      /* news that come together are one look */
        FOLLOW_MS = 1000, /* whether we lead by now */
        WRITE_MS_MAX = 15000,
        BODY_BYTES_MAX = 1 << 20,
};

struct kept { /* one Service; the services' */
        struct services *services;
        struct slice namespace, name; /* in the bytes behind, which are the map's key */
        struct kube_call *call;       /* NULL: nothing is in flight */
        char *version; /* that was written upon, not heard of since; owned, or NULL */
        uint64_t heard_due_ms, due_ms; /* until when that is waited for; not before */
        uint64_t left_ms;              /* since when nobody wants it; 0: somebody does */
        unsigned failures;
        uint64_t look; /* that saw it last */
};

struct services {
        struct services_options options;
        const struct translation *translation; /* NULL before the first */
        struct map by_name;                    /* "namespace/name" */
        struct arena scratch;
        struct buffer body;
        uv_timer_t timer;
        uint64_t look, next_ms; /* counts looks; when the next one is due */
        size_t in_flight;
};

static void on_look(uv_timer_t *timer);

static uint64_t now_ms(const struct services *services)
{
        return uv_now(services->options.side.loop);
}

static void look_within(struct services *services, uint64_t ms)
{
        uv_timer_t *timer = &services->timer;
        if (!uv_is_active((uv_handle_t *)timer) || uv_timer_get_due_in(timer) > ms)
                must(uv_timer_start(timer, on_look, ms, 0) == 0);
}

static void due_note(struct services *services, uint64_t at_ms)
{
        if (services->next_ms == 0 || at_ms < services->next_ms)
                services->next_ms = at_ms;
}

/* --- what is known of each --- */

static struct kept *kept_of(struct services *services, struct slice namespace, struct slice name)
{
        struct slice key = arena_printf(&services->scratch, "%.*s/%.*s", SLICE_ARG(namespace),
                                        SLICE_ARG(name));
        struct kept *kept = map_find(&services->by_name, key);
        if (!kept) {
                kept = memory_new(sizeof(*kept) + key.len);
                char *bytes = (char *)(kept + 1);
                memcpy(bytes, key.data, key.len);
                kept->services = services;
                kept->namespace = slice_from(bytes, namespace.len);
                kept->name = slice_from(bytes + namespace.len + 1, name.len);
                map_set(&services->by_name, slice_from(bytes, key.len), kept);
        }
        kept->look = services->look;
        return kept;
}

static void kept_free(struct kept *kept)
{
        kube_call_cancel(kept->call);
        free(kept->version);
        free(kept);
}

/* --- one write --- */

static void put_off(struct kept *kept)
{
        uint64_t pause = SERVICE_PAUSE_MS;
        for (unsigned i = 0; i < kept->failures && pause < SERVICE_PAUSE_MS_MAX; i++)
                pause *= 2;
        kept->failures++;
        kept->due_ms = now_ms(kept->services) +
                       (pause < SERVICE_PAUSE_MS_MAX ? pause : SERVICE_PAUSE_MS_MAX);
}

/* Once for as long as it fails: what it waits for is in the Gateway's status. */
static void warn(const struct kept *kept, const struct kube_answer *answer)
{
        const struct services_options *options = &kept->services->options;
        if (!options->side.sink || kept->failures > 1)
                return;
        if (answer->status == 403)
                event_warningf(
                        options->side.sink, "services",
                        "the API server does not let us write Service %.*s/%.*s: %.*s" RULE_WANTED
                        " in namespace %.*s",
                        SLICE_ARG(kept->namespace), SLICE_ARG(kept->name), SLICE_ARG(answer->fault),
                        "", "services", "create, patch, delete", SLICE_ARG(kept->namespace));
        else
                event_warningf(options->side.sink, "services",
                               "Service %.*s/%.*s could not be written: %.*s",
                               SLICE_ARG(kept->namespace), SLICE_ARG(kept->name),
                               SLICE_ARG(answer->fault));
}

/* Somebody else was faster: what they did is on its way to the store. */
static bool is_a_race(int status)
{
        return status == 404 || status == 409;
}

static void on_written(const struct kube_answer *answer, void *self)
{
        struct kept *kept = self;
        struct services *services = kept->services;
        kept->call = NULL;
        services->in_flight--;
        if (answer->status >= 200 && answer->status < 300) {
                kept->failures = 0;
                kept->heard_due_ms = now_ms(services) + SERVICE_HEARD_MS;
        } else {
                free(kept->version);
                kept->version = NULL;
                put_off(kept);
                if (!is_a_race(answer->status) && !kube_answer_says_leaving(answer))
                        warn(kept, answer);
        }
        look_within(services, LOOK_MS);
}

static void write_begin(struct kept *kept, const struct kube_request *made, const struct node *body,
                        const struct kube_entry *is)
{
        struct services *services = kept->services;
        struct slice version = is ? is->resource_version : SLICE_NONE;
        struct kube_request request = *made;
        buffer_clear(&services->body);
        if (!node_print_json(body, &services->body, false)) {
                put_off(kept);
                return;
        }
        request.body = buffer_slice(&services->body);
        request.timeout_ms = WRITE_MS_MAX;
        request.self = kept;
        request.on_done = on_written;
        kept->version = memory_dup(version.data ? version.data : "", version.len);
        services->in_flight++;
        kept->call = kube_call_start(services->options.side.client, &request);
}

/* Nothing is in flight, nor on its way back, nor put off. */
static bool is_at_rest(struct kept *kept, const struct kube_entry *is)
{
        struct services *services = kept->services;
        uint64_t now = now_ms(services);
        struct slice version = is ? is->resource_version : SLICE_NONE;
        if (kept->call)
                return false;
        if (kept->version && (!slice_is(version, kept->version) || now >= kept->heard_due_ms)) {
                free(kept->version);
                kept->version = NULL;
        }
        if (kept->version)
                due_note(services, kept->heard_due_ms);
        else if (now < kept->due_ms)
                due_note(services, kept->due_ms);
        return !kept->version && now >= kept->due_ms && services->in_flight < SERVICE_WRITES_MAX;
}

/* --- what is wanted --- */

static void wanted_look(struct services *services, const struct wanted_service *wanted)
{
        const struct kube_store *store = services->options.side.store;
        struct service_wish wish = {
                .wanted = wanted,
                .is = kube_store_find(store, KIND_SERVICE, wanted->namespace, wanted->name),
                .gateway = kube_store_find(store, KIND_GATEWAY, wanted->gateway_namespace,
                                           wanted->gateway_name),
                .selector = services->options.selector};
        struct kept *kept = kept_of(services, wanted->namespace, wanted->name);
        struct node *body;
        kept->left_ms = 0;
        if (!is_at_rest(kept, wish.is))
                return;
        enum service_change change = service_diff(&wish, &services->scratch, &body);
        if (change == SERVICE_SAME)
                return;
        bool create = change == SERVICE_CREATE;
        struct slice path = kube_object_path(&services->scratch, KIND_SERVICE, wanted->namespace,
                                             create ? SLICE_NONE : wanted->name, SLICE_NONE);
        const struct kube_request request = {
                .method = create ? "POST" : "PATCH",
                .path = arena_printf(&services->scratch, "%.*s?fieldManager=pingate",
                                     SLICE_ARG(path)),
                .content_type = create ? NULL : "application/merge-patch+json"};
        write_begin(kept, &request, body, wish.is);
}

/* --- what nobody wants any more --- */

static bool left_look(const struct kube_entry *is, void *self)
{
        struct services *services = self;
        const struct services_options *options = &services->options;
        if (!is->object || is->deleting ||
            !service_is_ours((const struct service *)is->object, options->namespace,
                             options->balanced))
                return true;
        struct slice key = arena_printf(&services->scratch, "%.*s/%.*s", SLICE_ARG(is->namespace),
                                        SLICE_ARG(is->name));
        struct kept *kept = map_find(&services->by_name, key);
        if (kept && kept->look == services->look)
                return true; /* it is wanted */
        kept = kept_of(services, is->namespace, is->name);
        if (kept->left_ms == 0)
                kept->left_ms = now_ms(services);
        if (now_ms(services) < kept->left_ms + SERVICE_LEFT_MS) {
                due_note(services, kept->left_ms + SERVICE_LEFT_MS);
        } else if (is_at_rest(kept, is)) {
                const struct kube_request request = {
                        .method = "DELETE",
                        .path = kube_object_path(&services->scratch, KIND_SERVICE, is->namespace,
                                                 is->name, SLICE_NONE)};
                write_begin(kept, &request, service_delete_body(is, &services->scratch), is);
        }
        return true;
}

static void forget_unseen(struct services *services)
{
        size_t at = 0;
        struct map_slot *slot;
        VEC(struct kept *) gone = {0};
        while (map_next(&services->by_name, &at, &slot)) {
                struct kept *kept = slot->value;
                if (kept->look != services->look && !kept->call)
                        vec_push(&gone, kept);
        }
        vec_each (kept, &gone) {
                map_remove(&services->by_name,
                           slice_from((*kept) + 1, (*kept)->namespace.len + 1 + (*kept)->name.len));
                kept_free(*kept);
        }
        vec_done(&gone);
}

/* --- looks --- */

static void look(struct services *services)
{
        const struct translation *translation = services->translation;
        services->look++;
        services->next_ms = 0;
        for (size_t i = 0; i < translation->services.count; i++)
                wanted_look(services, &translation->services.items[i]);
        kube_store_each(services->options.side.store, KIND_SERVICE, services, left_look);
        forget_unseen(services);
        arena_reset(&services->scratch);
}

static void on_look(uv_timer_t *timer)
{
        struct services *services = timer->data;
        if (!services->translation)
                return;
        if (!api_side_leads(&services->options.side)) {
                look_within(services, FOLLOW_MS);
                return;
        }
        look(services);
        uint64_t now = now_ms(services);
        if (services->next_ms > 0)
                look_within(services, services->next_ms > now ? services->next_ms - now : LOOK_MS);
}

/* --- from outside --- */

struct services *services_open(const struct services_options *options)
{
        struct services *services = NEW(struct services);
        services->options = *options;
        arena_init(&services->scratch, 16 * 1024);
        buffer_init(&services->body, BODY_BYTES_MAX);
        must(uv_timer_init(options->side.loop, &services->timer) == 0);
        services->timer.data = services;
        return services;
}

void services_take(struct services *services, const struct translation *translation)
{
        services->translation = translation;
        look_within(services, LOOK_MS);
}

void services_heard(struct services *services)
{
        look_within(services, LOOK_MS);
}

static void on_closed(uv_handle_t *handle)
{
        struct services *services = handle->data;
        free(services);
}

void services_close(struct services *services)
{
        size_t at = 0;
        struct map_slot *slot;
        if (!services)
                return;
        while (map_next(&services->by_name, &at, &slot))
                kept_free(slot->value);
        map_done(&services->by_name);
        arena_done(&services->scratch);
        buffer_done(&services->body);
        uv_close((uv_handle_t *)&services->timer, on_closed);
}
