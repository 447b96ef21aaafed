#include "world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

#include "base/memory.h"
#include "base/must.h"
#include "proxy/handshake/handshake.h"
#include "proxy/proxy.h"
#include "tls/context.h"
#include "trust/key_pair.h"
#include "trust/certificate.h"

struct backend_server {
        int fd;
        uint16_t port;
        pthread_t thread;
        _Atomic unsigned hits;
        _Atomic bool stopping;
};

struct world {
        struct pki_cert ca, server;
        struct backend_server backend;
        struct limits limits;
        struct publisher publisher;
        struct tls_library *library;
        struct event_hub *hub;
        struct proxy *proxy;
        uint64_t generation;
        uint16_t port;
};

/* ---- the backend ---- */

static int bind_any(uint16_t *port, bool listens)
{
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t len = sizeof(at);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        must(fd >= 0 && bind(fd, (struct sockaddr *)&at, len) == 0);
        must(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
        must(!listens || listen(fd, 64) == 0);
        *port = ntohs(at.sin_port);
        return fd;
}

/* More than every buffer on the way takes. */
static void answer_without_end(int fd)
{
        static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
        static const char zeros[65536];
        ssize_t sent = send(fd, head, sizeof(head) - 1, MSG_NOSIGNAL);
        while (sent > 0)
                sent = send(fd, zeros, sizeof(zeros), MSG_NOSIGNAL);
}

static void answer_one(struct backend_server *backend, int fd)
{
        char request[8192];
        size_t len = 0;
        while (len < sizeof(request) - 1) {
                ssize_t n = read(fd, request + len, sizeof(request) - 1 - len);
                if (n <= 0)
                        return;
                len += (size_t)n;
                request[len] = '\0';
                if (strstr(request, "\r\n\r\n"))
                        break;
        }
        atomic_fetch_add(&backend->hits, 1);
        if (strncmp(request, "GET /endless ", 13) == 0) {
                answer_without_end(fd);
                return;
        }
        if (strncmp(request, "GET /hold ", 10) == 0) {
                while (read(fd, request, sizeof(request)) > 0)
                        ;
                return;
        }
        char answer[9000];
        int size = snprintf(answer, sizeof(answer),
                            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                            len, request);
        must(write(fd, answer, (size_t)size) == size);
}

static void *backend_run(void *self)
{
        struct backend_server *backend = self;
        while (!atomic_load(&backend->stopping)) {
                int fd = accept(backend->fd, NULL, NULL);
                if (fd < 0)
                        break;
                if (!atomic_load(&backend->stopping))
                        answer_one(backend, fd);
                close(fd);
        }
        return NULL;
}

/* ---- a generation ---- */

static const struct server_certificate *certificate_of(struct arena *arena,
                                                       const struct pki_cert *cert)
{
        struct server_certificate *made = ARENA_NEW(arena, struct server_certificate);
        made->source = SLICE("Secret test/server");
        made->pair = key_pair_new(cert->x509, cert->key);
        made->digest = made->pair->digest;
        return made;
}

static struct ca_set *cas_of(struct world *world, X509_CRL *crl)
{
        struct ca_set_builder *builder = ca_set_builder_new(CA_FLOOR_FULL);
        struct slice crl_pem = crl ? pki_crl_pem(crl) : SLICE_NONE;
        struct error err = {0};
        must(ca_set_builder_add(builder, pki_pem(world->ca.x509), crl ? &crl_pem : NULL, &err));
        return ca_set_build(builder);
}

static const struct pin_scope *scope_of(struct arena *arena, const struct world_config *config)
{
        struct pin_set_builder *builder = pin_set_builder_new();
        for (size_t i = 0; i < WORLD_PINS_MAX && config->pinned[i].x509; i++) {
                struct pin pin = {.kind = PIN_CERTIFICATE,
                                  .digest = certificate_digest(config->pinned[i].x509),
                                  .name = slice_of(config->pin_name ? config->pin_name : "robot"),
                                  .not_before = PIN_ALWAYS_FROM,
                                  .not_after = config->pin_not_after ? config->pin_not_after
                                                                     : PIN_ALWAYS_UNTIL};
                pin_set_builder_add(builder, &pin, i + 1);
        }
        struct pin_scope *scope = ARENA_NEW(arena, struct pin_scope);
        struct pin_set **sets = ARENA_NEW(arena, struct pin_set *);
        sets[0] = pin_set_build(builder);
        *scope = (struct pin_scope){.kind = SCOPE_INLINE,
                                    .source = SLICE("test"),
                                    .sets = sets,
                                    .set_count = 1,
                                    .removal = config->removal};
        return scope;
}

static const struct client_policy *policy_of(struct world *world, struct arena *arena,
                                             const struct world_config *config)
{
        if (config->asks_nobody || config->plain)
                return NULL;
        struct client_policy *policy = ARENA_NEW(arena, struct client_policy);
        policy->mode = config->mode;
        policy->cas = cas_of(world, config->crl);
        policy->rules = path_rules_default();
        policy->refuses_all = config->refuses_all;
        if (config->pins) {
                policy->scopes = scope_of(arena, config);
                policy->scope_count = 1;
        }
        client_policy_seal(policy);
        return policy;
}

static const struct route_table *routes_of(struct arena *arena)
{
        struct route *route = ARENA_NEW(arena, struct route);
        struct slice *hostname = ARENA_NEW(arena, struct slice);
        struct route_rule *rule = ARENA_NEW(arena, struct route_rule);
        struct route_match *match = ARENA_NEW(arena, struct route_match);
        struct route_backend *backend = ARENA_NEW(arena, struct route_backend);
        *match = (struct route_match){.path_kind = PATH_MATCH_PREFIX, .path = SLICE("/")};
        *backend = (struct route_backend){.backend = 0, .weight = 1};
        *rule = (struct route_rule){.policy = ROUTE_POLICY_NONE,
                                    .route = SLICE("test/route"),
                                    .matches = match,
                                    .match_count = 1,
                                    .backends = backend,
                                    .backend_count = 1,
                                    .weight_sum = 1};
        *route = (struct route){
                .hostnames = hostname, .hostname_count = 1, .rules = rule, .rule_count = 1};
        return route_table_build(route, 1, arena);
}

static const struct host_table *streams_of(struct arena *arena)
{
        struct stream_route *route = ARENA_NEW(arena, struct stream_route);
        struct route_backend *backend = ARENA_NEW(arena, struct route_backend);
        struct host_entry entry = {SLICE_NONE, route};
        *backend = (struct route_backend){.weight = 1};
        *route = (struct stream_route){.route = SLICE("test/stream"),
                                       .backends = backend,
                                       .backend_count = 1,
                                       .weight_sum = 1};
        return host_table_build(&entry, 1, arena);
}

static enum listener_kind kind_of(const struct world_config *config)
{
        if (config->streams)
                return config->plain ? LISTENER_TCP : LISTENER_TLS_TERMINATE;
        return config->plain ? LISTENER_HTTP : LISTENER_HTTPS;
}

static void listener_fill(struct world *world, struct snapshot *snapshot,
                          const struct world_config *config, struct listener *listener)
{
        struct arena *arena = &snapshot->arena;
        const struct pki_cert *servers = config->server ? config->server : &world->server;
        size_t count = config->server_count ? config->server_count : 1;
        const struct server_certificate **all =
                ARENA_ARRAY(arena, const struct server_certificate *, count);
        for (size_t i = 0; i < count; i++)
                all[i] = certificate_of(arena, &servers[i]);
        snapshot->certificates = all;
        snapshot->certificate_count = count;
        *listener = (struct listener){
                .kind = kind_of(config),
                .gateway = SLICE("test/edge"),
                .name = SLICE("https"),
                .hostname = slice_of(config->hostname),
                .certificates = all,
                .certificate_count = config->plain ? 0 : count,
                .routes = config->streams ? NULL : routes_of(arena),
                .streams = config->streams && !config->no_route ? streams_of(arena) : NULL,
                .forward = config->forward ? config->forward : 1};
}

static void port_fill(struct world *world, struct snapshot *snapshot,
                      const struct world_config *config, struct port *port)
{
        struct arena *arena = &snapshot->arena;
        struct listener *listeners = ARENA_ARRAY(arena, struct listener, 2);
        size_t count = config->passes ? 2 : 1;
        listener_fill(world, snapshot, config, listeners);
        listeners[1] = (struct listener){.kind = LISTENER_TLS_PASSTHROUGH,
                                         .gateway = SLICE("test/edge"),
                                         .name = SLICE("pass"),
                                         .index = 1,
                                         .hostname = slice_of(config->passes),
                                         .streams = streams_of(arena)};
        const struct host_entry entries[] = {{listeners[0].hostname, &listeners[0]},
                                             {listeners[1].hostname, &listeners[1]}};
        struct sockaddr_in at = {.sin_family = AF_INET,
                                 .sin_port = htons(world->port),
                                 .sin_addr = {htonl(INADDR_LOOPBACK)}};
        memcpy(&port->address, &at, sizeof(at));
        port->text = arena_printf(arena, "127.0.0.1:%u", world->port);
        port->number = world->port;
        port->protocol = !config->plain ? PORT_TLS : config->streams ? PORT_TCP : PORT_HTTP;
        port->gateway = SLICE("test/edge");
        port->listeners = listeners;
        port->listener_count = count;
        port->hosts = host_table_build(entries, count, arena);
        port->passes_through = config->passes != NULL;
        port->client = policy_of(world, arena, config);
}

static void backend_fill(struct world *world, struct snapshot *snapshot,
                         const struct world_config *config)
{
        uint16_t at_port = config->backend_port ? config->backend_port : world->backend.port;
        struct backend *backend = ARENA_NEW(&snapshot->arena, struct backend);
        struct endpoint *endpoint = ARENA_NEW(&snapshot->arena, struct endpoint);
        struct sockaddr_in at = {.sin_family = AF_INET,
                                 .sin_port = htons(at_port),
                                 .sin_addr = {htonl(INADDR_LOOPBACK)}};
        memcpy(&endpoint->address, &at, sizeof(at));
        endpoint->port = at_port;
        endpoint->text = SLICE("backend");
        *backend = (struct backend){
                .name = SLICE("test/backend:80"), .endpoints = endpoint, .endpoint_count = 1};
        snapshot->backends = backend;
        snapshot->backend_count = 1;
}

static struct snapshot *snapshot_make(struct world *world, const struct world_config *config)
{
        struct snapshot *snapshot = snapshot_new();
        struct error err = {0};
        snapshot->generation = ++world->generation;
        backend_fill(world, snapshot, config);
        if (!config->no_port) {
                struct port *port = ARENA_NEW(&snapshot->arena, struct port);
                port_fill(world, snapshot, config, port);
                snapshot->ports = port;
                snapshot->port_count = 1;
        }
        struct tls_options tls = {
                .workers = 1, .hooks = handshake_hooks(), .library = world->library};
        if (!tls_contexts_build(snapshot, &tls, &err)) {
                fprintf(stderr, "%s\n", err.text);
                abort();
        }
        return snapshot;
}

static void wait_for_generation(struct world *world)
{
        for (int i = 0; proxy_serving(world->proxy, world->generation) < 1; i++) {
                must(i < 5000);
                poll(NULL, 0, 1);
        }
}

void world_publish(struct world *world, const struct world_config *config)
{
        struct snapshot *snapshot = snapshot_make(world, config);
        proxy_prepare(world->proxy, snapshot);
        must(proxy_faults(world->proxy).count == 0);
        publisher_publish(&world->publisher, snapshot);
        proxy_wake(world->proxy);
        wait_for_generation(world);
        snapshot_reap();
}

struct pki_spec world_valid(struct pki_spec spec)
{
        int64_t now = time(NULL);
        if (!spec.not_before)
                spec.not_before = now - 3600;
        if (!spec.not_after)
                spec.not_after = now + 3600;
        return spec;
}

struct world *world_start(const struct world_config *config)
{
        struct world *world = NEW(struct world);
        struct error err = {0};
        struct pki_spec ca = world_valid((struct pki_spec){.subject = "CA", .ca = true});
        struct pki_spec server = world_valid((struct pki_spec){
                .subject = "server", .eku = "serverAuth", .san = "DNS:first.example"});
        world->ca = pki_make(NULL, &ca);
        world->server = pki_make(&world->ca, &server);
        world->backend.fd = bind_any(&world->backend.port, true);
        close(bind_any(&world->port, false));
        must(pthread_create(&world->backend.thread, NULL, backend_run, &world->backend) == 0);
        world->limits = limits_default();
        world->limits.linger_ms = 200;
        world->limits.handshake_ms = 1000;
        world->limits.body_progress_ms = 500;
        if (config->handshakes)
                world->limits.handshakes = config->handshakes;
        if (config->tunnel_idle_ms)
                world->limits.tunnel_idle_ms = config->tunnel_idle_ms;
        if (config->drain_grace_ms)
                world->limits.drain_grace_ms = config->drain_grace_ms;
        publisher_init(&world->publisher);
        world->library = tls_library_open(&err);
        must(world->library != NULL);
        world->hub = event_hub_new(&(struct event_hub_options){.workers = 1}, &err);
        world->proxy = proxy_new(&(struct proxy_options){.workers = 1,
                                                         .limits = &world->limits,
                                                         .publisher = &world->publisher,
                                                         .hub = world->hub});
        must(proxy_start(world->proxy, &err));
        world_publish(world, config);
        return world;
}

static void backend_stop(struct backend_server *backend)
{
        atomic_store(&backend->stopping, true);
        shutdown(backend->fd, SHUT_RDWR);
        pthread_join(backend->thread, NULL);
        close(backend->fd);
}

void world_drain_begin(struct world *world)
{
        proxy_drain(world->proxy);
}

void world_drain(struct world *world)
{
        proxy_drain(world->proxy);
        proxy_join(world->proxy);
}

void world_stop(struct world *world)
{
        proxy_stop(world->proxy);
        proxy_join(world->proxy);
        proxy_free(world->proxy);
        publisher_done(&world->publisher);
        snapshot_reap();
        event_hub_free(world->hub);
        tls_library_close(world->library);
        backend_stop(&world->backend);
        free(world);
        pki_done();
}

const struct pki_cert *world_ca(struct world *world)
{
        return &world->ca;
}

struct pki_cert world_client(struct world *world, const struct pki_spec *spec)
{
        struct pki_spec valid = world_valid(*spec);
        return pki_make(&world->ca, &valid);
}

uint16_t world_port(const struct world *world)
{
        return world->port;
}

unsigned world_backend_hits(struct world *world)
{
        return atomic_load(&world->backend.hits);
}

const struct worker_counters *world_counters(struct world *world)
{
        return event_hub_counters(world->hub, 0);
}

/* ---- a client ---- */

int world_connect(const struct world *world)
{
        struct sockaddr_in at = {.sin_family = AF_INET,
                                 .sin_port = htons(world->port),
                                 .sin_addr = {htonl(INADDR_LOOPBACK)}};
        const struct timeval patience = {.tv_sec = 5};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        must(connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
        return fd;
}

/* libssl numbers the reasons of alerts that came from the peer 1000 and up. */
static void take_alert(struct line *line)
{
        unsigned long code = ERR_peek_error();
        if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET)
                line->alert = ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET;
        ERR_clear_error();
}

bool line_open(struct world *world, const struct call *call, struct line *line)
{
        int version = call->version ? call->version : TLS1_3_VERSION;
        *line = (struct line){.ctx = SSL_CTX_new(TLS_client_method()), .fd = world_connect(world)};
        SSL_CTX_set_min_proto_version(line->ctx, version);
        SSL_CTX_set_max_proto_version(line->ctx, version);
        SSL_CTX_set_security_level(line->ctx, 0);
        line->ssl = SSL_new(line->ctx);
        if (call->with)
                must(SSL_use_cert_and_key(line->ssl, call->with->x509, call->with->key, call->chain,
                                          1) == 1);
        if (call->sni)
                SSL_set_tlsext_host_name(line->ssl, call->sni);
        if (call->alpn)
                SSL_set_alpn_protos(line->ssl, (const unsigned char *)call->alpn,
                                    (unsigned)strlen(call->alpn));
        if (call->resume)
                SSL_set_session(line->ssl, call->resume);
        SSL_set_fd(line->ssl, line->fd);
        ERR_clear_error();
        if (SSL_connect(line->ssl) == 1)
                return true;
        take_alert(line);
        return false;
}

static bool response_is_whole(const char *response, size_t len)
{
        const char *end = strstr(response, "\r\n\r\n");
        const char *length = strcasestr(response, "content-length:");
        if (!end)
                return false;
        size_t want = length && length < end ? (size_t)strtoul(length + 15, NULL, 10) : 0;
        return len >= (size_t)(end + 4 - response) + want;
}

int line_ask(struct line *line, const char *request, char *response, size_t size)
{
        size_t len = 0;
        int status = 0;
        ERR_clear_error();
        response[0] = '\0';
        if (SSL_write(line->ssl, request, (int)strlen(request)) <= 0) {
                take_alert(line);
                return 0;
        }
        while (len + 1 < size) {
                int n = SSL_read(line->ssl, response + len, (int)(size - 1 - len));
                if (n <= 0) {
                        take_alert(line);
                        return 0;
                }
                len += (size_t)n;
                response[len] = '\0';
                if (response_is_whole(response, len))
                        break;
        }
        return sscanf(response, "HTTP/1.%*d %d", &status) == 1 ? status : 0;
}

void line_close(struct line *line)
{
        SSL_free(line->ssl);
        SSL_CTX_free(line->ctx);
        close(line->fd);
}

int world_call(struct world *world, const struct call *call)
{
        char response[16384];
        struct line line;
        int status = 0;
        if (line_open(world, call, &line))
                status = line_ask(&line, "GET / HTTP/1.1\r\nHost: first.example\r\n\r\n", response,
                                  sizeof(response));
        if (status == 0)
                status = -line.alert;
        line_close(&line);
        return status;
}
