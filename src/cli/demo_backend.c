#include "cli/demo_backend.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"

enum {
        PEERS_MAX = 16,
        HEAD_MAX = 65536
};

struct peer {
        int fd; /* -1: free */
        struct buffer head;
};

struct demo_backend {
        int fd, stop_fd, port;
        pthread_t thread;
        _Atomic unsigned requests;
        struct peer peers[PEERS_MAX];
};

/* The lines of the head that say who the client is, as the answer's body. */
static void identity_lines(struct slice head, struct buffer *body)
{
        struct slice line;
        while (slice_split(&head, '\n', &line)) {
                if (line.len > 0 && line.data[line.len - 1] == '\r')
                        line.len--;
                static const char *const names[] = {"pingate-", "client-cert",
                                                    "x-forwarded-client-cert"};
                for (size_t i = 0; i < COUNT_OF(names); i++) {
                        struct slice name = slice_of(names[i]);
                        if (slice_equal_nocase(slice_sub(line, 0, name.len), name)) {
                                buffer_append(body, line);
                                buffer_append(body, SLICE("\n"));
                                break;
                        }
                }
        }
}

static void answer(struct demo_backend *backend, struct peer *peer, size_t head_len)
{
        struct buffer body, out;
        buffer_init(&body, 2 * HEAD_MAX);
        buffer_init(&out, 3 * HEAD_MAX);
        identity_lines(slice_from(peer->head.data, head_len), &body);
        buffer_printf(&out,
                      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
                      body.len);
        buffer_append(&out, buffer_slice(&body));
        atomic_fetch_add(&backend->requests, 1);
        ssize_t put = send(peer->fd, out.data, out.len, MSG_NOSIGNAL);
        (void)put; /* a gateway that went away shows as the end of its connection */
        buffer_consume(&peer->head, head_len);
        buffer_done(&body);
        buffer_done(&out);
}

static void peer_close(struct peer *peer)
{
        close(peer->fd);
        peer->fd = -1;
        buffer_done(&peer->head);
}

static void peer_read(struct demo_backend *backend, struct peer *peer)
{
        char *room = buffer_reserve(&peer->head, 4096);
        ssize_t got = room ? recv(peer->fd, room, 4096, 0) : -1;
        if (got <= 0) {
                peer_close(peer);
                return;
        }
        peer->head.len += (size_t)got;
        const char *end;
        while (peer->head.len &&
               (end = memmem(peer->head.data, peer->head.len, "\r\n\r\n", 4)) != NULL)
                answer(backend, peer, (size_t)(end - peer->head.data) + 4);
}

static void peer_accept(struct demo_backend *backend)
{
        int fd = accept4(backend->fd, NULL, NULL, SOCK_CLOEXEC);
        for (size_t i = 0; fd >= 0 && i < PEERS_MAX; i++) {
                if (backend->peers[i].fd < 0) {
                        backend->peers[i].fd = fd;
                        buffer_init(&backend->peers[i].head, HEAD_MAX);
                        return;
                }
        }
        if (fd >= 0)
                close(fd);
}

static void *serve(void *self)
{
        struct demo_backend *backend = self;
        for (;;) {
                struct pollfd fds[2 + PEERS_MAX] = {{.fd = backend->stop_fd, .events = POLLIN},
                                                    {.fd = backend->fd, .events = POLLIN}};
                for (size_t i = 0; i < PEERS_MAX; i++)
                        fds[2 + i] = (struct pollfd){.fd = backend->peers[i].fd, .events = POLLIN};
                if (poll(fds, COUNT_OF(fds), -1) < 0)
                        continue;
                if (fds[0].revents)
                        return NULL;
                for (size_t i = 0; i < PEERS_MAX; i++)
                        if (fds[2 + i].fd >= 0 && fds[2 + i].revents)
                                peer_read(backend, &backend->peers[i]);
                if (fds[1].revents)
                        peer_accept(backend);
        }
}

static bool listen_somewhere(struct demo_backend *backend, struct error *err)
{
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(address);
        backend->stop_fd = eventfd(0, EFD_CLOEXEC);
        backend->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (backend->stop_fd < 0 || backend->fd < 0 ||
            bind(backend->fd, (struct sockaddr *)&address, len) != 0 ||
            listen(backend->fd, 16) != 0 ||
            getsockname(backend->fd, (struct sockaddr *)&address, &len) != 0)
                return error_set_errno(err, "the demo's backend");
        backend->port = ntohs(address.sin_port);
        return true;
}

struct demo_backend *demo_backend_start(struct error *err)
{
        struct demo_backend *backend = NEW(struct demo_backend);
        for (size_t i = 0; i < PEERS_MAX; i++)
                backend->peers[i].fd = -1;
        if (listen_somewhere(backend, err) &&
            pthread_create(&backend->thread, NULL, serve, backend) == 0)
                return backend;
        close(backend->fd);
        close(backend->stop_fd);
        free(backend);
        return NULL;
}

int demo_backend_port(const struct demo_backend *backend)
{
        return backend->port;
}

unsigned demo_backend_requests(const struct demo_backend *backend)
{
        return atomic_load(&backend->requests);
}

void demo_backend_stop(struct demo_backend *backend)
{
        if (!backend)
                return;
        uint64_t one = 1;
        ssize_t put = write(backend->stop_fd, &one, sizeof(one));
        (void)put;
        pthread_join(backend->thread, NULL);
        for (size_t i = 0; i < PEERS_MAX; i++)
                if (backend->peers[i].fd >= 0)
                        peer_close(&backend->peers[i]);
        close(backend->fd);
        close(backend->stop_fd);
        free(backend);
}
