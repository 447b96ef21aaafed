/* Requests to the API server, by HTTP/2 where it has it, on the control thread's loop: nothing here
 * waits. Every call ends with exactly one on_done, unless it is cancelled. A connection that is
 * half open is noticed (TCP_USER_TIMEOUT 30 s, a call's silence_ms). Redirects are not followed.
 * The token file is read again when it has changed, at most once a second. */
#pragma once

#include <uv.h>

#include "base/error.h"
#include "base/slice.h"
#include "control/kube/access.h"

struct kube_client;
struct kube_call;

struct kube_answer {
        int status;        /* of HTTP; 0: none came, see fault */
        struct slice body; /* what was gathered; empty where on_bytes took it. Valid for the call */
        struct slice
                fault; /* one line for people: of the transport, or the Status object's message */
        unsigned retry_after_s; /* 0: nothing said */
};

struct kube_request {
        const char *method;       /* "GET", "POST", "PUT", "PATCH", "DELETE" */
        struct slice path;        /* with the query: "/api/v1/secrets?limit=500" */
        const char *content_type; /* of the body; NULL: application/json */
        struct slice body;        /* copied */
        uint64_t timeout_ms;      /* for all of it; 0: none, for watches */
        uint64_t silence_ms;      /* that long without a byte ends it; 0: only timeout_ms does */
        size_t body_max;          /* of what is gathered: more of it ends the call; 0: 16 MiB */
        void *self;
        /* NULL: gathered. Called for answers of status 200 alone; of others the body is gathered.
         * False ends the call: on_done says status 0 and fault "ended". */
        bool (*on_bytes)(struct slice bytes, void *self);
        void (*on_done)(const struct kube_answer *answer, void *self);
};

/* `access` outlives the client. */
struct kube_client *kube_client_open(uv_loop_t *loop, const struct kube_access *access,
                                     struct error *err);
/* Open calls end without on_done; memory returns in the loop's close callbacks. NULL is fine. */
void kube_client_close(struct kube_client *client);
/* Never NULL; on_done never runs before this has returned. */
struct kube_call *kube_call_start(struct kube_client *client, const struct kube_request *request);
void kube_call_cancel(struct kube_call *call); /* on_done does not run; NULL is fine */
