#include "exchange_harness.h"

#include <errno.h>
#include <fcntl.h>

#include "event/event.h"
#include "event/ring.h"

/* ---- the backend ---- */

static void peer_close(struct peer *peer)
{
        if (!peer->open)
                return;
        peer->open = false;
        uv_poll_stop(&peer->poll);
        uv_close((uv_handle_t *)&peer->poll, NULL);
        close(peer->fd);
}

static void peer_say(struct peer *peer, const char *text)
{
        size_t len = strlen(text), at = 0;
        while (at < len) {
                ssize_t n = send(peer->fd, text + at, len - at, MSG_NOSIGNAL);
                if (n < 0)
                        return;
                at += (size_t)n;
        }
}

static void peer_play(struct peer *peer)
{
        while (peer->open && peer->script && peer->step < peer->script->count) {
                const struct step *step = &peer->script->steps[peer->step];
                if (step->expect) {
                        struct slice left = slice_skip(buffer_slice(&peer->seen), peer->checked);
                        char *found = left.len ? memmem(left.data, left.len, step->expect,
                                                        strlen(step->expect))
                                               : NULL;
                        if (!found)
                                return;
                        peer->checked = (size_t)(found - peer->seen.data) + strlen(step->expect);
                }
                peer->step++;
                if (step->reply)
                        peer_say(peer, step->reply);
                if (step->close)
                        peer_close(peer);
        }
}

