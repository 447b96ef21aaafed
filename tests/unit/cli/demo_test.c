/* The demo's own parts, without a gateway; the whole is shown by running it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/demo_backend.h"
#include "cli/demo_config.h"
#include "cli/demo_world.h"
#include "text/yaml.h"

static void the_configuration_is_yaml_and_the_folder_goes_away(void **state)
{
        (void)state;
        struct demo_world world;
        struct error err = {0};
        if (!demo_world_open(&world, 4711, &err))
                fail_msg("%s", err.text);
        struct buffer yaml;
        buffer_init(&yaml, 1 << 20);
        assert_true(demo_config_print(&world, &yaml));
        struct arena arena;
        arena_init(&arena, 65536);
        struct yaml_docs docs;
        if (!yaml_parse(&arena, buffer_slice(&yaml), "gateway.yaml", &docs, &err))
                fail_msg("%s", err.text);
        static const char *const kinds[] = {"Gateway",      "ClientCertificatePolicy",
                                            "ConfigMap",    "Secret",
                                            "HTTPRoute",    "Service",
                                            "EndpointSlice"};
        assert_int_equal(docs.count, COUNT_OF(kinds));
        for (size_t i = 0; i < docs.count; i++)
                assert_true(slice_is(node_text(docs.items[i], "kind"), kinds[i]));
        assert_true(slice_starts_with(node_text(node_find(docs.items[2], "data"), "ca.crt"),
                                      SLICE("-----BEGIN CERTIFICATE-----\n")));
        arena_done(&arena);
        buffer_done(&yaml);
        char folder[64];
        snprintf(folder, sizeof(folder), "%s", world.folder);
        assert_int_equal(access(folder, F_OK), 0);
        demo_world_close(&world, false);
        assert_int_equal(access(folder, F_OK), -1);
}

static void the_backend_answers_with_identity_headers_and_no_others(void **state)
{
        (void)state;
        struct error err = {0};
        struct demo_backend *backend = demo_backend_start(&err);
        assert_non_null(backend);
        struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)demo_backend_port(backend)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
        /* Twice, as a gateway keeps its connections. */
        for (unsigned i = 1; i <= 2; i++) {
                static const char head[] =
                        "GET / HTTP/1.1\r\nHost: x\r\n"
                        "pingate-client-name: demo-robot\r\nClient-Cert: :abc:\r\n"
                        "Accept: y\r\n\r\n";
                static const char tail[] =
                        "\r\n\r\npingate-client-name: demo-robot\nClient-Cert: :abc:\n";
                assert_int_equal(send(fd, head, strlen(head), MSG_NOSIGNAL), strlen(head));
                char answer[4096] = "";
                size_t len = 0;
                while (!strstr(answer, tail)) {
                        ssize_t got = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
                        assert_true(got > 0);
                        len += (size_t)got;
                        answer[len] = '\0';
                }
                assert_null(strstr(answer, "Accept"));
                assert_int_equal(demo_backend_requests(backend), i);
        }
        close(fd);
        demo_backend_stop(backend);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_configuration_is_yaml_and_the_folder_goes_away),
                cmocka_unit_test(the_backend_answers_with_identity_headers_and_no_others),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
