#include "observe/admin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "event/emit.h"
#include "observe/metrics.h"
#include "observe/observe.h"
#include "observe/pin_ledger.h"
#include "observe/refusals.h"
#include "observe/state.h"
#include "text/json.h"

enum {
        ANSWER_BYTES_MAX = 8 << 20,
        CONNECTIONS_MAX = 64,
        TIMEOUT_S = 10,
};

/* One bound address. */
struct door {
        struct admin *admin;
        struct MHD_Daemon *daemon; /* NULL: none */
        bool probes_only;
        bool loopback;
        int port;
};

struct admin {
        struct admin_options options;
        struct door doors[2]; /* admin, probes */
};

struct answer {
        unsigned status;
        const char *type;
        struct buffer body;
};

typedef bool (*on_page_fn)(struct admin *admin, struct MHD_Connection *connection,
                           struct answer *answer);

static int64_t now_ms(void)
{
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool page_metrics(struct admin *admin, struct MHD_Connection *connection,
                         struct answer *answer)
{
        (void)connection;
        struct observer *observer = admin->options.observer;
        struct metrics_extra extra = {.lines_lost = observer_lines_lost(observer),
                                      .renewals = observer_renewals(observer)};
        gateway_state_measure(admin->options.state, &extra);
        answer->type = "text/plain; version=0.0.4; charset=utf-8";
        return metrics_print(admin->options.hub, &extra, &answer->body) &&
               pin_ledger_measure(observer_pins(observer), now_ms(), &answer->body);
}

static bool page_healthz(struct admin *admin, struct MHD_Connection *connection,
                         struct answer *answer)
{
        (void)admin;
        (void)connection;
        return buffer_append(&answer->body, SLICE("ok\n"));
}

static bool page_readyz(struct admin *admin, struct MHD_Connection *connection,
                        struct answer *answer)
{
        (void)connection;
        const char *token = gateway_state_readiness(admin->options.state);
        if (strcmp(token, "ready") != 0)
                answer->status = MHD_HTTP_SERVICE_UNAVAILABLE;
        return buffer_printf(&answer->body, "%s\n", token);
}

static bool page_status(struct admin *admin, struct MHD_Connection *connection,
                        struct answer *answer)
{
        (void)connection;
        answer->type = "application/json";
        struct json_writer w;
        json_writer_init(&w, &answer->body);
        gateway_state_print(admin->options.state, observer_pins(admin->options.observer), &w);
        return json_writer_done(&w) && buffer_append(&answer->body, SLICE("\n"));
}

static bool page_refusals(struct admin *admin, struct MHD_Connection *connection,
                          struct answer *answer)
{
        uint64_t from = 0;
        const char *text = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "from");
        if (text && !slice_to_u64(slice_of(text), UINT64_MAX, &from)) {
                answer->status = MHD_HTTP_BAD_REQUEST;
                return buffer_append(&answer->body, SLICE("from: not a number\n"));
        }
        answer->type = "application/json";
        return refusals_print(observer_refusals(admin->options.observer), from, &answer->body);
}

static const struct page {
        const char *path;
        on_page_fn print;
        bool probe; /* served on the probe address too */
} pages[] = {
        {"/metrics", page_metrics, true},    {"/healthz", page_healthz, true},
        {"/readyz", page_readyz, true},      {"/status", page_status, false},
        {"/refusals", page_refusals, false},
};

static const struct page *page_find(const struct door *door, const char *path)
{
        for (size_t i = 0; i < COUNT_OF(pages); i++)
                if (strcmp(pages[i].path, path) == 0 && (pages[i].probe || !door->probes_only))
                        return &pages[i];
        return NULL;
}

/* An IP address or localhost, with or without a port: what a page from elsewhere can't have as its
 * own origin, whatever its name resolves to. */
static bool host_is_local(const char *host)
{
        char name[64];
        if (!host || strlen(host) >= sizeof(name))
                return false;
        struct slice s = slice_of(host);
        if (s.len > 0 && s.data[0] == '[') {
                size_t end = slice_find(s, ']');
                if (end == s.len || (end + 1 < s.len && host[end + 1] != ':'))
                        return false;
                memcpy(name, host + 1, end - 1);
                name[end - 1] = '\0';
                return inet_pton(AF_INET6, name, &(struct in6_addr){0}) == 1;
        }
        size_t len = slice_find(s, ':');
        memcpy(name, host, len);
        name[len] = '\0';
        return strcmp(name, "localhost") == 0 ||
               inet_pton(AF_INET, name, &(struct in_addr){0}) == 1;
}

