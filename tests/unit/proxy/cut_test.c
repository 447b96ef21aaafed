/* Who was cut off stays cut off, whatever the next generations say and however late they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "world.h"

static const char get[] = "GET / HTTP/1.1\r\nHost: first.example\r\n\r\n";

static void wait_until(const struct counter *counter, uint64_t at_least)
{
        for (int i = 0; counter_get(counter) < at_least; i++) {
                assert_true(i < 5000);
                usleep(1000);
        }
}

static void a_draining_worker_still_cuts_who_lost_its_pin(void **state)
{
        (void)state;
        struct world_config config = {.pins = true};
        struct world *world = world_start(&config);
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        char response[16384];
        struct line line;
        config.pinned[0] = robot;
        world_publish(world, &config);
        assert_true(line_open(world, &(struct call){.with = &robot}, &line));
        wait_until(&world_counters(world)->connections_serving, 1);
        world_drain_begin(world);
        wait_until(&world_counters(world)->connections_draining, 1);
        config.pinned[0] = (struct pki_cert){0};
        world_publish(world, &config);
        assert_int_equal(line_ask(&line, get, response, sizeof(response)), 0);
        assert_int_equal(world_backend_hits(world), 0);
        line_close(&line);
        world_drain(world);
        world_stop(world);
}

static void another_generation_does_not_cut_again(void **state)
{
        (void)state;
        static const char hold[] = "GET /hold HTTP/1.1\r\nHost: first.example\r\n\r\n";
        struct world_config config = {.pins = true};
        struct world *world = world_start(&config);
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        struct pki_cert other = world_client(world, &(struct pki_spec){.subject = "other"});
        struct line line;
        config.pinned[0] = robot;
        world_publish(world, &config);
        assert_true(line_open(world, &(struct call){.with = &robot}, &line));
        assert_int_equal(SSL_write(line.ssl, hold, sizeof(hold) - 1), sizeof(hold) - 1);
        wait_until(&world_counters(world)->upstream_connects, 1); /* the request is in flight */
        config.pinned[0] = other;
        world_publish(world, &config);
        config.pinned[1] = other;
        config.pin_name = "else";
        world_publish(world, &config);
        config.no_port = true;
        world_publish(world, &config);
        assert_int_equal(counter_get(&world_counters(world)->connections_cut), 1);
        line_close(&line);
        world_stop(world);
}

static void a_client_whose_pin_got_another_name_does_not_keep_the_old_one(void **state)
{
        (void)state;
        struct world_config config = {.pins = true};
        struct world *world = world_start(&config);
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        char response[16384];
        struct line line;
        config.pinned[0] = robot;
        world_publish(world, &config);
        assert_true(line_open(world, &(struct call){.with = &robot}, &line));
        assert_int_equal(line_ask(&line, get, response, sizeof(response)), 200);
        assert_non_null(strstr(response, "pingate-client-name: robot\r\n"));
        config.pin_name = "guest";
        world_publish(world, &config);
        assert_int_equal(line_ask(&line, get, response, sizeof(response)), 0);
        line_close(&line);
        assert_true(line_open(world, &(struct call){.with = &robot}, &line));
        assert_int_equal(line_ask(&line, get, response, sizeof(response)), 200);
        assert_non_null(strstr(response, "pingate-client-name: guest\r\n"));
        line_close(&line);
        world_stop(world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_draining_worker_still_cuts_who_lost_its_pin),
                cmocka_unit_test(another_generation_does_not_cut_again),
                cmocka_unit_test(a_client_whose_pin_got_another_name_does_not_keep_the_old_one),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
