#include "control/control_kube_crd.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/must.h"
#include "control/kube/item.h"
#include "control/kube/rule.h"
#include "event/event.h"

#define CRD_NAME "clientcertificatepolicies.pingate.dev"
#define CRD_PATH "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/" CRD_NAME

enum {
        CALL_MS = 5000,
        AGAIN_MS = 500, /* of what is not known; then it is believed, lest a removed pin waits */
        TRIES_MAX = 20,
        GONE_AGAIN_MS = 2000,
};

struct kube_crd {
        struct kube_crd_options options;
        struct kube_call *call;
        uv_timer_t timer; /* until it is asked again */
        unsigned tries;   /* 0: nobody asks */
        bool goes;        /* it was seen to */
        bool again;       /* another policy is gone since the call */
        bool forbidden;   /* that was said */
};

static void ask(struct kube_crd *crd);

bool kube_crd_holds(const struct kube_crd *crd)
{
        return crd->tries > 0 || crd->goes;
}

static void ask_after(struct kube_crd *crd, uint64_t ms);

static void believe(struct kube_crd *crd)
{
        crd->tries = 0;
        crd->goes = false;
        kube_log_fault(crd->options.log, KUBE_PLACE_CRD, SLICE_NONE);
        crd->options.on_known(crd->options.self);
}

static void hold(struct kube_crd *crd)
{
        if (!crd->goes)
                kube_log_fault(crd->options.log, KUBE_PLACE_CRD,
                               SLICE("is deleted, and all ClientCertificatePolicies with it: what "
                                     "they said stays in force until it is there again"));
        crd->goes = true;
        ask_after(crd, GONE_AGAIN_MS);
}

static void warn_forbidden(struct kube_crd *crd, const struct kube_answer *answer)
{
        if (!crd->forbidden)
                event_warningf(
                        crd->options.sink, "policy-crd",
                        "can't look whether policies go with their CRD: %.*s; the role wants "
                        "the rule " RULE_BEGIN "customresourcedefinitions], resourceNames: "
                        "[" CRD_NAME RULE_END,
                        SLICE_ARG(answer->fault), "apiextensions.k8s.io", "get");
        crd->forbidden = true;
}

static bool is_deleted(struct slice body)
{
        struct kube_item item;
        struct error err;
        CLEANUP(buffer_done) struct buffer rest;
        buffer_init(&rest, KUBE_ITEM_MAX);
        return kube_item_cut(body, NULL, &item, &rest, &err) && item.deleting;
}

static void on_answer(const struct kube_answer *answer, void *self)
{
        struct kube_crd *crd = self;
        bool again = crd->again, there = answer->status == 200;
        crd->call = NULL;
        crd->again = false;
        if (answer->status == 403)
                warn_forbidden(crd, answer);
        if ((there && is_deleted(answer->body)) || (crd->goes && !there))
                hold(crd);
        else if (again)
                ask(crd);
        else if (there || answer->status == 403 || ++crd->tries > TRIES_MAX)
                believe(crd);
        else
                ask_after(crd, AGAIN_MS);
}

static void ask(struct kube_crd *crd)
{
        struct kube_request request = {.method = "GET",
                                       .path = SLICE(CRD_PATH),
                                       .timeout_ms = CALL_MS,
                                       .body_max = KUBE_ITEM_MAX,
                                       .self = crd,
                                       .on_done = on_answer};
        crd->call = kube_call_start(crd->options.client, &request);
}

static void on_again(uv_timer_t *timer)
{
        ask(timer->data);
}

static void ask_after(struct kube_crd *crd, uint64_t ms)
{
        must(uv_timer_start(&crd->timer, on_again, ms, 0) == 0);
}

/* An answer that was under way may be older than what it is asked about. */
void kube_crd_ask(struct kube_crd *crd)
{
        if (crd->tries == 0)
                crd->tries = 1;
        if (crd->call)
                crd->again = true;
        else if (!uv_is_active((uv_handle_t *)&crd->timer))
                ask(crd);
}

struct kube_crd *kube_crd_open(const struct kube_crd_options *options)
{
        struct kube_crd *crd = NEW(struct kube_crd);
        crd->options = *options;
        must(uv_timer_init(options->loop, &crd->timer) == 0);
        crd->timer.data = crd;
        return crd;
}

static void on_closed(uv_handle_t *handle)
{
        free(handle->data);
}

void kube_crd_close(struct kube_crd *crd)
{
        kube_call_cancel(crd->call);
        uv_close((uv_handle_t *)&crd->timer, on_closed);
}
