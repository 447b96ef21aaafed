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
        vec_done(&set->faults);
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

/* Minus errno where it can't be had. */
static int socket_open(const struct sockaddr_storage *address)
{
        int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (set_options(fd, address) &&
            bind(fd, (const struct sockaddr *)address, address_len(address)) == 0 &&
            listen(fd, LISTEN_BACKLOG) == 0)
                return fd;
        int error = errno;
        close(fd);
        return -error;
}

static struct listener_socket *find(struct listener_set *set, size_t worker,
                                    const struct port *port)
{
        vec_each (held, &set->sockets[worker])
                if (slice_equal(slice_of(held->text), port->text))
                        return held;
        return NULL;
}

/* 0, or errno. */
static int open_for(struct listener_set *set, size_t worker, const struct port *port)
{
        struct listener_socket opened = {.address = port->address};
        must(port->text.len < sizeof(opened.text));
        memcpy(opened.text, port->text.data, port->text.len);
        opened.fd = socket_open(&port->address);
        if (opened.fd < 0)
                return -opened.fd;
        vec_push(&set->sockets[worker], opened);
        return 0;
}

static void drop(struct listener_set *set, size_t worker, struct listener_socket *held)
{
        close(held->fd);
        *held = set->sockets[worker].items[--set->sockets[worker].count];
}

/* The kernel would queue connections on the sockets of some workers that others never get: what
 * this port has and nobody took yet is closed again. */
static void fault_note(struct listener_set *set, const struct port *port, int error)
{
        struct listener_fault fault = {.error = error};
        memcpy(fault.text, port->text.data, port->text.len);
        vec_push(&set->faults, fault);
        for (size_t worker = 0; worker < set->workers; worker++) {
                struct listener_socket *held = find(set, worker, port);
                if (held && !held->taken)
                        drop(set, worker, held);
        }
}

static void prepare_port(struct listener_set *set, const struct port *port)
{
        int error = 0;
        for (size_t worker = 0; worker < set->workers && error == 0; worker++)
                if (!find(set, worker, port))
                        error = open_for(set, worker, port);
        if (error)
                fault_note(set, port, error);
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
                if (!held->taken && !is_wanted(held, snapshot))
                        drop(set, worker, held);
        }
}

void listener_set_prepare(struct listener_set *set, const struct snapshot *snapshot)
{
        pthread_mutex_lock(&set->lock);
        set->faults.count = 0;
        for (size_t i = 0; i < snapshot->port_count; i++)
                prepare_port(set, &snapshot->ports[i]);
        for (size_t worker = 0; worker < set->workers; worker++)
                drop_untaken(set, worker, snapshot);
        pthread_mutex_unlock(&set->lock);
}

bool listener_set_retry(struct listener_set *set, const struct snapshot *snapshot)
{
        size_t before = set->faults.count;
        if (before == 0)
                return false;
        listener_set_prepare(set, snapshot);
        bool fewer = set->faults.count < before;
        if (fewer)
                atomic_fetch_add(&set->retried, 1);
        return fewer;
}

struct listener_faults listener_set_faults(const struct listener_set *set)
{
        return (struct listener_faults){set->faults.count, set->faults.items};
}

static bool is_fault(const struct listener_set *set, const struct port *port)
{
        vec_each (fault, &set->faults)
                if (slice_equal(slice_of(fault->text), port->text))
                        return true;
        return false;
}

/* A port that went and came back within one generation of a slow worker: control saw its socket
 * still open, and the worker has closed it since. Then it is opened here. A fault is control's to
 * try again: one worker alone must not have what the others lack. */
int listener_set_find(struct listener_set *set, size_t worker, const struct port *port)
{
        pthread_mutex_lock(&set->lock);
        struct listener_socket *held = find(set, worker, port);
        if (!held && !is_fault(set, port) && open_for(set, worker, port) == 0)
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
                        drop(set, worker, held);
                        break;
                }
        pthread_mutex_unlock(&set->lock);
}
