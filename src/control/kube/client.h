/* Requests to the API server, by HTTP/2 where it has it, on the control thread's loop: nothing here
 * waits. Every call ends with exactly one on_done, unless it is cancelled. A connection that is
 * half open is noticed (TCP_USER_TIMEOUT 30 s, a call's silence_ms), and calls begun after a call
 * ran into its time get a new one. Redirects are not followed, proxies and cookies not used, and
 * the server's certificate is verified by access->ca alone. The token file is read again when it
 * has changed, at most once a second; where it can't be, the last token is used on, with a warning.
 * What libcurl frees is wiped, as Secrets and the token go through it (I43). */
#pragma once

#include <string.h>
#include <uv.h>

#include "base/error.h"
#include "base/slice.h"
#include "control/kube/access.h"
#include "event/emit.h"

struct kube_client;
struct kube_call;

struct kube_answer {
        int status;        /* of HTTP; 0: none came whole, see fault */
        struct slice body; /* what was gathered; empty where on_bytes took it. Valid for the call */
        /* One line for people: of the transport, or the Status object's message. Empty: status is
         * 200 to 299. */
        struct slice fault;
        unsigned retry_after_s; /* 0: nothing said */
};

struct kube_request {
        const char *method;       /* "GET", "POST", "PUT", "PATCH", "DELETE" */
        struct slice path;        /* with the query: "/api/v1/secrets?limit=500" */
        const char *content_type; /* of the body; NULL: application/json; lives for the call */
        struct slice body;        /* copied */
        uint64_t timeout_ms;      /* for all of it; 0: none, for watches */
        uint64_t silence_ms;      /* that long without a byte ends it; 0: only timeout_ms does */
        size_t body_max;          /* of what is gathered: more of it ends the call; 0: 16 MiB */
        bool endless;             /* a watch: silence says nothing of its end */
        void *self;
        /* The head of the answer has come; NULL: not wanted. A watch may say no more for long. */
        void (*on_begin)(int status, void *self);
        /* NULL: gathered. Called for answers of status 200 alone; of others the body is gathered.
         * False ends the call: on_done says status 0 and fault "ended". */
        bool (*on_bytes)(struct slice bytes, void *self);
        void (*on_done)(const struct kube_answer *answer, void *self);
};

/* It came whole and refuses, because the namespace it was about is being deleted: an API server
 * says 403 then, and yet no right is missing. */
static inline bool kube_answer_says_leaving(const struct kube_answer *answer)
{
        static const char cause[] = "\"NamespaceTerminating\"";
        return answer->status == 403 && answer->body.len > 0 &&
               memmem(answer->body.data, answer->body.len, cause, sizeof(cause) - 1) != NULL;
}

/* `access` outlives the client. Warnings go to `sink`; NULL: nowhere. */
struct kube_client *kube_client_open(uv_loop_t *loop, const struct kube_access *access,
                                     struct event_sink *sink, struct error *err);
/* Open calls end without on_done; memory returns in the loop's close callbacks. NULL is fine. */
void kube_client_close(struct kube_client *client);

/* Both may be used within on_bytes and on_done, as may kube_client_close. Never NULL; on_done never
 * runs before this has returned. */
struct kube_call *kube_call_start(struct kube_client *client, const struct kube_request *request);
/* on_done does not run; NULL is fine, and so is the call whose on_done runs just now. */
void kube_call_cancel(struct kube_call *call);
