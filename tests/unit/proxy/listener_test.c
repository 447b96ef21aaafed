/* Listening sockets come with a generation and go with it, taken or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <errno.h>
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
        fixture_init(&f);
        listener_set_prepare(f.set, &f.with);
        assert_true(somebody_listens(&f));
        listener_set_prepare(f.set, &f.without);
        assert_false(somebody_listens(&f));
        listener_set_free(f.set);
}

static void a_socket_that_a_worker_took_is_closed_by_nobody_else(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        listener_set_prepare(f.set, &f.with);
        int fd = listener_set_find(f.set, 1, &f.port);
        assert_true(fd >= 0);
        listener_set_prepare(f.set, &f.without);
        assert_true(somebody_listens(&f));
        listener_set_prepare(f.set, &f.with);
        assert_int_equal(listener_set_find(f.set, 1, &f.port), fd);
        listener_set_prepare(f.set, &f.without);
        listener_set_release(f.set, 1, fd);
        assert_false(somebody_listens(&f));
        listener_set_free(f.set);
}

/* Held without SO_REUSEPORT, so that nobody else gets it. */
static int hold(const struct sockaddr_in *at)
{
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        const int on = 1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        assert_int_equal(bind(fd, (const struct sockaddr *)at, sizeof(*at)), 0);
        assert_int_equal(listen(fd, 1), 0);
        return fd;
}

static void a_port_that_is_taken_takes_nothing_from_the_others(void **state)
{
        (void)state;
        struct fixture f, g;
        fixture_init(&f);
        fixture_init(&g);
        int fd = hold(&g.at);
        struct port ports[] = {g.port, f.port};
        struct snapshot both = {.ports = ports, .port_count = 2};
        listener_set_prepare(f.set, &f.with);
        int open = listener_set_find(f.set, 0, &f.port);
        listener_set_prepare(f.set, &both);
        struct listener_faults faults = listener_set_faults(f.set);
        assert_int_equal(faults.count, 1);
        assert_string_equal(faults.items[0].text, g.text);
        assert_int_equal(faults.items[0].error, EADDRINUSE);
        assert_int_equal(listener_set_find(f.set, 0, &f.port), open);
        assert_true(listener_set_find(f.set, 1, &f.port) >= 0);
        assert_int_equal(listener_set_find(f.set, 0, &g.port), -1);
        close(fd);
        listener_set_free(f.set);
        listener_set_free(g.set);
}

static void a_fault_is_gone_once_trying_again_succeeds(void **state)
{
        (void)state;
        struct fixture f;
        fixture_init(&f);
        int fd = hold(&f.at);
        listener_set_prepare(f.set, &f.with);
        assert_false(listener_set_retry(f.set, &f.with));
        assert_int_equal(listener_set_faults(f.set).count, 1);
        /* A worker that looks before control has tried again must not be the only one that has it.
         */
        close(fd);
        assert_int_equal(listener_set_find(f.set, 0, &f.port), -1);
        assert_true(listener_set_retry(f.set, &f.with));
        assert_int_equal(listener_set_faults(f.set).count, 0);
        assert_true(listener_set_find(f.set, 0, &f.port) >= 0);
        assert_true(listener_set_find(f.set, 1, &f.port) >= 0);
        assert_false(listener_set_retry(f.set, &f.with));
        listener_set_free(f.set);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_port_that_is_taken_takes_nothing_from_the_others),
                cmocka_unit_test(a_fault_is_gone_once_trying_again_succeeds),
                cmocka_unit_test(a_socket_that_no_worker_took_goes_with_its_port),
                cmocka_unit_test(a_socket_that_a_worker_took_is_closed_by_nobody_else),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
