/* What stands in for kube/client.h in a test: it keeps what is asked, and answers when told to. */
#pragma once

#include <stdio.h>

#include "control/kube/client.h"

struct kube_call {
        struct kube_request request;
        char path[256], body[4096];
        bool over;
};

static struct kube_call calls[512];
static size_t call_count;

struct kube_call *kube_call_start(struct kube_client *client, const struct kube_request *request)
{
        struct kube_call *call = &calls[call_count++];
        (void)client;
        assert_true(call_count < COUNT_OF(calls));
        *call = (struct kube_call){.request = *request};
        snprintf(call->path, sizeof(call->path), "%.*s", SLICE_ARG(request->path));
        snprintf(call->body, sizeof(call->body), "%.*s", SLICE_ARG(request->body));
        return call;
}

void kube_call_cancel(struct kube_call *call)
{
        if (call)
                call->over = true;
}

static inline void answer(size_t at, int status, const char *body)
{
        struct kube_answer said = {.status = status,
                                   .body = slice_of(body),
                                   .fault = status < 300 && status ? SLICE_NONE : SLICE("no")};
        assert_false(calls[at].over);
        calls[at].over = true;
        calls[at].request.on_done(&said, calls[at].request.self);
}
