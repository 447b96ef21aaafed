/* TLS that goes through, beside TLS that ends here, on one port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "base/memory.h"
#include "hello_bytes.h"
#include "world.h"

static const char get[] = "GET / HTTP/1.1\r\nHost: first.example\r\n\r\n";

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

/* The backend of all is the test's, but where `http` says that it is the world's own. */
static struct scene scene_start(struct world_config config, bool http)
{
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t len = sizeof(at);
        struct scene scene = {.listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        assert_int_equal(bind(scene.listening, (struct sockaddr *)&at, len), 0);
        assert_int_equal(getsockname(scene.listening, (struct sockaddr *)&at, &len), 0);
        assert_int_equal(listen(scene.listening, 64), 0);
        patience_set(scene.listening);
        scene.config = config;
        scene.config.passes = "*.pass.example";
        scene.config.hostname = "first.example";
        scene.config.backend_port = http ? 0 : ntohs(at.sin_port);
        scene.world = world_start(&scene.config);
        return scene;
}

static void scene_end(struct scene *scene)
{
        world_stop(scene->world);
        close(scene->listening);
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

static void hear(int fd, struct slice expected)
{
        char got[16384];
        size_t at = 0;
        while (at < expected.len) {
                ssize_t n = recv(fd, got + at, expected.len - at, 0);
                assert_true(n > 0);
                at += (size_t)n;
        }
        assert_memory_equal(got, expected.data, expected.len);
}

static void say(int fd, struct slice bytes)
{
        assert_int_equal(send(fd, bytes.data, bytes.len, MSG_NOSIGNAL), bytes.len);
}

static void must_be_closed_without_a_word(struct scene *scene, struct slice bytes)
{
        char byte;
        int fd = world_connect(scene->world);
        say(fd, bytes);
        assert_true(recv(fd, &byte, 1, 0) <= 0);
        close(fd);
        assert_false(backend_was_asked(scene));
}

static void records_go_through_as_they_are(void **state)
{
        (void)state;
        struct scene scene = scene_start((struct world_config){.pins = true}, false);
        struct buffer hello, cut;
        buffer_init(&hello, 65536);
        buffer_init(&cut, 65536);
        hello_make("a.pass.example", TLS1_3_VERSION, &hello);
        hello_refragment(buffer_slice(&hello), 40, &cut);
        int client = world_connect(scene.world);
        for (size_t at = 0; at < cut.len; at += 97) { /* and however they come */
                say(client, slice_sub(buffer_slice(&cut), at, 97));
                poll(NULL, 0, 1);
        }
        int backend = backend_accept(&scene);
        hear(backend, buffer_slice(&cut));
        say(backend, SLICE("\x16\x03\x03 whatever"));
        hear(client, SLICE("\x16\x03\x03 whatever"));
        say(client, SLICE("\x17\x03\x03 more"));
        hear(backend, SLICE("\x17\x03\x03 more"));
        close(client);
        close(backend);
        buffer_done(&hello);
        buffer_done(&cut);
        scene_end(&scene);
}

static void a_name_that_no_listener_has_is_closed_without_a_word(void **state)
{
        (void)state;
        struct scene scene = scene_start((struct world_config){0}, false);
        const char *names[] = {"pass.example", "other.example", "first.example.pass", NULL};
        for (size_t i = 0; i < COUNT_OF(names); i++) {
                struct buffer hello;
                buffer_init(&hello, 65536);
                hello_make(names[i], TLS1_3_VERSION, &hello);
                must_be_closed_without_a_word(&scene, buffer_slice(&hello));
                buffer_done(&hello);
        }
        must_be_closed_without_a_word(&scene, SLICE("GET / HTTP/1.1\r\n\r\n"));
        must_be_closed_without_a_word(&scene, SLICE("\x16\x03\x01\x00\x04\x01"));
        assert_int_equal(counter_get(&world_counters(scene.world)->streams_refused),
                         COUNT_OF(names) + 2);
        scene_end(&scene);
}

static void names_that_end_here_are_judged_as_ever(void **state)
{
        (void)state;
        struct scene scene = scene_start((struct world_config){.pins = true}, true);
        struct pki_cert robot = world_client(scene.world, &(struct pki_spec){.subject = "robot"});
        struct pki_cert other = world_client(scene.world, &(struct pki_spec){.subject = "other"});
        scene.config.pinned[0] = robot;
        world_publish(scene.world, &scene.config);
        struct call call = {.sni = "first.example", .with = &robot};
        assert_int_equal(world_call(scene.world, &call), 200);
        call.version = TLS1_2_VERSION;
        assert_int_equal(world_call(scene.world, &call), 200);
        call.with = &other;
        assert_int_equal(world_call(scene.world, &call), -46);
        call.with = NULL;
        assert_int_equal(world_call(scene.world, &call), -40);
        assert_int_equal(world_backend_hits(scene.world), 2);
        scene_end(&scene);
}

static void a_request_never_reaches_the_listener_that_is_judged_by_nobody(void **state)
{
        (void)state;
        static const char misdirected[] = "GET / HTTP/1.1\r\nHost: a.pass.example\r\n\r\n";
        struct scene scene = scene_start((struct world_config){.asks_nobody = true}, true);
        char response[4096];
        struct line line;
        assert_true(line_open(scene.world, &(struct call){.sni = "first.example"}, &line));
        assert_int_equal(line_ask(&line, misdirected, response, sizeof(response)), 421);
        line_close(&line);
        assert_int_equal(world_backend_hits(scene.world), 0);
        scene_end(&scene);
}

/* ---- a client whose records are ours to cut ---- */

struct cutter {
        SSL_CTX *ctx;
        SSL *ssl;
        int fd;
        unsigned flights;
        size_t record_size; /* of the first ClientHello */
        const char *second; /* the name that the second one bears instead; as long as the first */
};

static void flight_send(struct cutter *cutter)
{
        char bytes[16384], *name;
        struct buffer cut;
        int len = BIO_read(SSL_get_wbio(cutter->ssl), bytes, sizeof(bytes));
        if (len <= 0)
                return;
        buffer_init(&cut, 65536);
        cutter->flights++;
        if (cutter->flights == 2 && cutter->second) {
                name = memmem(bytes, (size_t)len, "first.example", 13);
                assert_non_null(name);
                memcpy(name, cutter->second, 13);
        }
        if (cutter->flights == 1 && cutter->record_size)
                hello_refragment(slice_from(bytes, (size_t)len), cutter->record_size, &cut);
        else
                buffer_append(&cut, slice_from(bytes, (size_t)len));
        say(cutter->fd, buffer_slice(&cut));
        buffer_done(&cut);
}

static bool flight_receive(struct cutter *cutter)
{
        char bytes[16384];
        ssize_t len = recv(cutter->fd, bytes, sizeof(bytes), 0);
        if (len > 0)
                BIO_write(SSL_get_rbio(cutter->ssl), bytes, (int)len);
        return len > 0;
}

static bool cutter_connect(struct cutter *cutter, struct world *world, const char *groups)
{
        cutter->ctx = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set1_groups_list(cutter->ctx, groups);
        cutter->ssl = SSL_new(cutter->ctx);
        cutter->fd = world_connect(world);
        SSL_set_bio(cutter->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_tlsext_host_name(cutter->ssl, "first.example");
        ERR_clear_error();
        for (;;) {
                int status = SSL_connect(cutter->ssl);
                int error = SSL_get_error(cutter->ssl, status);
                flight_send(cutter);
                if (status == 1)
                        return true;
                if (error != SSL_ERROR_WANT_READ || !flight_receive(cutter))
                        return false;
        }
}

static int cutter_ask(struct cutter *cutter)
{
        char response[4096] = {0};
        int status = 0;
        SSL_write(cutter->ssl, get, sizeof(get) - 1);
        flight_send(cutter);
        while (SSL_read(cutter->ssl, response, sizeof(response) - 1) <= 0 && flight_receive(cutter))
                ;
        return sscanf(response, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

static void cutter_close(struct cutter *cutter)
{
        SSL_free(cutter->ssl);
        SSL_CTX_free(cutter->ctx);
        close(cutter->fd);
}

static void openssl_reads_the_records_that_were_peeked_at(void **state)
{
        (void)state;
        struct scene scene = scene_start((struct world_config){.asks_nobody = true}, true);
        const size_t sizes[] = {0, 1, 7, 100};
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
                struct cutter cutter = {.record_size = sizes[i]};
                assert_true(cutter_connect(&cutter, scene.world, "X25519"));
                assert_int_equal(cutter_ask(&cutter), 200);
                cutter_close(&cutter);
        }
        scene_end(&scene);
}

/* After a HelloRetryRequest the client speaks again, and OpenSSL alone reads it. */
static void a_second_client_hello_may_not_name_another(void **state)
{
        (void)state;
        struct scene scene = scene_start((struct world_config){.asks_nobody = true}, true);
        const struct worker_counters *counters = world_counters(scene.world);
        struct cutter same = {0}, other = {.second = "other.example"};
        scene.config.hostname = "*.example"; /* both are the same listener's */
        world_publish(scene.world, &scene.config);
        assert_true(cutter_connect(&same, scene.world, "ffdhe2048:X25519"));
        assert_int_equal(same.flights, 3);
        assert_int_equal(cutter_ask(&same), 200);
        cutter_close(&same);
        assert_false(cutter_connect(&other, scene.world, "ffdhe2048:X25519"));
        assert_int_equal(other.flights, 2);
        for (int i = 0; counter_get(&counters->refused[REASON_UNKNOWN_SNI]) == 0; i++) {
                assert_true(i < 5000);
                usleep(1000);
        }
        cutter_close(&other);
        scene_end(&scene);
}

/* ---- over generations ---- */

static void it_outlives_every_pin_but_not_its_listener(void **state)
{
        (void)state;
        struct scene scene =
                scene_start((struct world_config){.pins = true, .drain_grace_ms = 300}, false);
        struct buffer hello;
        char byte;
        buffer_init(&hello, 65536);
        hello_make("a.pass.example", TLS1_3_VERSION, &hello);
        int client = world_connect(scene.world);
        say(client, buffer_slice(&hello));
        int backend = backend_accept(&scene);
        hear(backend, buffer_slice(&hello));
        scene.config.pinned[0] = world_client(scene.world, &(struct pki_spec){.subject = "robot"});
        world_publish(scene.world, &scene.config);
        say(client, SLICE("still there"));
        hear(backend, SLICE("still there"));
        const struct worker_counters *counters = world_counters(scene.world);
        while (counter_get(&counters->judged_generation) != counter_get(&counters->generation))
                usleep(1000);
        assert_int_equal(counter_get(&counters->connections_cut), 0);
        scene.config.passes = NULL;
        world_publish(scene.world, &scene.config);
        assert_true(recv(backend, &byte, 1, 0) <= 0);
        assert_int_equal(counter_get(&counters->connections_cut), 1);
        close(client);
        close(backend);
        buffer_done(&hello);
        scene_end(&scene);
}

static void half_a_client_hello_meets_the_generation_that_serves_when_it_is_whole(void **state)
{
        (void)state;
        struct scene scene = scene_start((struct world_config){0}, false);
        struct buffer hello;
        char byte;
        buffer_init(&hello, 65536);
        hello_make("a.pass.example", TLS1_3_VERSION, &hello);
        struct slice half = slice_sub(buffer_slice(&hello), 0, hello.len / 2);
        int client = world_connect(scene.world), gone = world_connect(scene.world);
        say(client, half);
        say(gone, half);
        scene.config.passes = "*.pass.example";
        world_publish(scene.world, &scene.config);
        say(client, slice_skip(buffer_slice(&hello), half.len));
        int backend = backend_accept(&scene);
        hear(backend, buffer_slice(&hello));
        scene.config.no_port = true;
        world_publish(scene.world, &scene.config);
        say(gone, slice_skip(buffer_slice(&hello), half.len));
        assert_true(recv(gone, &byte, 1, 0) <= 0);
        close(client);
        close(gone);
        close(backend);
        buffer_done(&hello);
        scene_end(&scene);
}

static void one_that_does_not_end_its_client_hello_is_closed_in_time(void **state)
{
        (void)state;
        struct scene scene = scene_start((struct world_config){.handshakes = 2}, false);
        const struct worker_counters *counters = world_counters(scene.world);
        char byte;
        int late = world_connect(scene.world);
        say(late, SLICE("\x16\x03\x01"));
        assert_true(recv(late, &byte, 1, 0) <= 0); /* a second, in this world */
        assert_int_equal(counter_get(&counters->streams_refused), 1);
        int mute[4]; /* and they count among those who have proven nothing */
        for (size_t i = 0; i < COUNT_OF(mute); i++) {
                mute[i] = world_connect(scene.world);
                while (counter_get(&counters->connections_opened) <= i + 1)
                        usleep(1000);
        }
        assert_true(recv(mute[0], &byte, 1, 0) <= 0);
        assert_true(recv(mute[1], &byte, 1, 0) <= 0);
        for (size_t i = 0; i < COUNT_OF(mute); i++)
                close(mute[i]);
        close(late);
        scene_end(&scene);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(records_go_through_as_they_are),
                cmocka_unit_test(a_name_that_no_listener_has_is_closed_without_a_word),
                cmocka_unit_test(names_that_end_here_are_judged_as_ever),
                cmocka_unit_test(a_request_never_reaches_the_listener_that_is_judged_by_nobody),
                cmocka_unit_test(openssl_reads_the_records_that_were_peeked_at),
                cmocka_unit_test(a_second_client_hello_may_not_name_another),
                cmocka_unit_test(it_outlives_every_pin_but_not_its_listener),
                cmocka_unit_test(
                        half_a_client_hello_meets_the_generation_that_serves_when_it_is_whole),
                cmocka_unit_test(one_that_does_not_end_its_client_hello_is_closed_in_time),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
