#include "proxy/mirror.h"

#include <stdlib.h>

#include "base/memory.h"
#include "proxy/backend_call.h"

enum {
        BODY_BYTES_MAX = 64 * 1024,   /* of a request that the mirror's backend has not taken */
        ANSWER_BYTES_MAX = 64 * 1024, /* read for the sake of its connection; behind it, it ends */
        PULL_BYTES = 4096,
};

enum mirror_result {
        MIRROR_ANSWERED,
        MIRROR_FAILED,  /* its backend did */
        MIRROR_DROPPED, /* it fell behind, or the request broke off */
};

struct mirror {
        struct mirror *next, **link;             /* of the worker's */
        struct mirror *group_next, **group_link; /* link NULL: the request has come whole */
        const struct exchange_env *env;
        struct snapshot *snapshot;
        struct arena arena;
        struct request_head head;
        struct http_limits limits;
        struct request_body body;
        struct backend_call call;
        struct response_head response;
        uint64_t left; /* of a body whose length was announced */
        uint64_t ends_ms;
        size_t answer_bytes;
        bool ready, answered; /* connected; the final head has come */
        struct deadline deadline;
        struct task task;
};

/* ---- its end ---- */

static void group_leave(struct mirror *mirror)
{
        if (!mirror->group_link)
                return;
        *mirror->group_link = mirror->group_next;
        if (mirror->group_next)
                mirror->group_next->group_link = mirror->group_link;
        mirror->group_link = NULL;
}

static void count(const struct exchange_env *env, enum mirror_result result)
{
        struct worker_counters *counters = event_sink_counters(env->sink);
        struct counter *const of[] = {
                [MIRROR_ANSWERED] = &counters->mirrors_answered,
                [MIRROR_FAILED] = &counters->mirrors_failed,
                [MIRROR_DROPPED] = &counters->mirrors_dropped,
        };
        counter_add(of[result], 1);
}

static void mirror_close(struct mirror *mirror, enum mirror_result result, bool whole)
{
        const struct exchange_env *env = mirror->env;
        count(env, result);
        group_leave(mirror);
        *mirror->link = mirror->next;
        if (mirror->next)
                mirror->next->link = mirror->link;
        env->mirrors->count--;
        backend_call_close(&mirror->call, whole);
        deadline_clear(&mirror->deadline);
        task_cancel(upstream_pool_tasks(env->pool), &mirror->task);
        buffer_done(&mirror->body.bytes);
        snapshot_unref(mirror->snapshot);
        arena_done(&mirror->arena);
        free(mirror);
}

/* ---- time ---- */

static void on_late(struct deadline *deadline)
{
        mirror_close(CONTAINER_OF(deadline, struct mirror, deadline), MIRROR_FAILED, false);
}

static void deadline_renew(struct mirror *mirror)
{
        const struct exchange_env *env = mirror->env;
        uint64_t at_ms = *env->now_ms + env->response_ms_max;
        deadline_set(env->wheel, &mirror->deadline,
                     at_ms < mirror->ends_ms ? at_ms : mirror->ends_ms, on_late);
}

/* ---- bytes ---- */

static void forget_sent(struct mirror *mirror)
{
        buffer_consume(&mirror->body.bytes, mirror->body.sent);
        mirror->body.sent = 0;
}

static void send_now(struct mirror *mirror)
{
        if (!mirror->ready)
                return;
        if (backend_call_send(&mirror->call))
                deadline_renew(mirror);
        forget_sent(mirror);
        backend_call_watch(&mirror->call);
}

/* True: the answer's final head is there. */
static bool head_came(struct mirror *mirror)
{
        while (!mirror->answered) {
                switch (backend_call_head(&mirror->call, &mirror->response)) {
                case CALL_HEAD_LATER:
                        backend_call_watch(&mirror->call);
                        return false;
                case CALL_HEAD_BAD:
                case CALL_HEAD_CLOSED:
                        mirror_close(mirror, MIRROR_FAILED, false);
                        return false;
                case CALL_HEAD_DONE:
                        mirror->answered = !mirror->response.informational;
                        /* Connecting may have failed before, and does no more. */
                        backend_call_tell(&mirror->call, true);
                }
        }
        return true;
}

/* Its answer is read to its end and thrown away. */
static void on_turn(struct task *task)
{
        struct mirror *mirror = CONTAINER_OF(task, struct mirror, task);
        char nowhere[PULL_BYTES];
        if (!head_came(mirror))
                return;
        while (mirror->answer_bytes < ANSWER_BYTES_MAX) {
                struct header_list *trailers = NULL;
                size_t len = sizeof(nowhere);
                enum h2_pull pulled = backend_call_pull(&mirror->call, nowhere, &len, &trailers);
                mirror->answer_bytes += len;
                if (pulled == H2_PULL_LATER) {
                        backend_call_watch(&mirror->call);
                        return;
                }
                if (pulled != H2_PULL_DATA) {
                        mirror_close(mirror, MIRROR_ANSWERED, pulled == H2_PULL_END);
                        return;
                }
        }
        mirror_close(mirror, MIRROR_ANSWERED, false);
}

static void on_ready(void *self)
{
        struct mirror *mirror = self;
        if (!backend_call_begin(&mirror->call)) {
                mirror_close(mirror, MIRROR_FAILED, false);
                return;
        }
        mirror->ready = true;
        send_now(mirror);
}

static void on_failed(enum upstream_failure failure, void *self)
{
        (void)failure;
        mirror_close(self, MIRROR_FAILED, false);
}

