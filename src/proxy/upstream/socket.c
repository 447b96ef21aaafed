#include "proxy/upstream/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/must.h"

/* ---- targets ---- */

static socklen_t address_len(const struct sockaddr_storage *address)
{
        return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                              : sizeof(struct sockaddr_in);
}

static struct slice key_make(const struct backend *backend, const struct sockaddr_storage *address,
                             char into[static TARGET_KEY_MAX])
{
        size_t len = address_len(address);
        memcpy(into, address, len);
        if (backend->tls) {
                memcpy(into + len, backend->tls->digest.bytes, DIGEST_BYTES);
                len += DIGEST_BYTES;
                into[len++] = (char)backend->protocol;
        }
        return slice_from(into, len);
}

struct upstream_target *target_find(struct upstream_pool *pool, const struct backend *backend,
                                    const struct sockaddr_storage *address)
{
        char key[TARGET_KEY_MAX];
        return map_find(&pool->targets, key_make(backend, address, key));
}

static struct upstream_target *target_of(struct upstream_pool *pool, const struct backend *backend,
                                         const struct sockaddr_storage *address)
{
        struct upstream_target *target = target_find(pool, backend, address);
        if (target)
                return target;
        target = NEW(struct upstream_target);
        target->key = key_make(backend, address, target->key_bytes);
        map_set(&pool->targets, target->key, target);
        return target;
}

void target_drop_unused(struct upstream_pool *pool, struct upstream_target *target)
{
        if (target->idle_count + target->leased + target->closing + target->requests > 0)
                return;
        map_remove(&pool->targets, target->key);
        free(target);
}

static void leased_more(struct upstream_socket *socket)
{
        socket->target->leased++;
        socket->pool->leased_count++;
}

static void leased_fewer(struct upstream_socket *socket)
{
        socket->target->leased--;
        socket->pool->leased_count--;
}

/* ---- idle ones ---- */

static void idle_unlink(struct upstream_socket *socket)
{
        *socket->link = socket->next;
        if (socket->next)
                socket->next->link = socket->link;
        socket->next = NULL;
        socket->link = NULL;
        socket->target->idle_count--;
        socket->pool->idle_count--;
        counter_sub(&socket->pool->options.counters->upstream_idle, 1);
}

static void on_idle_expired(struct deadline *deadline)
{
        socket_close(CONTAINER_OF(deadline, struct upstream_socket, deadline));
}

/* The events are those of one state; asking libuv again for the same costs a system call. */
static void poll_for(struct upstream_socket *socket, int events);

void socket_keep(struct upstream_socket *socket)
{
        struct upstream_pool *pool = socket->pool;
        struct upstream_target *target = socket->target;
        must(socket->state == SOCKET_LEASED);
        task_cancel(&pool->tasks, &socket->task);
        if ((socket->tls && !socket_tls_is_reusable(socket->tls)) || pool->on_closed ||
            pool->idle_count >= pool->options.idle_max ||
            target->idle_count >= pool->options.idle_endpoint_max) {
                socket_close(socket);
                return;
        }
        socket->state = SOCKET_IDLE;
        socket->lease = NULL;
        leased_fewer(socket);
        target->idle_count++;
        pool->idle_count++;
        counter_add(&pool->options.counters->upstream_idle, 1);
        socket->next = target->idle;
        socket->link = &target->idle;
        if (socket->next)
                socket->next->link = &socket->next;
        target->idle = socket;
        poll_for(socket, UV_READABLE);
        deadline_set(pool->options.wheel, &socket->deadline,
                     *pool->options.now_ms + pool->options.idle_ms_max, on_idle_expired);
}

