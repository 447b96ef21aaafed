#include "proxy/listener/acceptor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/must.h"

struct acceptor {
        struct acceptor *next;
        struct acceptors *all;
        uv_poll_t poll;
        struct deadline pause;
        char text[80]; /* of the port: what it is known by across generations */
        int fd;        /* the listener set's */
        size_t port;   /* index in the adopted generation */
        bool wanted;
};

struct acceptors {
        struct acceptors_env env;
        struct acceptor *first;
        int spare_fd; /* given up to turn a client away when descriptors run out */
};

/* No file: the sandbox lets none be opened (cli/sandbox.h). */
static int spare_open(void)
{
        return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

struct acceptors *acceptors_new(const struct acceptors_env *env)
{
        struct acceptors *acceptors = NEW(struct acceptors);
        acceptors->env = *env;
        acceptors->spare_fd = spare_open();
        return acceptors;
}

/* ---- accepting ---- */

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_pause_over(struct deadline *deadline)
{
        struct acceptor *acceptor = CONTAINER_OF(deadline, struct acceptor, pause);
        if (acceptor->all->spare_fd < 0) /* somebody was faster when it was given up */
                acceptor->all->spare_fd = spare_open();
        uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
}

static void pause_accepting(struct acceptor *acceptor)
{
        const struct acceptors_env *env = &acceptor->all->env;
        counter_add(&env->counters->accept_pauses, 1);
        uv_poll_stop(&acceptor->poll);
        deadline_set(env->wheel, &acceptor->pause, *env->now_ms + ACCEPT_PAUSE_MS, on_pause_over);
}

/* The client at the head of the queue is told by a close: better than to let it wait unseen. */
static void turn_one_away(struct acceptor *acceptor)
{
        struct acceptors *all = acceptor->all;
        if (all->spare_fd < 0)
                return;
        close(all->spare_fd);
        int fd = accept4(acceptor->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
                close(fd);
                counter_add(&all->env.counters->limit_refusals, 1);
        }
        all->spare_fd = spare_open();
}

static bool is_of_one_client(int error) /* accept(2): errors of the connection, not of ours */
{
        return error == ECONNABORTED || error == EINTR || error == EPROTO || error == ENETDOWN ||
               error == EHOSTDOWN || error == EHOSTUNREACH || error == ENETUNREACH ||
               error == EPERM;
}

/* False: nothing more to take for now. */
static bool accept_one(struct acceptor *acceptor)
{
        struct sockaddr_storage peer;
        socklen_t len = sizeof(peer);
        int fd =
                accept4(acceptor->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
                acceptor->all->env.on_accept(acceptor->port, fd, (const struct sockaddr *)&peer,
                                             acceptor->all->env.self);
                return true;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
                return false;
        if (is_of_one_client(errno))
                return true;
        if (errno == EMFILE || errno == ENFILE)
                turn_one_away(acceptor);
        pause_accepting(acceptor);
        return false;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
        struct acceptor *acceptor = CONTAINER_OF(poll, struct acceptor, poll);
        (void)events;
        if (status < 0) { /* libuv has stopped polling: start again later (I37) */
                pause_accepting(acceptor);
                return;
        }
        for (int i = 0; i < ACCEPT_BATCH && accept_one(acceptor); i++)
                ;
}

/* ---- ports come and go ---- */

static void on_closed(uv_handle_t *handle)
{
        free(CONTAINER_OF(handle, struct acceptor, poll));
}

/* What the kernel has queued here was promised to its clients; a SYN flood ends the loop. */
static void acceptor_close(struct acceptor *acceptor)
{
        const struct acceptors_env *env = &acceptor->all->env;
        for (int i = 0; i < LISTEN_BACKLOG && acceptor->wanted && accept_one(acceptor); i++)
                ;
        deadline_clear(&acceptor->pause);
        uv_poll_stop(&acceptor->poll);
        uv_close((uv_handle_t *)&acceptor->poll, on_closed);
        listener_set_release(env->listeners, env->worker, acceptor->fd);
}

static struct acceptor *acceptor_find(struct acceptors *acceptors, struct slice text)
{
        for (struct acceptor *at = acceptors->first; at; at = at->next)
                if (slice_equal(slice_of(at->text), text))
                        return at;
        return NULL;
}

static bool acceptor_open(struct acceptors *acceptors, const struct port *port, size_t index)
{
        struct acceptors_env *env = &acceptors->env;
        int fd = listener_set_find(env->listeners, env->worker, port);
        if (fd < 0) /* a fault, which control knows and tries again */
                return true;
        struct acceptor *acceptor = NEW(struct acceptor);
        *acceptor = (struct acceptor){.next = acceptors->first,
                                      .all = acceptors,
                                      .fd = fd,
                                      .port = index,
                                      .wanted = true};
        must(port->text.len < sizeof(acceptor->text));
        memcpy(acceptor->text, port->text.data, port->text.len);
        if (uv_poll_init(env->loop, &acceptor->poll, fd) != 0) {
                /* Nobody would accept from it: connections must not wait there. */
                listener_set_release(env->listeners, env->worker, fd);
                free(acceptor);
                return false;
        }
        uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
        acceptors->first = acceptor;
        return true;
}

bool acceptors_adopt(struct acceptors *acceptors, const struct snapshot *snapshot)
{
        bool all_open = true;
        for (struct acceptor *at = acceptors->first; at; at = at->next)
                at->wanted = false;
        for (size_t i = 0; i < snapshot->port_count; i++) {
                const struct port *port = &snapshot->ports[i];
                struct acceptor *at = acceptor_find(acceptors, port->text);
                if (!at) {
                        all_open &= acceptor_open(acceptors, port, i);
                        continue;
                }
                at->wanted = true;
                at->port = i;
        }
        for (struct acceptor **link = &acceptors->first; *link;) {
                struct acceptor *at = *link;
                if (at->wanted) {
                        link = &at->next;
                        continue;
                }
                *link = at->next;
                acceptor_close(at);
        }
        return all_open;
}

void acceptors_close(struct acceptors *acceptors)
{
        while (acceptors->first) {
                struct acceptor *at = acceptors->first;
                acceptors->first = at->next;
                acceptor_close(at);
        }
}

void acceptors_free(struct acceptors *acceptors)
{
        if (!acceptors)
                return;
        must(!acceptors->first);
        if (acceptors->spare_fd >= 0)
                close(acceptors->spare_fd);
        free(acceptors);
}
