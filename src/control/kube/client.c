#include "control/kube/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/must.h"
#include "control/kube/client_parts.h"

/* --- calls --- */

static void link_call(struct kube_client *client, struct kube_call *call)
{
        call->client = client;
        call->next = client->calls;
        if (client->calls)
                client->calls->previous = call;
        client->calls = call;
}

static void unlink_call(struct kube_call *call)
{
        if (call->previous)
                call->previous->next = call->next;
        else
                call->client->calls = call->next;
        if (call->next)
                call->next->previous = call->previous;
}

struct kube_call *kube_call_start(struct kube_client *client, const struct kube_request *request)
{
        must(client->state == CLIENT_OPEN);
        struct kube_call *call = NEW(struct kube_call);
        call->request = *request;
        call->heard_ms = uv_now(client->loop);
        link_call(client, call);
        call_prepare(call);
        call->state = client->inside ? CALL_WAITING : CALL_RUNNING;
        if (!client->inside)
                must(curl_multi_add_handle(client->multi, call->easy) == CURLM_OK);
        if (request->silence_ms > 0)
                client_loop_watch_silence(client, request->silence_ms);
        return call;
}

void kube_call_cancel(struct kube_call *call)
{
        if (!call || call->state == CALL_DONE)
                return;
        if (call->client->inside)
                call->state = CALL_CANCELLED;
        else
                call_free(call);
}

/* Not within libcurl. */
void call_free(struct kube_call *call)
{
        must(!call->client->inside);
        unlink_call(call);
        curl_multi_remove_handle(call->client->multi, call->easy);
        curl_easy_cleanup(call->easy);
        curl_slist_free_all(call->headers);
        secret_wipe(call->gathered.data, call->gathered.len);
        buffer_done(&call->gathered);
        secret_wipe(call->body, call->request.body.len);
        free(call->body);
        free(call->url);
        free(call);
}

void client_finish(struct kube_call *call, CURLcode result)
{
        struct kube_client *client = call->client;
        struct kube_answer answer;
        struct error fault = {.text = ""};
        call->state = CALL_DONE;
        call_answer(call, result, &answer, &fault);
        client->suspect = client->suspect || result == CURLE_OPERATION_TIMEDOUT;
        call->request.on_done(&answer, call->request.self);
        call_free(call);
}

/* --- the client --- */

static void tear_down(struct kube_client *client)
{
        struct kube_call *next;
        client->state = CLIENT_CLOSED;
        for (struct kube_call *call = client->calls; call; call = next) {
                next = call->next;
                call_free(call);
        }
        client_loop_close(client);
}

static void free_client(struct kube_client *client)
{
        curl_slist_free_all(client->connect_to);
        kube_token_done(&client->token);
        free(client->authority);
        free(client->origin);
        free(client);
        curl_global_cleanup();
}

void client_enter(struct kube_client *client)
{
        client->depth++;
}

void client_leave(struct kube_client *client)
{
        if (--client->depth > 0)
                return;
        if (client->state == CLIENT_CLOSING)
                tear_down(client);
        if (client->state == CLIENT_CLOSED && client->open_handles == 0)
                free_client(client);
}

/* The certificate's name stands in the URL, and the connection goes to the server's own address. */
static void name_server(struct kube_client *client)
{
        const struct kube_access *access = client->access;
        struct slice rest = slice_skip(access->server, strlen("https://")), authority;
        slice_split(&rest, '/', &authority);
        if (access->server_name.len == 0) {
                client->origin = memory_dup(access->server.data, access->server.len);
                return;
        }
        struct arena arena;
        arena_init(&arena, 1024);
        struct slice origin =
                arena_printf(&arena, "https://%.*s:%.*s%s%.*s", SLICE_ARG(access->server_name),
                             SLICE_ARG(access->port), rest.len ? "/" : "", SLICE_ARG(rest));
        struct slice to = arena_printf(&arena, "::%.*s:%.*s", SLICE_ARG(access->host),
                                       SLICE_ARG(access->port));
        client->origin = memory_dup(origin.data, origin.len);
        client->authority = memory_dup(authority.data, authority.len);
        client->connect_to = curl_slist_append(NULL, to.data);
        arena_done(&arena);
}

struct kube_client *kube_client_open(uv_loop_t *loop, const struct kube_access *access,
                                     struct event_sink *sink, struct error *err)
{
        if (!client_library_open(err))
                return NULL;
        struct kube_client *client = NEW(struct kube_client);
        client->loop = loop;
        client->access = access;
        kube_token_init(&client->token, access, sink);
        name_server(client);
        client_loop_open(client);
        return client;
}

void kube_client_close(struct kube_client *client)
{
        if (!client || client->state != CLIENT_OPEN)
                return;
        client_enter(client);
        client->state = CLIENT_CLOSING;
        client_leave(client);
}
