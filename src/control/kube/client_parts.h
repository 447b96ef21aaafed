/* The inside of a client: client.c has its life and that of its calls, client_loop.c joins libcurl
 * and the loop, client_wake.c wakes libcurl where it holds bytes back, client_call.c says what a
 * call asks and makes an answer of what came, token.c holds the token, client_memory.c is libcurl's
 * allocator. */
#pragma once

#include <curl/curl.h>

#include "base/buffer.h"
#include "control/kube/client.h"
#include "control/kube/token.h"

enum call_state {
        CALL_WAITING,   /* began within libcurl, which has not got it yet */
        CALL_RUNNING,   /* libcurl has it */
        CALL_CANCELLED, /* within libcurl, which must let go of it first */
        CALL_DONE,      /* its on_done runs */
};

enum call_cut { /* why we ended it */
        CUT_NOT,
        CUT_ENDED,  /* on_bytes said so */
        CUT_LONG,   /* over body_max */
        CUT_SILENT, /* silence_ms */
        CUT_LOST,   /* libcurl gave up on all of them */
};

struct kube_call {
        enum call_state state;
        enum call_cut cut;
        struct kube_client *client;
        struct kube_call *next, *previous; /* of the client's */
        struct kube_request request;       /* path and body are in `text` */
        char *url, *body;                  /* owned */
        CURL *easy;
        struct curl_slist *headers;
        struct buffer gathered;
        uint64_t heard_ms;  /* of the loop */
        bool begun, roused; /* bytes of its answer came; and it was roused since the last of them */
        char trouble[CURL_ERROR_SIZE];
};

enum client_state {
        CLIENT_OPEN,
        CLIENT_CLOSING, /* within one of its callbacks, which has to return first */
        CLIENT_CLOSED,  /* waits for the loop to let go of the handles */
};

struct kube_client {
        enum client_state state;
        uv_loop_t *loop;
        const struct kube_access *access;
        struct kube_token token;
        CURLM *multi;
        uv_timer_t timer;   /* libcurl's */
        uv_timer_t silence; /* of the call that may be silent for the shortest time yet */
        uv_timer_t wake;    /* see client_wake.c */
        struct kube_call *rousing;
        size_t open_handles;
        struct kube_call *calls;
        struct curl_slist *connect_to; /* NULL: the certificate names the server's host */
        char *authority;               /* then: what the server is called in requests */
        char *origin;                  /* before each path */
        unsigned depth;                /* of our callbacks on the stack */
        bool inside;                   /* libcurl is on the stack, and takes or gives no call */
        bool heard;                    /* some call, since client_wake_after was asked last */
        /* A call ran into its time, and no byte has come since: the connection may be half open. */
        bool suspect;
};

/* client.c: around everything that may run a caller's function. */
void client_enter(struct kube_client *client);
void client_leave(struct kube_client *client);
/* The call's on_done, and its end. */
void client_finish(struct kube_call *call, CURLcode result);

/* client_loop.c */
void client_loop_open(struct kube_client *client);
void client_loop_close(struct kube_client *client);
void client_loop_watch_silence(struct kube_client *client, uint64_t ms);
void client_loop_drive_all(struct kube_client *client);

/* client_wake.c */
/* Libcurl has had its turn. */
void client_wake_after(struct kube_client *client);

/* client_call.c */
void call_prepare(struct kube_call *call);
CURLcode call_tls_prepare(CURL *curl, void *ssl_context, void *self);
void call_answer(struct kube_call *call, CURLcode result, struct kube_answer *answer,
                 struct error *fault);
void call_free(struct kube_call *call);

/* client_memory.c: false: libcurl is not what we need. */
bool client_library_open(struct error *err);
