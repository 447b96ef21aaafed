/* The insides of the client side of HTTP/2, shared by h2_client.c (the connection and its calls)
 * and h2_client_callbacks.c (what the backend says); private to http/. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "http/h2_budget.h"
#include "http/h2_client.h"

struct h2_client {
        nghttp2_session *nghttp2;
        struct h2_client_limits limits;
        struct h2_budgets budgets;
        struct h2_call *calls;
        size_t call_count;
        size_t resets_free; /* one for each request that was made */
        size_t block_bytes; /* of the field block that comes in, decoded */
        const char *over;   /* the budget that was overdrawn, or NULL */
        bool leaving;       /* we have said GOAWAY */
};

nghttp2_session_callbacks *h2_client_hooks_new(void);
ssize_t h2_client_pull_hook(nghttp2_session *nghttp2, int32_t id, uint8_t *into, size_t room,
                            uint32_t *flags, nghttp2_data_source *source, void *self);
/* It is over: on_closed. */
void h2_call_close(struct h2_call *call, enum h2_call_end end);