static void on_moved(unsigned moved, void *self)
{
        struct mirror *mirror = self;
        if (moved)
                deadline_renew(mirror);
        forget_sent(mirror);
        if (moved & CALL_CAME)
                task_queue_put(upstream_pool_tasks(mirror->env->pool), &mirror->task, on_turn);
}

static const struct backend_call_callbacks backend_side = {on_ready, on_failed, on_moved};

/* ---- its beginning ---- */

static void head_copy(struct mirror *mirror, const struct request_head *from)
{
        struct arena *arena = &mirror->arena;
        struct request_head *head = &mirror->head;
        struct slice *const texts[] = {&head->method,    &head->target,    &head->path,
                                       &head->query,     &head->scheme,    &head->host,
                                       &head->authority, &head->plain_path};
        *head = *from;
        for (size_t i = 0; i < COUNT_OF(texts); i++)
                *texts[i] = arena_slice(arena, *texts[i]);
        header_list_init(&head->headers, arena);
        for (size_t i = 0; i < from->headers.count; i++)
                header_append(&head->headers, arena_slice(arena, from->headers.items[i].name),
                              arena_slice(arena, from->headers.items[i].value));
        bool te_trailers = header_find(&head->headers, SLICE("te")) != NULL;
        request_headers_finish(&head->headers, NULL, te_trailers); /* whoever the client is (I25) */
}

static void mirror_link(struct mirror *mirror, struct mirror_group *group)
{
        struct mirrors *all = mirror->env->mirrors;
        mirror->next = all->first;
        mirror->link = &all->first;
        if (mirror->next)
                mirror->next->link = &mirror->next;
        all->first = mirror;
        all->count++;
        if (mirror->body.ended)
                return;
        mirror->group_next = group->first;
        mirror->group_link = &group->first;
        if (mirror->group_next)
                mirror->group_next->group_link = &mirror->group_next;
        group->first = mirror;
}

static void mirror_open(struct mirror_group *group, const struct mirror_start *start,
                        const struct backend *backend)
{
        const struct exchange_env *env = start->env;
        struct mirror *mirror = NEW(struct mirror);
        const struct backend_call_start call = {
                .pool = env->pool,
                .backend = backend,
                .head = &mirror->head,
                .body = &mirror->body,
                .limits = &mirror->limits,
                .arena = &mirror->arena,
                .window_bytes = PULL_BYTES,
                .callbacks = &backend_side,
                .self = mirror,
        };
        mirror->env = env;
        mirror->snapshot = snapshot_ref(start->snapshot);
        mirror->ends_ms = *env->now_ms + env->request_ms_max;
        mirror->limits = http_limits_default();
        mirror->left = start->head->content_length;
        mirror->body.ended = start->end;
        arena_init(&mirror->arena, PULL_BYTES);
        buffer_init(&mirror->body.bytes, BODY_BYTES_MAX);
        head_copy(mirror, start->head);
        mirror_link(mirror, group);
        deadline_renew(mirror);
        backend_call_open(&mirror->call, &call);
}

void mirrors_begin(struct mirror_group *group, const struct mirror_start *start,
                   const struct route_filters *filters)
{
        const struct exchange_env *env = start->env;
        for (size_t i = 0; filters && i < filters->mirror_count; i++) {
                const struct route_mirror *of = &filters->mirrors[i];
                uint64_t drawn = random_next(env->random_state) % of->denominator;
                if (of->backend >= start->snapshot->backend_count || drawn >= of->numerator)
                        continue;
                if (env->mirrors->count >= env->mirrors->count_max)
                        count(env, MIRROR_DROPPED);
                else
                        mirror_open(group, start, &start->snapshot->backends[of->backend]);
        }
}

/* ---- what the request says behind its head ---- */

/* Never more, or less, than Content-Length said (I28). */
static bool data_take(struct mirror *mirror, struct slice data)
{
        if (mirror->head.framing == FRAMING_LENGTH && data.len > mirror->left)
                return false;
        mirror->left -= mirror->head.framing == FRAMING_LENGTH ? data.len : 0;
        return mirror->head.framing != FRAMING_NONE && buffer_append(&mirror->body.bytes, data);
}

void mirror_group_data(struct mirror_group *group, struct slice data)
{
        for (struct mirror *mirror = group->first, *next; mirror; mirror = next) {
                next = mirror->group_next;
                if (data_take(mirror, data))
                        send_now(mirror);
                else
                        mirror_close(mirror, MIRROR_DROPPED, false);
        }
}

void mirror_group_end(struct mirror_group *group)
{
        for (struct mirror *mirror = group->first, *next; mirror; mirror = next) {
                next = mirror->group_next;
                group_leave(mirror);
                if (mirror->head.framing == FRAMING_LENGTH && mirror->left > 0) {
                        mirror_close(mirror, MIRROR_DROPPED, false);
                        continue;
                }
                mirror->body.ended = true;
                send_now(mirror);
        }
}

void mirror_group_break(struct mirror_group *group)
{
        for (struct mirror *mirror = group->first, *next; mirror; mirror = next) {
                next = mirror->group_next;
                mirror_close(mirror, MIRROR_DROPPED, false);
        }
}

void mirrors_close(struct mirrors *mirrors)
{
        for (struct mirror *mirror = mirrors->first, *next; mirror; mirror = next) {
                next = mirror->next;
                mirror_close(mirror, MIRROR_DROPPED, false);
        }
}
