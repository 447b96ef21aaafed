/* A call over HTTP/2: a stream of a connection that others share. Everything that the backend says
 * comes in the middle of reading for all of them, so it is kept here until the exchange asks. */
#include <string.h>

#include "base/must.h"
#include "proxy/backend_call_kind.h"

static void moved(struct backend_call *call, enum call_moved what)
{
        call->start.callbacks->on_moved(what, call->start.self);
}

/* ---- what the backend says ---- */

static void on_head(const struct response_head *head, void *self)
{
        struct backend_call *call = self;
        struct call_h2_head *told = ARENA_NEW(call->start.arena, struct call_h2_head);
        told->head = *head;
        *call->h2.heads_end = told;
        call->h2.heads_end = &told->next;
        call->any = true;
        moved(call, CALL_CAME);
}

/* No more than the session's window comes before it is consumed, whatever the caller wants to keep.
 */
static void on_data(struct slice data, void *self)
{
        struct backend_call *call = self;
        struct call_h2 *h2 = &call->h2;
        if (h2->taken > h2->in.len / 2) {
                buffer_consume(&h2->in, h2->taken);
                h2->taken = 0;
        }
        must(buffer_append(&h2->in, data));
        moved(call, CALL_CAME);
}

static void on_end(struct header_list *trailers, void *self)
{
        struct backend_call *call = self;
        call->h2.trailers = trailers;
        moved(call, CALL_CAME);
}

static enum h2_pull on_pull(char *into, size_t *len, const struct header_list **trailers,
                            void *self)
{
        struct backend_call *call = self;
        struct request_body *body = call->start.body;
        struct slice piece = slice_sub(buffer_slice(&body->bytes), body->sent, *len);
        *len = piece.len;
        if (piece.len > 0)
                memcpy(into, piece.data, piece.len);
        body->sent += piece.len;
        bool end = body->ended && body->sent == body->bytes.len;
        if (piece.len > 0)
                moved(call, CALL_SENT);
        if (!end)
                return piece.len > 0 ? H2_PULL_DATA : H2_PULL_LATER;
        *trailers = body->trailers;
        return H2_PULL_END;
}

static void on_closed(enum h2_call_end end, void *self)
{
        struct backend_call *call = self;
        call->h2.closed = true;
        call->h2.end = end;
        call->unseen = end == H2_CALL_UNSEEN;
        call->any = call->any || end == H2_CALL_RESET; /* it knows of it, and lives */
        call->deaf = true;
        moved(call, CALL_CAME);
}

static const struct h2_call_callbacks callbacks = {on_head, on_data, on_end, on_pull, on_closed};

/* ---- the request ---- */

static void on_never_begun(struct task *task)
{
        struct call_h2 *h2 = CONTAINER_OF(task, struct call_h2, task);
        on_closed(H2_CALL_UNSEEN, CONTAINER_OF(h2, struct backend_call, h2));
}

static bool h2_begin(struct backend_call *call)
{
        const struct backend_call_start *start = &call->start;
        const struct request_head *head = start->head;
        const struct h2_request request = {
                .head = head,
                .scheme = start->backend->tls ? SLICE("https") : SLICE("http"),
                .end = head->framing == FRAMING_NONE ||
                       (head->framing == FRAMING_LENGTH && head->content_length == 0),
                .arena = start->arena,
                .callbacks = &callbacks,
                .self = call,
        };
        call->h2.heads_end = &call->h2.heads;
        buffer_init(&call->h2.in, h2_client_limits_default(NULL).stream_window * (size_t)2);
        call->sent = upstream_call_begin(&call->lease, &call->h2.call, &request);
        if (!call->sent)
                task_queue_put(upstream_pool_tasks(start->pool), &call->h2.task, on_never_begun);
        return true;
}

/* The session pulls what waits as the backend's window allows. */
static bool h2_send(struct backend_call *call)
{
        const struct request_body *body = call->start.body;
        if (body->ended || body->sent < body->bytes.len) {
                h2_call_resume(&call->h2.call);
                upstream_call_flush(&call->lease);
        }
        return false;
}

static size_t h2_unsent(const struct backend_call *call)
{
        (void)call;
        return 0;
}

/* ---- the response ---- */

static enum call_head h2_head(struct backend_call *call, struct response_head *head)
{
        struct call_h2 *h2 = &call->h2;
        if (h2->heads) {
                *head = h2->heads->head;
                h2->heads = h2->heads->next;
                if (!h2->heads)
                        h2->heads_end = &h2->heads;
                return CALL_HEAD_DONE;
        }
        if (!h2->closed)
                return CALL_HEAD_LATER;
        call->fault = h2->call.fault;
        return h2->end == H2_CALL_BAD ? CALL_HEAD_BAD : CALL_HEAD_CLOSED;
}

static enum h2_pull h2_pull(struct backend_call *call, char *into, size_t *len,
                            struct header_list **trailers)
{
        struct call_h2 *h2 = &call->h2;
        struct slice piece = slice_sub(buffer_slice(&h2->in), h2->taken, *len);
        *len = piece.len;
        if (piece.len > 0) {
                memcpy(into, piece.data, piece.len);
                h2->taken += piece.len;
                h2_call_consume(&h2->call, piece.len);
                upstream_call_flush(&call->lease);
        }
        if (h2->taken < h2->in.len)
                return H2_PULL_DATA;
        if (h2->trailers) {
                *trailers = h2->trailers;
                return H2_PULL_END;
        }
        if (!h2->closed)
                return piece.len > 0 ? H2_PULL_DATA : H2_PULL_LATER;
        call->fault =
                h2->end == H2_CALL_BAD ? h2->call.fault : (struct http_fault){502, "backend_reset"};
        return H2_PULL_ABORT;
}

static bool h2_has_input(const struct backend_call *call)
{
        return call->h2.in.len > call->h2.taken;
}

/* ---- both ---- */

static void h2_watch(struct backend_call *call)
{
        (void)call; /* its windows say what may come and go */
}

static bool h2_is_reusable(const struct backend_call *call)
{
        (void)call;
        return true;
}

static void h2_done(struct backend_call *call)
{
        task_cancel(upstream_pool_tasks(call->start.pool), &call->h2.task);
        h2_call_cancel(&call->h2.call);
        buffer_done(&call->h2.in);
}

const struct call_kind call_h2_kind = {
        .begin = h2_begin,
        .send = h2_send,
        .unsent = h2_unsent,
        .head = h2_head,
        .pull = h2_pull,
        .has_input = h2_has_input,
        .watch = h2_watch,
        .is_reusable = h2_is_reusable,
        .done = h2_done,
};
