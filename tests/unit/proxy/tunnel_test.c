/* Streams through real workers and sockets. The test is client and backend at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "proxy/stream_gate.h"
#include "world.h"

struct scene {
        struct world *world;
        struct world_config config;
        int listening;
};

static void patience_set(int fd)
{
        const struct timeval patience = {.tv_sec = 5};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

static struct scene scene_start(struct world_config config)
{
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t len = sizeof(at);
        struct scene scene = {.listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        assert_int_equal(bind(scene.listening, (struct sockaddr *)&at, len), 0);
        assert_int_equal(getsockname(scene.listening, (struct sockaddr *)&at, &len), 0);
        assert_int_equal(listen(scene.listening, 64), 0);
        patience_set(scene.listening);
        scene.config = config;
        scene.config.streams = true;
        scene.config.backend_port = ntohs(at.sin_port);
        scene.world = world_start(&scene.config);
        return scene;
}

static struct scene plain_scene(void)
{
        return scene_start((struct world_config){.plain = 1});
}

static int backend_accept(const struct scene *scene)
{
        int fd = accept(scene->listening, NULL, NULL);
        assert_true(fd >= 0);
        patience_set(fd);
        return fd;
}

static bool backend_was_asked(const struct scene *scene)
{
        struct pollfd polled = {scene->listening, POLLIN, 0};
        return poll(&polled, 1, 0) > 0;
}

static void scene_end(struct scene *scene)
{
        world_stop(scene->world);
        close(scene->listening);
}

static void say(int fd, const char *text)
{
        assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void hear(int fd, const char *text)
{
        char got[256];
        size_t len = strlen(text);
        for (size_t at = 0; at < len;) {
                ssize_t n = recv(fd, got + at, len - at, 0);
                assert_true(n > 0);
                at += (size_t)n;
        }
        assert_memory_equal(got, text, len);
}

static void hear_end(int fd)
{
        char byte;
        assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

static void hear_break(int fd)
{
        char byte;
        assert_int_equal(recv(fd, &byte, 1, 0), -1);
        assert_int_equal(errno, ECONNRESET);
}

static void close_with_reset(int fd)
{
        const struct linger at_once = {.l_onoff = 1};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        close(fd);
}

static void bytes_go_both_ways_as_they_are(void **state)
{
        (void)state;
        struct scene scene = plain_scene();
        int client = world_connect(scene.world), backend = backend_accept(&scene);
        say(backend, "220 the server speaks first\r\n");
        hear(client, "220 the server speaks first\r\n");
        say(client, "\x16\x03\x01 GET / HTTP/9.9\n\n");
        hear(backend, "\x16\x03\x01 GET / HTTP/9.9\n\n");
        say(client, "one");
        hear(backend, "one");
        close(client);
        hear_end(backend);
        close(backend);
        scene_end(&scene);
}

static void the_end_of_one_side_leaves_the_other_talking(void **state)
{
        (void)state;
        struct scene scene = plain_scene();
        int client = world_connect(scene.world), backend = backend_accept(&scene);
        say(client, "question");
        shutdown(client, SHUT_WR);
        hear(backend, "question");
        hear_end(backend);
        say(backend, "answer");
        hear(client, "answer");
        close(backend);
        hear_end(client);
        close(client);

        client = world_connect(scene.world), backend = backend_accept(&scene);
        say(backend, "news");
        shutdown(backend, SHUT_WR);
        hear(client, "news");
        hear_end(client);
        say(client, "thanks");
        hear(backend, "thanks");
        close(client);
        hear_end(backend);
        close(backend);
        scene_end(&scene);
}

static void a_side_that_breaks_off_breaks_the_other(void **state)
{
        (void)state;
        struct scene scene = plain_scene();
        int client = world_connect(scene.world), backend = backend_accept(&scene);
        say(client, "a");
        hear(backend, "a");
        close_with_reset(backend);
        hear_break(client);
        close(client);
        client = world_connect(scene.world), backend = backend_accept(&scene);
        say(client, "b");
        hear(backend, "b");
        close_with_reset(client);
        hear_break(backend);
        close(backend);
        scene_end(&scene);
}

enum {
        MUCH = 24 * 1024 * 1024,
};

/* One byte's value is a function of its place and way, so that none can be lost, doubled or turned
 * round unseen. */
