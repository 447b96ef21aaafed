/* Listening sockets come with a generation and go with it, taken or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/listener/listener.h"

struct fixture {
        struct sockaddr_in at;
        char text[32];
        struct port port;
        struct snapshot with, without;
        struct listener_set *set;
};

static void fixture_init(struct fixture *f)
{
        socklen_t len = sizeof(f->at);
        *f = (struct fixture){.at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&f->at, len), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&f->at, &len), 0);
        close(fd);
        snprintf(f->text, sizeof(f->text), "127.0.0.1:%u", ntohs(f->at.sin_port));
        memcpy(&f->port.address, &f->at, sizeof(f->at));
        f->port.text = slice_of(f->text);
        f->with.ports = &f->port;
        f->with.port_count = 1;
        f->set = listener_set_new(2);
}

static bool somebody_listens(const struct fixture *f)
{
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        bool ok = connect(fd, (const struct sockaddr *)&f->at, sizeof(f->at)) == 0;
        close(fd);
        return ok;
}

static void a_socket_that_no_worker_took_goes_with_its_port(void **state)
{
        (void)state;
        struct fixture f;
        struct error err;
        fixture_init(&f);
        assert_true(listener_set_prepare(f.set, &f.with, &err));
        assert_true(somebody_listens(&f));
        assert_true(listener_set_prepare(f.set, &f.without, &err));
        assert_false(somebody_listens(&f));
        listener_set_free(f.set);
}

static void a_socket_that_a_worker_took_is_closed_by_nobody_else(void **state)
{
        (void)state;
        struct fixture f;
        struct error err;
        fixture_init(&f);
        assert_true(listener_set_prepare(f.set, &f.with, &err));
        int fd = listener_set_find(f.set, 1, &f.port);
        assert_true(fd >= 0);
        assert_true(listener_set_prepare(f.set, &f.without, &err));
        assert_true(somebody_listens(&f));
        assert_true(listener_set_prepare(f.set, &f.with, &err));
        assert_int_equal(listener_set_find(f.set, 1, &f.port), fd);
        assert_true(listener_set_prepare(f.set, &f.without, &err));
        listener_set_release(f.set, 1, fd);
        assert_false(somebody_listens(&f));
        listener_set_free(f.set);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_socket_that_no_worker_took_goes_with_its_port),
                cmocka_unit_test(a_socket_that_a_worker_took_is_closed_by_nobody_else),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