static bool fill(struct door *door, struct MHD_Connection *connection, const char *path,
                 const char *method, struct answer *answer)
{
        const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
        if (door->loopback && !host_is_local(host)) {
                answer->status = MHD_HTTP_FORBIDDEN;
                return buffer_append(&answer->body,
                                     SLICE("Host is neither an IP address nor localhost\n"));
        }
        const struct page *page = page_find(door, path);
        if (!page) {
                answer->status = MHD_HTTP_NOT_FOUND;
                return buffer_append(&answer->body, SLICE("no such page\n"));
        }
        if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
                answer->status = MHD_HTTP_METHOD_NOT_ALLOWED;
                return buffer_append(&answer->body, SLICE("GET and HEAD only\n"));
        }
        return page->print(door->admin, connection, answer);
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct answer *answer)
{
        /* The library frees the body with free(), which is where it came from. */
        struct MHD_Response *response = MHD_create_response_from_buffer(
                answer->body.len, answer->body.data, MHD_RESPMEM_MUST_FREE);
        if (!response) {
                buffer_done(&answer->body);
                return MHD_NO;
        }
        MHD_add_response_header(response, "Content-Type", answer->type);
        MHD_add_response_header(response, "Cache-Control", "no-store");
        MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
        if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
                MHD_add_response_header(response, "Allow", "GET, HEAD");
        enum MHD_Result result = MHD_queue_response(connection, answer->status, response);
        MHD_destroy_response(response);
        return result;
}

/* The signature is the library's. */
static enum MHD_Result on_request(void *self, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **context)
{
        (void)version;
        (void)upload;
        static int headers_seen;
        if (!*context) {
                *context = &headers_seen; /* called again once the request is whole */
                return MHD_YES;
        }
        if (*upload_len > 0) {
                *upload_len = 0; /* a body nobody asked for is read and dropped */
                return MHD_YES;
        }
        struct answer answer = {.status = MHD_HTTP_OK, .type = "text/plain; charset=utf-8"};
        buffer_init(&answer.body, ANSWER_BYTES_MAX);
        if (!fill(self, connection, path, method, &answer)) {
                buffer_clear(&answer.body);
                answer.status = MHD_HTTP_INTERNAL_SERVER_ERROR;
                buffer_append(&answer.body, SLICE("too large\n"));
        }
        return send_answer(connection, &answer);
}

static bool address_is_loopback(const struct sockaddr *address)
{
        if (address->sa_family == AF_INET)
                return ntohl(((const struct sockaddr_in *)(const void *)address)
                                     ->sin_addr.s_addr) >>
                               24 ==
                       127;
        return IN6_IS_ADDR_LOOPBACK(
                &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

static bool address_parse(const char *text, struct addrinfo **found, struct error *err)
{
        char host[64];
        const char *colon = strrchr(text, ':');
        size_t len = colon ? (size_t)(colon - text) : 0;
        const char *from = text;
        if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
                from++;
                len -= 2;
        }
        uint64_t port;
        if (!colon || len == 0 || len >= sizeof(host) ||
            !slice_to_u64(slice_of(colon + 1), UINT16_MAX, &port))
                return error_set(err, ERROR_USAGE, "%s: not an address like 127.0.0.1:9180", text);
        memcpy(host, from, len);
        host[len] = '\0';
        const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                       .ai_socktype = SOCK_STREAM};
        int failed = getaddrinfo(host, colon + 1, &hints, found);
        if (failed)
                return error_set(err, ERROR_USAGE, "%s: not an address like 127.0.0.1:9180 (%s)",
                                 text, gai_strerror(failed));
        return true;
}

static struct MHD_Daemon *daemon_start(struct door *door, const struct sockaddr *address)
{
        unsigned flags = MHD_USE_AUTO_INTERNAL_THREAD;
        if (address->sa_family == AF_INET6)
                flags |= MHD_USE_IPv6;
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
        struct MHD_Daemon *daemon = MHD_start_daemon(
                flags, 0, NULL, NULL, on_request, door, MHD_OPTION_SOCK_ADDR, address,
                MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S, MHD_OPTION_END);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return daemon;
}

static bool door_open(struct door *door, const char *text, struct error *err)
{
        if (!text || strcmp(text, "off") == 0)
                return true;
        struct addrinfo *found;
        if (!address_parse(text, &found, err))
                return false;
        door->loopback = address_is_loopback(found->ai_addr);
        errno = 0;
        door->daemon = daemon_start(door, found->ai_addr);
        int failed = errno;
        freeaddrinfo(found);
        errno = failed;
        if (!door->daemon)
                return error_set_errno(err, "%s: can't be served", text);
        const union MHD_DaemonInfo *info =
                MHD_get_daemon_info(door->daemon, MHD_DAEMON_INFO_BIND_PORT);
        door->port = info ? info->port : 0;
        return true;
}

struct admin *admin_start(const struct admin_options *options, struct error *err)
{
        struct admin *admin = NEW(struct admin);
        admin->options = *options;
        admin->doors[0] = (struct door){.admin = admin};
        admin->doors[1] = (struct door){.admin = admin, .probes_only = true};
        bool ok = true;
        if (!door_open(&admin->doors[0], options->address, err))
                ok = error_wrap(err, "--admin");
        else if (!door_open(&admin->doors[1], options->probe_address, err))
                ok = error_wrap(err, "--probe-addr");
        if (ok)
                return admin;
        admin_stop(admin);
        return NULL;
}

void admin_stop(struct admin *admin)
{
        if (!admin)
                return;
        for (size_t i = 0; i < COUNT_OF(admin->doors); i++)
                if (admin->doors[i].daemon)
                        MHD_stop_daemon(admin->doors[i].daemon);
        free(admin);
}

int admin_port(const struct admin *admin)
{
        return admin->doors[0].port;
}

int admin_probe_port(const struct admin *admin)
{
        return admin->doors[1].port;
}
