#include "proxy/backend_call.h"

#include "base/must.h"
#include "proxy/backend_call_kind.h"
#include "proxy/upstream/stream.h"

static void on_ready(void *self)
{
        struct backend_call *call = self;
        call->kind = upstream_is_shared(&call->lease) ? &call_h2_kind : &call_h1_kind;
        call->start.callbacks->on_ready(call->start.self);
}

static void on_failed(enum upstream_failure failure, void *self)
{
        struct backend_call *call = self;
        call->start.callbacks->on_failed(failure, call->start.self);
}

static void on_event(void *self)
{
        struct backend_call *call = self;
        unsigned moved = 0;
        if (backend_call_send(call))
                moved |= CALL_SENT;
        if (call->kind->receive(call))
                moved |= CALL_CAME;
        call->start.callbacks->on_moved(moved, call->start.self);
        backend_call_watch(call);
}

static const struct upstream_callbacks upstream_side = {on_ready, on_failed, on_event};

void backend_call_open(struct backend_call *call, const struct backend_call_start *start)
{
        *call = (struct backend_call){.start = *start};
        /* An upgrade ends a connection's use for HTTP: it gets one of its own. */
        call->lease.fresh = start->fresh || start->head->upgrade.len > 0;
        call->lease.avoid = start->avoid;
        upstream_lease(&call->lease, start->pool, start->backend, &upstream_side, call);
}

bool backend_call_is_open(const struct backend_call *call)
{
        return upstream_leased(&call->lease);
}

bool backend_call_begin(struct backend_call *call)
{
        return call->kind->begin(call);
}

void backend_call_tell(const struct backend_call *call, bool well)
{
        upstream_tell(&call->lease, well);
}

bool backend_call_is_unsent(const struct backend_call *call)
{
        return !call->sent;
}

bool backend_call_send(struct backend_call *call)
{
        bool moved = !call->deaf && call->kind->send(call);
        call->sent = call->sent || moved;
        return moved;
}

size_t backend_call_unsent(const struct backend_call *call)
{
        return call->kind && !call->deaf ? call->kind->unsent(call) : 0;
}

enum call_head backend_call_head(struct backend_call *call, struct response_head *head)
{
        return call->kind->head(call, head);
}

enum h2_pull backend_call_pull(struct backend_call *call, char *into, size_t *len,
                               struct header_list **trailers)
{
        return call->kind->pull(call, into, len, trailers);
}

bool backend_call_has_input(const struct backend_call *call)
{
        return call->kind && call->kind->has_input(call);
}

void backend_call_watch(struct backend_call *call)
{
        if (call->kind && backend_call_is_open(call))
                call->kind->watch(call);
}

void backend_call_close(struct backend_call *call, bool whole)
{
        bool reusable = whole && call->kind && call->kind->is_reusable(call);
        if (call->kind)
                call->kind->done(call);
        call->kind = NULL;
        upstream_release(&call->lease, reusable);
}

void backend_call_hand_over(struct backend_call *call, struct upstream_lease *to,
                            const struct upstream_callbacks *callbacks, void *self,
                            struct buffer *came)
{
        *came = call->kind->leftover(call);
        upstream_move(to, &call->lease, callbacks, self);
        call->kind->done(call);
        call->kind = NULL;
}