static unsigned char byte_at(size_t at, unsigned way)
{
        return (unsigned char)((at >> 16) * 131 + (at >> 8) * 31 + at * 7 + way);
}

struct way {
        int from, to;
        size_t sent, got;
        unsigned number;
};

static void way_go(struct way *way, const struct pollfd *polls)
{
        static unsigned char bytes[65536];
        if ((polls[0].revents & POLLOUT) && way->sent < MUCH) {
                size_t len = MUCH - way->sent < sizeof(bytes) ? MUCH - way->sent : sizeof(bytes);
                for (size_t i = 0; i < len; i++)
                        bytes[i] = byte_at(way->sent + i, way->number);
                ssize_t n = send(way->from, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
                way->sent += n > 0 ? (size_t)n : 0;
        }
        if (polls[1].revents & POLLIN) {
                ssize_t n = recv(way->to, bytes, 1 + way->got * 7 % sizeof(bytes), MSG_DONTWAIT);
                for (ssize_t i = 0; i < n; i++)
                        if (bytes[i] != byte_at(way->got + (size_t)i, way->number))
                                fail_msg("byte %zu of way %u is wrong", way->got, way->number);
                way->got += n > 0 ? (size_t)n : 0;
        }
}

static void much_both_ways_at_once_arrives_as_it_was_sent(void **state)
{
        (void)state;
        struct scene scene = plain_scene();
        int client = world_connect(scene.world), backend = backend_accept(&scene);
        struct way ways[] = {{client, backend, 0, 0, 0}, {backend, client, 0, 0, 1}};
        while (ways[0].got < MUCH || ways[1].got < MUCH) {
                struct pollfd polls[4];
                for (size_t i = 0; i < 2; i++) {
                        short out = ways[i].sent < MUCH ? POLLOUT : 0;
                        polls[2 * i] = (struct pollfd){ways[i].from, out, 0};
                        polls[2 * i + 1] = (struct pollfd){ways[i].to, POLLIN, 0};
                }
                assert_true(poll(polls, 4, 5000) > 0);
                way_go(&ways[0], polls);
                way_go(&ways[1], polls + 2);
        }
        close(client);
        hear_end(backend);
        close(backend);
        scene_end(&scene);
}

static void without_a_route_the_connection_is_closed(void **state)
{
        (void)state;
        struct scene scene = scene_start((struct world_config){.plain = 1, .no_route = true});
        char byte;
        int client = world_connect(scene.world);
        assert_true(recv(client, &byte, 1, 0) <= 0);
        assert_false(backend_was_asked(&scene));
        close(client);
        scene_end(&scene);
}

static void a_backend_that_is_not_there_closes_the_connection(void **state)
{
        (void)state;
        struct scene scene = plain_scene();
        char byte;
        close(scene.listening);
        int client = world_connect(scene.world);
        assert_true(recv(client, &byte, 1, 0) <= 0);
        close(client);
        scene_end(&scene);
}

static uint64_t now_ms(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void one_that_says_nothing_ends(void **state)
{
        (void)state;
        struct scene scene = scene_start((struct world_config){.plain = 1, .tunnel_idle_ms = 300});
        int client = world_connect(scene.world), backend = backend_accept(&scene);
        uint64_t began_ms = now_ms();
        for (int i = 0; i < 6; i++) { /* longer than that in all, a byte now and then */
                poll(NULL, 0, 100);
                say(client, ".");
                hear(backend, ".");
        }
        uint64_t last_ms = now_ms();
        char byte;
        assert_true(last_ms - began_ms > 300);
        assert_true(recv(backend, &byte, 1, 0) <= 0);
        assert_true(now_ms() - last_ms >= 250);
        close(client);
        close(backend);
        scene_end(&scene);
}

static void a_draining_worker_lets_them_talk_until_the_grace_is_over(void **state)
{
        (void)state;
        struct scene scene = scene_start((struct world_config){.plain = 1, .drain_grace_ms = 500});
        int client = world_connect(scene.world), backend = backend_accept(&scene);
        char byte;
        say(client, "before");
        hear(backend, "before");
        uint64_t began_ms = now_ms();
        world_drain_begin(scene.world);
        while (counter_get(&world_counters(scene.world)->connections_draining) == 0)
                poll(NULL, 0, 1);
        say(client, "meanwhile");
        hear(backend, "meanwhile");
        assert_true(recv(backend, &byte, 1, 0) <= 0);
        assert_true(now_ms() - began_ms >= 450);
        close(client);
        close(backend);
        world_drain(scene.world);
        scene_end(&scene);
}

/* ---- TLS ends here ---- */

static void line_say(struct line *line, const char *text)
{
        assert_int_equal(SSL_write(line->ssl, text, (int)strlen(text)), strlen(text));
}

static void line_hear(struct line *line, const char *text)
{
        char got[256];
        int len = (int)strlen(text);
        for (int at = 0; at < len;) {
                int n = SSL_read(line->ssl, got + at, len - at);
                assert_true(n > 0);
                at += n;
        }
        assert_memory_equal(got, text, (size_t)len);
}

static void what_tls_holds_goes_to_the_backend_in_the_clear(void **state)
{
        (void)state;
        struct scene scene = scene_start((struct world_config){.asks_nobody = true});
        struct line line;
        assert_true(line_open(scene.world, &(struct call){.sni = "any.example"}, &line));
        int backend = backend_accept(&scene);
        say(backend, "hello");
        line_hear(&line, "hello");
        line_say(&line, "secret");
        hear(backend, "secret");
        /* The client's close_notify is an end, not a break: the backend may still talk. */
        assert_int_equal(SSL_shutdown(line.ssl), 0);
        hear_end(backend);
        say(backend, "bye");
        line_hear(&line, "bye");
        close(backend);
        char byte;
        assert_int_equal(SSL_read(line.ssl, &byte, 1), 0);
        assert_int_equal(SSL_get_error(line.ssl, 0), SSL_ERROR_ZERO_RETURN);
        line_close(&line);
        scene_end(&scene);
}

static void a_backend_that_breaks_off_is_no_clean_end(void **state)
{
        (void)state;
        struct scene scene = scene_start((struct world_config){.asks_nobody = true});
        struct line line;
        char byte;
        assert_true(line_open(scene.world, &(struct call){0}, &line));
        int backend = backend_accept(&scene);
        say(backend, "half");
        line_hear(&line, "half");
        close_with_reset(backend);
        assert_true(SSL_read(line.ssl, &byte, 1) <= 0);
        assert_false(SSL_get_shutdown(line.ssl) & SSL_RECEIVED_SHUTDOWN);
        line_close(&line);
        scene_end(&scene);
}

static void who_is_not_pinned_reaches_no_backend(void **state)
{
        (void)state;
        struct scene scene = scene_start((struct world_config){.pins = true});
        struct pki_cert robot = world_client(scene.world, &(struct pki_spec){.subject = "robot"});
        struct pki_cert other = world_client(scene.world, &(struct pki_spec){.subject = "other"});
        scene.config.pinned[0] = robot;
        world_publish(scene.world, &scene.config);
        const struct pki_cert *refused[] = {&other, NULL};
        for (size_t i = 0; i < 2; i++) {
                struct line line;
                char byte;
                if (line_open(scene.world, &(struct call){.with = refused[i]}, &line))
                        assert_true(SSL_read(line.ssl, &byte, 1) <= 0);
                line_close(&line);
        }
        assert_false(backend_was_asked(&scene));
        struct line line;
        assert_true(line_open(scene.world, &(struct call){.with = &robot}, &line));
        int backend = backend_accept(&scene);
        line_say(&line, "pinned");
        hear(backend, "pinned");
        close(backend);
        line_close(&line);
        scene_end(&scene);
}

/* The tunnel of a client that is let in, whose pin then goes; until when it still talked. */
static uint64_t cut_after_ms(struct removal removal, bool *talked)
{
        struct scene scene = scene_start((struct world_config){.pins = true, .removal = removal});
        struct pki_cert robot = world_client(scene.world, &(struct pki_spec){.subject = "robot"});
        struct line line;
        char byte;
        scene.config.pinned[0] = robot;
        world_publish(scene.world, &scene.config);
        assert_true(line_open(scene.world, &(struct call){.with = &robot}, &line));
        int backend = backend_accept(&scene);
        line_say(&line, "in");
        hear(backend, "in");
        scene.config.pinned[0] = (struct pki_cert){0};
        uint64_t began_ms = now_ms();
        world_publish(scene.world, &scene.config);
        while (counter_get(&world_counters(scene.world)->connections_cut) == 0)
                poll(NULL, 0, 1);
        *talked = SSL_write(line.ssl, "x", 1) == 1 && recv(backend, &byte, 1, 0) == 1;
        assert_true(recv(backend, &byte, 1, 0) <= 0);
        uint64_t ended_ms = now_ms() - began_ms;
        assert_true(SSL_read(line.ssl, &byte, 1) <= 0);
        close(backend);
        line_close(&line);
        scene_end(&scene);
        return ended_ms;
}

static void a_removed_pin_cuts_it_at_once_where_the_policy_says_so(void **state)
{
        (void)state;
        bool talked;
        assert_true(cut_after_ms((struct removal){REMOVAL_CLOSE, 0}, &talked) < 1000);
        assert_false(talked);
}

static void a_removed_pin_leaves_it_the_grace(void **state)
{
        (void)state;
        bool talked;
        uint64_t ended_ms = cut_after_ms((struct removal){REMOVAL_DRAIN, 800}, &talked);
        assert_true(talked);
        assert_in_range(ended_ms, 650, 2000);
}

/* ---- who gets it ---- */

static void an_invalid_backends_share_is_closed(void **state)
{
        (void)state;
        const struct endpoint endpoint = {.port = 1};
        const struct backend backends[] = {
                {.name = SLICE("a/good:1"), .endpoints = &endpoint, .endpoint_count = 1},
                {.name = SLICE("a/empty:1")},
        };
        const struct snapshot snapshot = {.backends = backends, .backend_count = 2};
        const struct route_backend targets[] = {
                {.backend = 0, .weight = 7},
                {.backend = ROUTE_BACKEND_INVALID, .weight = 2},
                {.backend = 1, .weight = 1},
                {.backend = 0, .weight = 0},
        };
        const struct stream_route route = {
                .backends = targets, .backend_count = 4, .weight_sum = 10};
        unsigned good = 0, invalid = 0, empty = 0;
        for (uint64_t i = 0; i < 1000; i++) {
                const struct backend *backend = NULL;
                const char *fault = stream_gate_backend(&snapshot, &route, i, &backend);
                good += !fault && backend == &backends[0];
                invalid += fault && strcmp(fault, "backend_invalid") == 0;
                empty += fault && strcmp(fault, "no_endpoints") == 0;
        }
        assert_int_equal(good, 700);
        assert_int_equal(invalid, 200);
        assert_int_equal(empty, 100);
        const struct backend *backend = NULL;
        const struct stream_route none = {.backends = targets + 3, .backend_count = 1};
        assert_string_equal(stream_gate_backend(&snapshot, &none, 0, &backend), "no_backend");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(bytes_go_both_ways_as_they_are),
                cmocka_unit_test(the_end_of_one_side_leaves_the_other_talking),
                cmocka_unit_test(a_side_that_breaks_off_breaks_the_other),
                cmocka_unit_test(much_both_ways_at_once_arrives_as_it_was_sent),
                cmocka_unit_test(without_a_route_the_connection_is_closed),
                cmocka_unit_test(a_backend_that_is_not_there_closes_the_connection),
                cmocka_unit_test(one_that_says_nothing_ends),
                cmocka_unit_test(a_draining_worker_lets_them_talk_until_the_grace_is_over),
                cmocka_unit_test(what_tls_holds_goes_to_the_backend_in_the_clear),
                cmocka_unit_test(a_backend_that_breaks_off_is_no_clean_end),
                cmocka_unit_test(who_is_not_pinned_reaches_no_backend),
                cmocka_unit_test(a_removed_pin_cuts_it_at_once_where_the_policy_says_so),
                cmocka_unit_test(a_removed_pin_leaves_it_the_grace),
                cmocka_unit_test(an_invalid_backends_share_is_closed),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
