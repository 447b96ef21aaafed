#include "control/kube/fetch.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "control/kube/item.h"
#include "control/kube/path.h"
#include "control/kube/reflector.h"
#include "control/kube/rule.h"

enum {
        CALLS_MAX = 16,
        UNKNOWN_MAX = 64, /* more are had by a list */
        CALL_MS = 30000,
};

struct asked {
        struct kube_fetch *fetch;
        struct kube_call *call; /* NULL: this place is free */
        struct kube_name name;  /* in key */
        char *key;              /* owned */
};

struct kube_fetch {
        struct kube_client *client;
        struct kube_store *store;
        struct asked asked[CALLS_MAX];
        uv_timer_t timer; /* until the next try */
        unsigned failures;
        size_t secrets, maps; /* unknown, while they are counted */
        void *self;
        const struct kube_fetch_hooks *hooks;
};

static void on_again(uv_timer_t *timer);

static bool is_asked(const struct kube_fetch *fetch, const struct kube_name *name)
{
        for (size_t i = 0; i < CALLS_MAX; i++) {
                const struct asked *asked = &fetch->asked[i];
                if (asked->call && asked->name.kind == name->kind &&
                    slice_equal(asked->name.name, name->name) &&
                    slice_equal(asked->name.namespace, name->namespace))
                        return true;
        }
        return false;
}

static struct asked *place_find(struct kube_fetch *fetch)
{
        for (size_t i = 0; i < CALLS_MAX; i++)
                if (!fetch->asked[i].call)
                        return &fetch->asked[i];
        return NULL;
}

static void asked_done(struct asked *asked)
{
        free(asked->key);
        *asked = (struct asked){0};
}

static void fail(struct kube_fetch *fetch, const struct asked *asked,
                 const struct kube_answer *answer)
{
        const char *group = object_group(asked->name.kind);
        const char *resource = object_resource(asked->name.kind);
        struct arena arena;
        arena_init(&arena, 2048);
        struct slice rule = SLICE_NONE;
        if (answer->status == 403)
                rule = arena_printf(&arena, RULE_WANTED, group, resource, RULE_VERBS_READ);
        struct slice text = arena_printf(
                &arena, "%s %.*s/%.*s: get: %.*s%.*s", resource, SLICE_ARG(asked->name.namespace),
                SLICE_ARG(asked->name.name), SLICE_ARG(answer->fault), SLICE_ARG(rule));
        fetch->failures++;
        fetch->hooks->on_fault(text, fetch->self);
        arena_done(&arena);
        if (!uv_is_active((uv_handle_t *)&fetch->timer)) {
                uint64_t seed = fetch->failures;
                uint64_t pause =
                        reflector_pause_ms(fetch->failures, hash_bytes(&seed, sizeof(seed)));
                must(uv_timer_start(&fetch->timer, on_again, pause, 0) == 0);
        }
}

static void take(struct kube_fetch *fetch, const struct asked *asked,
                 const struct kube_answer *answer)
{
        struct error fault;
        struct slice item = answer->status == 200 ? answer->body : SLICE_NONE;
        kube_store_answer(fetch->store, &asked->name, item, &fault);
        if (fetch->failures > 0)
                fetch->hooks->on_fault(SLICE_NONE, fetch->self);
        fetch->failures = 0;
        if (kube_fetch_unknown(fetch) == 0)
                fetch->hooks->on_fetched(fetch->self);
}

static void on_done(const struct kube_answer *answer, void *self)
{
        struct asked asked = *(struct asked *)self;
        *(struct asked *)self = (struct asked){0};
        if (answer->status == 200 || answer->status == 404)
                take(asked.fetch, &asked, answer);
        else
                fail(asked.fetch, &asked, answer);
        asked_done(&asked);
}

static void ask(struct kube_fetch *fetch, const struct kube_name *name)
{
        struct arena arena;
        struct asked *asked = place_find(fetch);
        size_t namespace_len = name->namespace.len;
        if (!asked || is_asked(fetch, name))
                return; /* the next answer looks again */
        arena_init(&arena, 1024);
        asked->fetch = fetch;
        asked->key = memory_new(namespace_len + name->name.len + 1);
        memcpy(asked->key, name->namespace.data, namespace_len);
        memcpy(asked->key + namespace_len, name->name.data, name->name.len);
        asked->name = (struct kube_name){name->kind, slice_from(asked->key, namespace_len),
                                         slice_from(asked->key + namespace_len, name->name.len)};
        struct kube_request request = {.method = "GET",
                                       .path = kube_object_path(&arena, name->kind, name->namespace,
                                                                name->name, SLICE_NONE),
                                       .timeout_ms = CALL_MS,
                                       .body_max = KUBE_ITEM_MAX,
                                       .self = asked,
                                       .on_done = on_done};
        asked->call = kube_call_start(fetch->client, &request);
        arena_done(&arena);
}

static void count_unknown(const struct kube_name *name, void *self)
{
        struct kube_fetch *fetch = self;
        fetch->secrets += name->kind == KIND_SECRET;
        fetch->maps += name->kind == KIND_CONFIG_MAP;
}

static void ask_unknown(const struct kube_name *name, void *self)
{
        struct kube_fetch *fetch = self;
        if ((name->kind == KIND_SECRET ? fetch->secrets : fetch->maps) <= UNKNOWN_MAX)
                ask(fetch, name);
}

size_t kube_fetch_unknown(struct kube_fetch *fetch)
{
        fetch->secrets = fetch->maps = 0;
        size_t unknown = kube_store_unknown(fetch->store, fetch, count_unknown);
        if (unknown == 0 || uv_is_active((uv_handle_t *)&fetch->timer))
                return unknown;
        if (fetch->secrets > UNKNOWN_MAX)
                fetch->hooks->on_relist(KIND_SECRET, fetch->self);
        if (fetch->maps > UNKNOWN_MAX)
                fetch->hooks->on_relist(KIND_CONFIG_MAP, fetch->self);
        kube_store_unknown(fetch->store, fetch, ask_unknown);
        return unknown;
}

static void on_again(uv_timer_t *timer)
{
        kube_fetch_unknown(timer->data);
}

struct kube_fetch *kube_fetch_new(uv_loop_t *loop, struct kube_client *client,
                                  struct kube_store *store, void *self,
                                  const struct kube_fetch_hooks *hooks)
{
        struct kube_fetch *fetch = NEW(struct kube_fetch);
        fetch->client = client;
        fetch->store = store;
        fetch->self = self;
        fetch->hooks = hooks;
        must(uv_timer_init(loop, &fetch->timer) == 0);
        fetch->timer.data = fetch;
        return fetch;
}

static void on_closed(uv_handle_t *handle)
{
        free(handle->data);
}

void kube_fetch_close(struct kube_fetch *fetch)
{
        if (!fetch)
                return;
        for (size_t i = 0; i < CALLS_MAX; i++) {
                kube_call_cancel(fetch->asked[i].call);
                asked_done(&fetch->asked[i]);
        }
        uv_close((uv_handle_t *)&fetch->timer, on_closed);
}
