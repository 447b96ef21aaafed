/* libcurl says which sockets it waits for and how long, the loop tells when: the "hiperfifo" form
 * of curl_multi_socket_action. */
#include <stdlib.h>

#include "base/memory.h"
#include "base/must.h"
#include "control/kube/client_parts.h"

struct watcher { /* of one socket */
        uv_poll_t poll;
        struct kube_client *client;
        curl_socket_t fd;
};

/* What libcurl could not take or give while it was on the stack. */
static void settle_calls(struct kube_client *client)
{
        struct kube_call *next;
        for (struct kube_call *call = client->calls; call; call = next) {
                next = call->next;
                if (call->state == CALL_CANCELLED) {
                        call_free(call);
                } else if (call->state == CALL_WAITING) {
                        call->state = CALL_RUNNING;
                        must(curl_multi_add_handle(client->multi, call->easy) == CURLM_OK);
                }
        }
}

/* Calls may begin, be cancelled and end in each on_done, and so may the client. */
static void finish_calls(struct kube_client *client)
{
        CURLMsg *message;
        int left;
        while (client->state == CLIENT_OPEN &&
               (message = curl_multi_info_read(client->multi, &left))) {
                struct kube_call *call = NULL;
                CURLcode result = message->data.result;
                curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
                must(call != NULL);
                client_finish(call, result);
        }
}

static struct kube_call *find_cut(const struct kube_client *client, enum call_cut cut)
{
        struct kube_call *call = client->calls;
        while (call && (call->cut != cut || call->state != CALL_RUNNING))
                call = call->next;
        return call;
}

/* libcurl gives up on all of them: that is told, and the gateway serves on. */
static void fail_calls(struct kube_client *client)
{
        struct kube_call *call;
        for (call = client->calls; call; call = call->next)
                call->cut = CUT_LOST;
        while (client->state == CLIENT_OPEN && (call = find_cut(client, CUT_LOST)))
                client_finish(call, CURLE_ABORTED_BY_CALLBACK);
}

static void after_turn(struct kube_client *client, CURLMcode result)
{
        client->inside = false;
        if (client->state == CLIENT_OPEN)
                settle_calls(client);
        finish_calls(client);
        if (result != CURLM_OK)
                fail_calls(client);
        client_wake_after(client);
        client_leave(client);
}

static void before_turn(struct kube_client *client)
{
        client_enter(client);
        client->inside = true;
}

static void drive(struct kube_client *client, curl_socket_t fd, int what)
{
        int running;
        before_turn(client);
        after_turn(client, curl_multi_socket_action(client->multi, fd, what, &running));
}

/* Whatever libcurl thinks that they wait for: O(calls). */
void client_loop_drive_all(struct kube_client *client)
{
        int running;
        before_turn(client);
        after_turn(client, curl_multi_perform(client->multi, &running));
}

/* --- sockets --- */

static void on_watcher_closed(uv_handle_t *handle)
{
        struct watcher *watcher = handle->data;
        struct kube_client *client = watcher->client;
        free(watcher);
        client_enter(client);
        client->open_handles--;
        client_leave(client);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
        struct watcher *watcher = poll->data;
        int what = status < 0 ? CURL_CSELECT_ERR : 0;
        if (events & UV_READABLE)
                what |= CURL_CSELECT_IN;
        if (events & UV_WRITABLE)
                what |= CURL_CSELECT_OUT;
        drive(watcher->client, watcher->fd, what);
}

static struct watcher *watcher_open(struct kube_client *client, curl_socket_t fd)
{
        struct watcher *watcher = NEW(struct watcher);
        watcher->client = client;
        watcher->fd = fd;
        watcher->poll.data = watcher;
        if (uv_poll_init_socket(client->loop, &watcher->poll, fd) != 0) {
                free(watcher);
                return NULL;
        }
        client->open_handles++;
        curl_multi_assign(client->multi, fd, watcher);
        return watcher;
}

/* A socket that the kernel does not let us watch: its calls run into their time. To say -1 would
 * make libcurl give up on all of them without a word. */
