#include "cli/admin_client.h"

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* "HOST:PORT" or "[HOST]:PORT" into its two parts. */
static bool split_address(const char *address, char host[static 256], const char **port,
                          struct error *err)
{
        const char *colon = strrchr(address, ':');
        size_t len = colon ? (size_t)(colon - address) : 0;
        if (len == 0 || len >= 256 || colon[1] == '\0')
                return error_set(err, ERROR_USAGE,
                                 "--admin: %s: not an address like 127.0.0.1:9180", address);
        if (len > 2 && address[0] == '[' && address[len - 1] == ']') {
                address++;
                len -= 2;
        }
        memcpy(host, address, len);
        host[len] = '\0';
        *port = colon + 1;
        return true;
}

static int connect_to(const char *address, struct error *err)
{
        char host[256];
        const char *port;
        if (!split_address(address, host, &port, err))
                return -1;
        struct addrinfo *found;
        const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
        int failed = getaddrinfo(host, port, &hints, &found);
        if (failed) {
                error_set(err, ERROR_SYSTEM, "%s: %s", address, gai_strerror(failed));
                return -1;
        }
        int fd = -1;
        for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
                fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
                if (fd < 0)
                        continue;
                const struct timeval wait = {.tv_sec = ADMIN_WAIT_S};
                setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
                setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
                if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
                        error_set_errno(err, "%s: no gateway answers there", address);
                        close(fd);
                        fd = -1;
                }
        }
        freeaddrinfo(found);
        return fd;
}

static bool exchange(int fd, const char *address, const char *path, struct buffer *answer,
                     struct error *err)
{
        struct buffer request;
        buffer_init(&request, 2048);
        /* HTTP/1.0: the answer ends with the connection and is never chunked. */
        bool ok = buffer_printf(&request, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, address) &&
                  send(fd, request.data, request.len, MSG_NOSIGNAL) == (ssize_t)request.len;
        buffer_done(&request);
        if (!ok)
                return error_set_errno(err, "%s: can't be asked", address);
        for (;;) {
                char *room = buffer_reserve(answer, 16384);
                if (!room)
                        return error_set(err, ERROR_LIMIT, "%s: the answer is too long", address);
                ssize_t got = recv(fd, room, 16384, 0);
                if (got < 0)
                        return error_set_errno(err, "%s: no answer", address);
                if (got == 0)
                        return true;
                answer->len += (size_t)got;
        }
}

/* Takes the head off the answer's front and the status out of it. */
static bool split_answer(const char *address, struct buffer *answer, int *status, struct error *err)
{
        const char *end = answer->len ? memmem(answer->data, answer->len, "\r\n\r\n", 4) : NULL;
        struct slice all = buffer_slice(answer);
        uint64_t code;
        if (!end || !slice_starts_with(all, SLICE("HTTP/1.")) ||
            !slice_to_u64(slice_sub(all, 9, 3), 999, &code))
                return error_set(err, ERROR_SYSTEM, "%s: what answers there is no gateway",
                                 address);
        *status = (int)code;
        buffer_consume(answer, (size_t)(end - answer->data) + 4);
        return true;
}

bool admin_get(const char *address, const char *path, int *status, struct buffer *body,
               struct error *err)
{
        int fd = connect_to(address, err);
        if (fd < 0)
                return false;
        bool ok =
                exchange(fd, address, path, body, err) && split_answer(address, body, status, err);
        close(fd);
        return ok;
}