static void on_peer(uv_poll_t *poll, int status, int events)
{
        struct peer *peer = poll->data;
        (void)status;
        (void)events;
        char *room = buffer_reserve(&peer->seen, 64 * 1024);
        assert_non_null(room);
        ssize_t n = recv(peer->fd, room, 64 * 1024, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
                return;
        if (n <= 0) {
                peer->ended = true;
                peer_close(peer);
                return;
        }
        peer->seen.len += (size_t)n;
        peer_play(peer);
}

static void on_accept(uv_poll_t *poll, int status, int events)
{
        struct backend_peer *backend = poll->data;
        (void)status;
        (void)events;
        assert_true(backend->peer_count < PEERS_MAX);
        struct peer *peer = &backend->peers[backend->peer_count];
        int fd = accept4(backend->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
                return;
        peer->fd = fd;
        peer->open = true;
        peer->backend = backend;
        buffer_init(&peer->seen, 64U << 20);
        if (backend->peer_count < backend->script_count)
                peer->script = &backend->scripts[backend->peer_count];
        backend->peer_count++;
        assert_int_equal(uv_poll_init(&backend->h->loop, &peer->poll, fd), 0);
        peer->poll.data = peer;
        if (!backend->deaf)
                uv_poll_start(&peer->poll, UV_READABLE, on_peer);
        peer_play(peer);
}

static void backend_open(struct backend_peer *backend, struct harness *h)
{
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(address);
        backend->h = h;
        backend->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(backend->fd, (const void *)&address, len), 0);
        assert_int_equal(listen(backend->fd, 16), 0);
        assert_int_equal(getsockname(backend->fd, (void *)&address, &len), 0);
        backend->port = ntohs(address.sin_port);
        assert_int_equal(uv_poll_init(&h->loop, &backend->poll, backend->fd), 0);
        backend->poll.data = backend;
        uv_poll_start(&backend->poll, UV_READABLE, on_accept);
}

/* ---- the snapshot: three listeners, one rule each way a request can go ---- */

static void rule_add(struct harness *h, struct route *route, const char *path, uint32_t backend)
{
        struct route_rule *rule = h->rules++;
        struct route_match *match = ARENA_NEW(&h->snapshot->arena, struct route_match);
        struct route_backend *target = ARENA_NEW(&h->snapshot->arena, struct route_backend);
        struct slice *any = ARENA_NEW(&h->snapshot->arena, struct slice);
        static const struct header set[] = {{SLICE("x-set"), SLICE("by-route")},
                                            {SLICE("pingate-client-name"), SLICE("forged")}};
        static const struct header_filter request = {.set = set, .set_count = 2};
        static const struct header answer[] = {{SLICE("x-answer"), SLICE("filtered")}};
        static const struct header_filter response = {.set = answer, .set_count = 1};
        match->path = slice_of(path);
        *target = (struct route_backend){backend, 1};
        *rule = (struct route_rule){.policy = ROUTE_POLICY_NONE,
                                    .route = SLICE("edge/web"),
                                    .matches = match,
                                    .match_count = 1,
                                    .backends = target,
                                    .backend_count = 1,
                                    .weight_sum = 1,
                                    .filters.request = &request,
                                    .filters.request_count = 1,
                                    .filters.response = &response,
                                    .filters.response_count = 1,
                                    .filters.refuses = strcmp(path, "/refuses") == 0};
        *route = (struct route){any, 1, rule, 1};
}

static void endpoint_set(struct endpoint *endpoint, in_port_t port)
{
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons(port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        memcpy(&endpoint->address, &address, sizeof(address));
        endpoint->text = SLICE("127.0.0.1");
        endpoint->port = port;
}

/* A port on which nobody listens, for as long as it matters. */
static in_port_t port_closed(void)
{
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(fd, (const void *)&address, len), 0);
        getsockname(fd, (void *)&address, &len);
        close(fd);
        return ntohs(address.sin_port);
}

static void snapshot_make(struct harness *h)
{
        static const char *const hosts[] = {"", "*.wild.org", "exact.org"};
        struct snapshot *s = h->snapshot = snapshot_new();
        struct endpoint *endpoints = ARENA_ARRAY(&s->arena, struct endpoint, 5);
        struct route *routes = ARENA_ARRAY(&s->arena, struct route, 7);
        struct host_entry entries[3];
        h->backends = ARENA_ARRAY(&s->arena, struct backend, 5);
        h->listeners = ARENA_ARRAY(&s->arena, struct listener, 3);
        h->port = ARENA_NEW(&s->arena, struct port);
        endpoint_set(&endpoints[0], h->backend.port);
        endpoint_set(&endpoints[1], port_closed());
        endpoint_set(&endpoints[2], h->backend.port);
        endpoint_set(&endpoints[3], port_closed());
        endpoints[4] = (struct endpoint){.dns_name = SLICE("localhost"), .port = h->backend.port};
        h->backends[0] = (struct backend){SLICE("good"), &endpoints[0], 1};
        h->backends[1] = (struct backend){SLICE("half"), &endpoints[1], 2};
        h->backends[2] = (struct backend){SLICE("none"), NULL, 0};
        h->backends[3] = (struct backend){SLICE("dead"), &endpoints[3], 1};
        h->backends[4] = (struct backend){SLICE("name"), &endpoints[4], 1};
        struct route_rule *rules = h->rules = ARENA_ARRAY(&s->arena, struct route_rule, 7);
        rule_add(h, &routes[0], "/good", 0);
        rule_add(h, &routes[1], "/half", 1);
        rule_add(h, &routes[2], "/none", 2);
        rule_add(h, &routes[3], "/dead", 3);
        rule_add(h, &routes[4], "/invalid", ROUTE_BACKEND_INVALID);
        rule_add(h, &routes[5], "/refuses", 0);
        rule_add(h, &routes[6], "/name", 4);
        h->rules = rules;
        for (uint32_t i = 0; i < 3; i++) {
                h->listeners[i] =
                        (struct listener){.name = SLICE("l"),
                                          .index = i,
                                          .hostname = slice_of(hosts[i]),
                                          .routes = route_table_build(routes, 7, &s->arena)};
                entries[i] = (struct host_entry){h->listeners[i].hostname, &h->listeners[i]};
        }
        *h->port = (struct port){.number = 443,
                                 .protocol = PORT_HTTP,
                                 .listeners = h->listeners,
                                 .listener_count = 3,
                                 .hosts = host_table_build(entries, 3, &s->arena)};
        s->backends = h->backends;
        s->backend_count = 5;
        s->generation = 7;
}

/* ---- callbacks ---- */

void harness_pull(struct harness *h)
{
        char chunk[5000];
        while (!h->end && !h->aborted) {
                const struct header_list *trailers = NULL;
                size_t len = sizeof(chunk);
                enum h2_pull pull = exchange_pull(h->exchange, chunk, &len, &trailers);
                assert_true(buffer_append(&h->body, slice_from(chunk, len)));
                if (trailers)
                        h->trailers = *trailers;
                h->end = pull == H2_PULL_END;
                h->aborted = pull == H2_PULL_ABORT;
                if (pull == H2_PULL_LATER)
                        return;
        }
}

static void on_head(struct exchange *exchange, const struct response_head *head, bool end,
                    void *self)
{
        struct harness *h = self;
        assert_false(h->inside_open);
        assert_ptr_equal(exchange, h->exchange);
        assert_true(h->head_count < 8);
        h->statuses[h->head_count++] = head->status;
        if (head->informational)
                return;
        h->final = *head;
        h->end = end;
        if (h->close_on_head) {
                harness_close(h);
                h->end = true;
                return;
        }
        if (!h->hold)
                harness_pull(h);
}

static void on_readable(struct exchange *exchange, void *self)
{
        struct harness *h = self;
        (void)exchange;
        assert_false(h->inside_open);
        if (!h->hold)
                harness_pull(h);
}

static void on_consumed(struct exchange *exchange, size_t bytes, void *self)
{
        struct harness *h = self;
        (void)exchange;
        assert_false(h->inside_open);
        h->consumed += bytes;
}

static void on_continue(struct exchange *exchange, void *self)
{
        struct harness *h = self;
        (void)exchange;
        h->continues++;
}

static const struct exchange_callbacks callbacks = {on_head, on_readable, on_consumed, on_continue};

/* ---- its life ---- */

static void on_tick(uv_timer_t *timer)
{
        struct harness *h = timer->data;
        h->now_ms = uv_now(&h->loop);
        wheel_run(&h->wheel, h->now_ms);
        if (h->now_ms - h->started_ms > LOOP_MS_MAX)
                fail_msg("the loop ran for too long");
}

static void env_make(struct harness *h)
{
        struct upstream_options options = upstream_options_default();
        static const struct slice date = {"", 0};
        options.loop = &h->loop;
        options.wheel = &h->wheel;
        options.now_ms = &h->now_ms;
        options.counters = event_sink_counters(h->sink);
        options.random_state = &h->random;
        options.local_names = !h->no_local_names;
        if (h->idle_ms_max > 0)
                options.idle_ms_max = h->idle_ms_max;
        h->pool = upstream_pool_open(&options);
        h->env = (struct exchange_env){.loop = &h->loop,
                                       .wheel = &h->wheel,
                                       .pool = h->pool,
                                       .sink = h->sink,
                                       .now_ms = &h->now_ms,
                                       .date = &date,
                                       .request_ms_max = 3000,
                                       .response_ms_max = 500,
                                       .body_progress_ms_max = 500,
                                       .random_state = &h->random,
                                       .mirrors = &h->mirrors};
        h->mirrors.count_max = 4;
        h->client = (struct exchange_client){
                .scheme = SLICE("https"), .protocol = "1.1", .connection = 3};
}

void harness_init(struct harness *h, const struct script *scripts, size_t count)
{
        struct event_hub_options options = {.workers = 1};
        struct error err;
        *h = (struct harness){
                .random = 99, .no_local_names = h->no_local_names, .idle_ms_max = h->idle_ms_max};
        assert_int_equal(uv_loop_init(&h->loop), 0);
        h->now_ms = h->started_ms = uv_now(&h->loop);
        wheel_init(&h->wheel, h->now_ms);
        uv_timer_init(&h->loop, &h->ticker);
        h->ticker.data = h;
        uv_timer_start(&h->ticker, on_tick, 1, 20);
        h->hub = event_hub_new(&options, &err);
        assert_non_null(h->hub);
        h->sink = event_hub_sink(h->hub, 0);
        h->backend.scripts = scripts;
        h->backend.script_count = count;
        backend_open(&h->backend, h);
        env_make(h);
        snapshot_make(h);
        arena_init(&h->arena, 4096);
        buffer_init(&h->body, 64U << 20);
}

static struct exchange_start start_make(struct harness *h)
{
        struct slice sni = h->client.tls_server_name;
        h->head_count = h->consumed = h->continues = 0;
        h->end = h->aborted = false;
        buffer_clear(&h->body);
        h->trailers = (struct header_list){0};
        return (struct exchange_start){
                .env = &h->env,
                .client = &h->client,
                .callbacks = &callbacks,
                .self = h,
                .snapshot = h->snapshot,
                .port = h->port,
                .listener = sni.len ? host_table_find(h->port->hosts, sni) : NULL,
                .head = &h->head,
                .arena = &h->arena,
        };
}

void harness_open(struct harness *h, const char *text)
{
        struct http_limits limits = http_limits_default();
        struct h1_reader reader;
        size_t consumed;
        h1_reader_init(&reader, &limits, &h->arena);
        assert_int_equal(h1_request_read(&reader, slice_of(text), &consumed, &h->head), H1_DONE);
        struct exchange_start start = start_make(h);
        start.end = h->head.framing == FRAMING_NONE ||
                    (h->head.framing == FRAMING_LENGTH && h->head.content_length == 0);
        h->inside_open = true;
        h->exchange = exchange_open(&start);
        h->inside_open = false;
}

void harness_open_fault(struct harness *h, const struct http_fault *fault)
{
        h->head = (struct request_head){0};
        struct exchange_start start = start_make(h);
        start.end = true;
        h->inside_open = true;
        h->exchange = exchange_open_fault(&start, fault);
        h->inside_open = false;
}

void harness_close(struct harness *h)
{
        if (!h->exchange)
                return;
        exchange_close(h->exchange);
        h->exchange = NULL;
}

void harness_finish(struct harness *h)
{
        while (!h->end && !h->aborted)
                uv_run(&h->loop, UV_RUN_ONCE);
}

void harness_until(struct harness *h, const size_t *condition, size_t at_least)
{
        while (*condition < at_least)
                uv_run(&h->loop, UV_RUN_ONCE);
}

struct request_facts harness_record(struct harness *h)
{
        uint64_t lost;
        struct event_ring *ring = event_hub_ring(h->hub, 0, false);
        const struct event *event = event_ring_peek(ring, &lost);
        assert_non_null(event);
        assert_int_equal(event->kind, EVENT_REQUEST);
        struct request_facts facts = event->request;
        facts.fault.data = arena_slice(&h->arena, facts.fault).data; /* outlives the slot */
        facts.path.data = arena_slice(&h->arena, facts.path).data;
        facts.request_id.data = arena_slice(&h->arena, facts.request_id).data;
        facts.scope.data = arena_slice(&h->arena, facts.scope).data;
        facts.report_scope.data = arena_slice(&h->arena, facts.report_scope).data;
        facts.subject.data = arena_slice(&h->arena, facts.subject).data;
        facts.client_name.data = arena_slice(&h->arena, facts.client_name).data;
        event_ring_release(ring);
        return facts;
}

static void on_pool_closed(void *self)
{
        ((struct harness *)self)->pool_closed = true;
}

void harness_done(struct harness *h)
{
        mirrors_close(&h->mirrors);
        harness_close(h);
        for (size_t i = 0; i < h->backend.peer_count; i++)
                peer_close(&h->backend.peers[i]);
        upstream_pool_close(h->pool, on_pool_closed, h);
        uv_close((uv_handle_t *)&h->backend.poll, NULL);
        uv_close((uv_handle_t *)&h->ticker, NULL);
        uv_run(&h->loop, UV_RUN_DEFAULT);
        assert_true(h->pool_closed);
        close(h->backend.fd);
        assert_int_equal(uv_loop_close(&h->loop), 0);
        for (size_t i = 0; i < h->backend.peer_count; i++)
                buffer_done(&h->backend.peers[i].seen);
        buffer_done(&h->body);
        arena_done(&h->arena);
        /* Nobody but the test held it any more: every exchange gave its reference back. */
        assert_int_equal(atomic_load(&h->snapshot->references), 1);
        snapshot_unref(h->snapshot);
        snapshot_reap();
        event_hub_free(h->hub);
}