/* Between its last event and now the backend may have closed it, or said something unasked. */
static bool is_quiet(const struct upstream_socket *socket)
{
        char byte;
        ssize_t n = recv(socket->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (socket->tls && !socket_tls_is_reusable(socket->tls))
                return false;
        return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

struct upstream_socket *socket_reuse(struct upstream_lease *lease)
{
        struct upstream_target *target = target_find(lease->pool, lease->backend, &lease->address);
        while (target && target->idle) {
                struct upstream_socket *socket = target->idle;
                if (!is_quiet(socket)) {
                        socket_close(socket);
                        continue;
                }
                idle_unlink(socket);
                deadline_clear(&socket->deadline);
                socket->state = SOCKET_LEASED;
                socket->lease = lease;
                leased_more(socket);
                return socket;
        }
        return NULL;
}

/* ---- their life ---- */

static void on_handle_closed(uv_handle_t *handle)
{
        struct upstream_socket *socket = handle->data;
        struct upstream_pool *pool = socket->pool;
        close(socket->fd);
        must(!socket->tls);
        socket->target->closing--;
        target_drop_unused(pool, socket->target);
        free(socket);
        pool_handle_closed(pool);
}

void socket_close(struct upstream_socket *socket)
{
        must(socket->state != SOCKET_CLOSED);
        deadline_clear(&socket->deadline);
        task_cancel(&socket->pool->tasks, &socket->task);
        socket_tls_close(socket->tls);
        socket->tls = NULL;
        if (socket->state == SOCKET_IDLE)
                idle_unlink(socket);
        else
                leased_fewer(socket);
        socket->target->closing++;
        socket->state = SOCKET_CLOSED;
        socket->lease = NULL;
        uv_close((uv_handle_t *)&socket->poll, on_handle_closed);
}

static void socket_ready(struct upstream_socket *socket)
{
        deadline_clear(&socket->deadline);
        socket->state = SOCKET_LEASED;
        poll_for(socket, UV_READABLE);
        lease_connected(socket->lease);
}

static void handshake_failed(struct upstream_socket *socket, enum reason reason)
{
        struct upstream_lease *lease = socket->lease;
        bool without_http2 = lease->backend->protocol == BACKEND_HTTP2 && socket->tls &&
                             socket->tls->alpn_refused;
        socket_close(socket);
        if (without_http2)
                lease_connect_failed(lease, UPSTREAM_NO_HTTP2);
        else
                lease_tls_failed(lease, reason);
}

static void handshake_go_on(struct upstream_socket *socket)
{
        enum reason reason = REASON_INTERNAL;
        switch (socket_tls_handshake(socket->tls, &reason)) {
        case TLS_STEP_DONE:
                socket_ready(socket);
                break;
        case TLS_STEP_READ:
                poll_for(socket, UV_READABLE);
                break;
        case TLS_STEP_WRITE:
                poll_for(socket, UV_WRITABLE);
                break;
        case TLS_STEP_FAILED:
                handshake_failed(socket, reason);
                break;
        }
}

/* The deadline of connecting goes on. */
static void handshake_begin(struct upstream_socket *socket)
{
        socket->state = SOCKET_HANDSHAKING;
        socket->tls = socket_tls_open(socket->lease, socket->fd);
        if (socket->tls)
                handshake_go_on(socket);
        else
                handshake_failed(socket, REASON_INTERNAL);
}

static void connect_done(struct upstream_socket *socket)
{
        struct upstream_lease *lease = socket->lease;
        int code = 0;
        socklen_t len = sizeof(code);
        if (getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &code, &len) != 0 || code != 0) {
                socket_close(socket);
                lease_connect_failed(lease, UPSTREAM_CONNECT_FAILED);
                return;
        }
        if (lease->backend->tls)
                handshake_begin(socket);
        else
                socket_ready(socket);
}

static void on_connect_expired(struct deadline *deadline)
{
        struct upstream_socket *socket = CONTAINER_OF(deadline, struct upstream_socket, deadline);
        struct upstream_lease *lease = socket->lease;
        socket_close(socket);
        lease_connect_failed(lease, UPSTREAM_CONNECT_TIMEOUT);
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void poll_set(struct upstream_socket *socket, int events)
{
        if (events == socket->events)
                return;
        socket->events = events;
        if (events == 0)
                uv_poll_stop(&socket->poll);
        else
                must(uv_poll_start(&socket->poll, events, on_poll) == 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
        struct upstream_socket *socket = poll->data;
        if (status < 0) /* what is wrong, reading or writing will say; libuv has stopped polling */
                socket->events = 0;
        else if ((events & socket->wanted) == 0)
                poll_set(socket, socket->wanted); /* now it costs something to look */
        switch (socket->state) {
        case SOCKET_CONNECTING:
                connect_done(socket);
                break;
        case SOCKET_HANDSHAKING:
                handshake_go_on(socket);
                break;
        case SOCKET_LEASED:
                socket->lease->callbacks->on_event(socket->lease->self);
                break;
        case SOCKET_IDLE:
                socket_close(socket); /* no backend has anything to say unasked */
                break;
        case SOCKET_CLOSED:
                break;
        }
}

/* Polling for more than is wanted costs nothing until it happens, and a change costs system calls:
 * reading is given up only once there was something to read (on_poll). */
static void poll_for(struct upstream_socket *socket, int events)
{
        socket->wanted = events;
        if ((socket->events & ~UV_READABLE) == (events & ~UV_READABLE) &&
            (socket->events & events) == events)
                return;
        poll_set(socket, events);
}

static void on_buffered(struct task *task)
{
        struct upstream_socket *socket = CONTAINER_OF(task, struct upstream_socket, task);
        must(socket->state == SOCKET_LEASED);
        socket->lease->callbacks->on_event(socket->lease->self);
}

void socket_want(struct upstream_socket *socket, int events)
{
        must(socket->state == SOCKET_LEASED);
        task_cancel(&socket->pool->tasks, &socket->task);
        if (socket->tls && (events & UV_READABLE)) {
                events |= socket->tls->blocked ? UV_WRITABLE : 0;
                if (socket_tls_has_input(socket->tls))
                        task_queue_put(&socket->pool->tasks, &socket->task, on_buffered);
        }
        poll_for(socket, events);
}

void upstream_want(struct upstream_lease *lease, bool read, bool write)
{
        /* While neither is wanted a break goes unseen: it is found when there is room again. */
        int events = (read ? UV_READABLE : 0) | (write ? UV_WRITABLE : 0);
        must(lease->socket);
        socket_want(lease->socket, events);
}

bool upstream_is_h2(const struct upstream_lease *lease)
{
        return lease->socket->tls && lease->socket->tls->h2;
}

static int socket_open(const struct sockaddr_storage *address)
{
        const int on = 1;
        int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (connect(fd, (const struct sockaddr *)address, address_len(address)) == 0 ||
            errno == EINPROGRESS)
                return fd;
        close(fd);
        return -1;
}

struct upstream_socket *socket_connect(struct upstream_lease *lease)
{
        struct upstream_pool *pool = lease->pool;
        int fd = socket_open(&lease->address);
        if (fd < 0)
                return NULL;
        struct upstream_socket *socket = NEW(struct upstream_socket);
        socket->pool = pool;
        socket->lease = lease;
        socket->fd = fd;
        if (uv_poll_init(pool->options.loop, &socket->poll, fd) != 0) {
                close(fd);
                free(socket);
                return NULL;
        }
        socket->poll.data = socket;
        socket->target = target_of(pool, lease->backend, &lease->address);
        leased_more(socket);
        socket->state = SOCKET_CONNECTING;
        pool->open_handles++;
        poll_for(socket, UV_WRITABLE);
        deadline_set(pool->options.wheel, &socket->deadline,
                     *pool->options.now_ms + pool->options.connect_ms_max, on_connect_expired);
        return socket;
}

bool socket_is_trusted(const struct upstream_socket *socket)
{
        return !socket->tls || socket_tls_is_trusted(socket->tls);
}

/* ---- bytes ---- */

static ssize_t result_of(ssize_t n)
{
        if (n >= 0)
                return n;
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? UPSTREAM_LATER
                                                                         : UPSTREAM_BROKEN;
}

ssize_t socket_send(struct upstream_socket *socket, struct slice bytes)
{
        if (socket->tls)
                return socket_tls_send(socket->tls, bytes);
        return result_of(send(socket->fd, bytes.data, bytes.len, MSG_NOSIGNAL));
}

ssize_t socket_receive(struct upstream_socket *socket, char *into, size_t room)
{
        if (socket->tls)
                return socket_tls_receive(socket->tls, into, room);
        return result_of(recv(socket->fd, into, room, 0));
}