static int on_socket_wish(CURL *easy, curl_socket_t fd, int what, void *self, void *socket_self)
{
        struct kube_client *client = self;
        struct watcher *watcher = socket_self;
        (void)easy;
        if (what == CURL_POLL_REMOVE) {
                if (watcher)
                        uv_close((uv_handle_t *)&watcher->poll, on_watcher_closed);
                return 0;
        }
        if (!watcher)
                watcher = watcher_open(client, fd);
        int events =
                (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
        if (watcher)
                (void)uv_poll_start(&watcher->poll, events, on_socket);
        return 0;
}

/* --- time --- */

static void on_timer(uv_timer_t *timer)
{
        drive(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

/* Zero is the loop's next turn, not now: libcurl is on the stack. */
static int on_timer_wish(CURLM *multi, long ms, void *self)
{
        struct kube_client *client = self;
        (void)multi;
        if (client->state == CLIENT_CLOSED)
                return 0;
        if (ms < 0)
                uv_timer_stop(&client->timer);
        else
                must(uv_timer_start(&client->timer, on_timer, (uint64_t)ms, 0) == 0);
        return 0;
}

static struct kube_call *find_silent(struct kube_client *client, uint64_t *soonest_ms)
{
        uint64_t now = uv_now(client->loop);
        *soonest_ms = UINT64_MAX;
        for (struct kube_call *call = client->calls; call; call = call->next) {
                uint64_t allowed = call->request.silence_ms, silent = now - call->heard_ms;
                if (allowed == 0 || call->state != CALL_RUNNING)
                        continue;
                if (silent >= allowed)
                        return call;
                if (allowed - silent < *soonest_ms)
                        *soonest_ms = allowed - silent;
        }
        return NULL;
}

static void on_silence(uv_timer_t *timer)
{
        struct kube_client *client = timer->data;
        struct kube_call *call;
        uint64_t soonest_ms;
        client_enter(client);
        while (client->state == CLIENT_OPEN && (call = find_silent(client, &soonest_ms))) {
                call->cut = CUT_SILENT;
                client_finish(call, CURLE_OPERATION_TIMEDOUT);
        }
        if (client->state == CLIENT_OPEN && soonest_ms < UINT64_MAX)
                client_loop_watch_silence(client, soonest_ms);
        client_leave(client);
}

/* Only ever sooner: at its time it looks which is next. */
void client_loop_watch_silence(struct kube_client *client, uint64_t ms)
{
        uv_timer_t *timer = &client->silence;
        if (!uv_is_active((uv_handle_t *)timer) || uv_timer_get_due_in(timer) > ms)
                must(uv_timer_start(timer, on_silence, ms, 0) == 0);
}

/* --- open and close --- */

static void timer_open(struct kube_client *client, uv_timer_t *timer)
{
        must(uv_timer_init(client->loop, timer) == 0);
        timer->data = client;
        client->open_handles++;
}

static void on_timer_closed(uv_handle_t *handle)
{
        struct kube_client *client = handle->data;
        client_enter(client);
        client->open_handles--;
        client_leave(client);
}

enum {
        HOST_CONNECTIONS_MAX = 64, /* of a server without HTTP/2: one a watch, and the calls */
};

void client_loop_open(struct kube_client *client)
{
        CURLM *multi = client->multi = curl_multi_init();
        must(multi != NULL);
        timer_open(client, &client->timer);
        timer_open(client, &client->silence);
        timer_open(client, &client->wake);
        curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket_wish);
        curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client);
        curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_wish);
        curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client);
        curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
        curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)HOST_CONNECTIONS_MAX);
}

/* The sockets are let go of by on_socket_wish. */
void client_loop_close(struct kube_client *client)
{
        must(curl_multi_cleanup(client->multi) == CURLM_OK);
        uv_close((uv_handle_t *)&client->timer, on_timer_closed);
        uv_close((uv_handle_t *)&client->silence, on_timer_closed);
        uv_close((uv_handle_t *)&client->wake, on_timer_closed);
}
