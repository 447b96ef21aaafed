#include "proxy/listener/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/must.h"

struct listener_set *listener_set_new(size_t workers)
{
        struct listener_set *set = NEW(struct listener_set);
        must(pthread_mutex_init(&set->lock, NULL) == 0);
        set->workers = workers;
        set->sockets = memory_new(workers * sizeof(*set->sockets));
        return set;
}

void listener_set_free(struct listener_set *set)
{
        if (!set)
                return;
        for (size_t worker = 0; worker < set->workers; worker++) {
                vec_each (held, &set->sockets[worker])
                        close(held->fd);
                vec_done(&set->sockets[worker]);
        }
        free(set->sockets);
        pthread_mutex_destroy(&set->lock);
        free(set);
}

static socklen_t address_len(const struct sockaddr_storage *address)
{
        return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                              : sizeof(struct sockaddr_in);
}

/* "[::]" means every address, IPv4 too, whatever the system's default is. */
static bool is_every_address(const struct sockaddr_storage *address)
{
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
        return address->ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

static bool set_options(int fd, const struct sockaddr_storage *address)
{
        const int on = 1, v6_only = !is_every_address(address);
        if (address->ss_family == AF_INET6 &&
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)) != 0)
                return false;
        /* The last two are inherited by what is accepted: two system calls less for each. */
        return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
               setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0 &&
               setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
               setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) == 0;
}

static int socket_open(const struct port *port, struct error *err)
{
        const struct sockaddr_storage *address = &port->address;
        int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) {
                error_set_errno(err, "%.*s", SLICE_ARG(port->text));
                return -1;
        }
        if (set_options(fd, address) &&
            bind(fd, (const struct sockaddr *)address, address_len(address)) == 0 &&
            listen(fd, LISTEN_BACKLOG) == 0)
                return fd;
        error_set_errno(err, "%.*s", SLICE_ARG(port->text));
        close(fd);
        return -1;
}

static struct listener_socket *find(struct listener_set *set, size_t worker,
                                    const struct port *port)
{
        vec_each (held, &set->sockets[worker])
                if (slice_equal(slice_of(held->text), port->text))
                        return held;
        return NULL;
}

static int open_for(struct listener_set *set, size_t worker, const struct port *port,
                    struct error *err)
{
        struct listener_socket opened = {.address = port->address};
        must(port->text.len < sizeof(opened.text));
        memcpy(opened.text, port->text.data, port->text.len);
        opened.fd = socket_open(port, err);
        if (opened.fd >= 0)
                vec_push(&set->sockets[worker], opened);
        return opened.fd;
}

static bool prepare_worker(struct listener_set *set, size_t worker, const struct snapshot *snapshot,
                           struct error *err)
{
        for (size_t i = 0; i < snapshot->port_count; i++) {
                const struct port *port = &snapshot->ports[i];
                if (!find(set, worker, port) && open_for(set, worker, port, err) < 0)
                        return false;
        }
        return true;
}

/* What this call has opened stands behind what was there before. */
static void take_back(struct listener_set *set, size_t worker, size_t kept)
{
        while (set->sockets[worker].count > kept)
                close(set->sockets[worker].items[--set->sockets[worker].count].fd);
}

static bool is_wanted(const struct listener_socket *held, const struct snapshot *snapshot)
{
        for (size_t i = 0; i < snapshot->port_count; i++)
                if (slice_equal(slice_of(held->text), snapshot->ports[i].text))
                        return true;
        return false;
}

static void drop_untaken(struct listener_set *set, size_t worker, const struct snapshot *snapshot)
{
        for (size_t i = set->sockets[worker].count; i-- > 0;) {
                struct listener_socket *held = &set->sockets[worker].items[i];
                if (held->taken || is_wanted(held, snapshot))
                        continue;
                close(held->fd);
                *held = set->sockets[worker].items[--set->sockets[worker].count];
        }
}

bool listener_set_prepare(struct listener_set *set, const struct snapshot *snapshot,
                          struct error *err)
{
        size_t *kept = memory_new(set->workers * sizeof(*kept));
        bool ok = true;
        pthread_mutex_lock(&set->lock);
        for (size_t worker = 0; worker < set->workers; worker++)
                kept[worker] = set->sockets[worker].count;
        for (size_t worker = 0; worker < set->workers && ok; worker++)
                ok = prepare_worker(set, worker, snapshot, err);
        for (size_t worker = 0; worker < set->workers; worker++) {
                if (ok)
                        drop_untaken(set, worker, snapshot);
                else
                        take_back(set, worker, kept[worker]);
        }
        pthread_mutex_unlock(&set->lock);
        free(kept);
        return ok;
}

/* A port that went and came back within one generation of a slow worker: control saw its socket
 * still open, and the worker has closed it since. Then it is opened here. */
int listener_set_find(struct listener_set *set, size_t worker, const struct port *port)
{
        pthread_mutex_lock(&set->lock);
        struct listener_socket *held = find(set, worker, port);
        if (!held && open_for(set, worker, port, NULL) >= 0)
                held = find(set, worker, port);
        if (held)
                held->taken = true;
        int fd = held ? held->fd : -1;
        pthread_mutex_unlock(&set->lock);
        return fd;
}

void listener_set_release(struct listener_set *set, size_t worker, int fd)
{
        pthread_mutex_lock(&set->lock);
        vec_each (held, &set->sockets[worker])
                if (held->fd == fd) {
                        close(fd);
                        *held = set->sockets[worker].items[--set->sockets[worker].count];
                        break;
                }
        pthread_mutex_unlock(&set->lock);
}
