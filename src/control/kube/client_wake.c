/* What libcurl 7.88 leaves lying in its HTTP/2. Bytes for a call that has no room for them are put
 * aside while another call of the connection is read, and the connection stands still until their
 * owner has taken them. Then
 * - what came behind them is read only when the socket has more, or when all calls are driven: so
 *   they are, WAKE_MS after bytes, until none come;
 * - the frame that they ended is settled with the next bytes of the connection alone. Was it the
 *   answer's last, its call would never end on a server that is silent else: so an answer that
 *   stops short for ROUSE_MS makes the server say something. */
#include "base/must.h"
#include "control/kube/client_parts.h"

enum {
        WAKE_MS = 5,
        ROUSE_MS = 50,
        ROUSE_TIMEOUT_MS = 10000,
        VERSION_BYTES_MAX = 64 * 1024,
};

/* Begun, to be ended, and silent: `*ms` until the first of them is silent for long enough; 0: the
 * call returned is. NULL and UINT64_MAX: there is none. */
static struct kube_call *find_stopped(const struct kube_client *client, uint64_t *ms)
{
        uint64_t now = uv_now(client->loop);
        *ms = UINT64_MAX;
        for (struct kube_call *call = client->calls; call; call = call->next) {
                uint64_t silent = now - call->heard_ms;
                if (!call->begun || call->roused || call->request.endless ||
                    call->state != CALL_RUNNING)
                        continue;
                if (silent >= ROUSE_MS) {
                        *ms = 0;
                        return call;
                }
                if (ROUSE_MS - silent < *ms)
                        *ms = ROUSE_MS - silent;
        }
        return NULL;
}

static void on_roused(const struct kube_answer *answer, void *self)
{
        struct kube_client *client = self;
        (void)answer; /* that it came is all */
        client->rousing = NULL;
}

/* What everybody may ask, and what costs a server nothing. */
static void rouse(struct kube_client *client)
{
        struct kube_request request = {.method = "GET",
                                       .path = SLICE("/version"),
                                       .timeout_ms = ROUSE_TIMEOUT_MS,
                                       .body_max = VERSION_BYTES_MAX,
                                       .endless = true,
                                       .self = client,
                                       .on_done = on_roused};
        if (!client->rousing)
                client->rousing = kube_call_start(client, &request);
}

static void on_wake(uv_timer_t *timer);

/* Only ever sooner. */
static void wake_in(struct kube_client *client, uint64_t ms)
{
        uv_timer_t *timer = &client->wake;
        if (!uv_is_active((uv_handle_t *)timer) || uv_timer_get_due_in(timer) > ms)
                must(uv_timer_start(timer, on_wake, ms, 0) == 0);
}

static void on_wake(uv_timer_t *timer)
{
        struct kube_client *client = timer->data;
        struct kube_call *stopped;
        uint64_t ms;
        client_enter(client);
        client_loop_drive_all(client);
        if (client->state == CLIENT_OPEN && !uv_is_active((uv_handle_t *)timer)) {
                while ((stopped = find_stopped(client, &ms))) {
                        stopped->roused = true;
                        rouse(client);
                }
                if (ms < UINT64_MAX)
                        wake_in(client, ms);
        }
        client_leave(client);
}

void client_wake_after(struct kube_client *client)
{
        if (client->state == CLIENT_OPEN && client->heard)
                wake_in(client, WAKE_MS);
        client->heard = false;
}
