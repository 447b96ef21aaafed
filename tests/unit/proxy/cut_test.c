/* Who was cut off stays cut off, whatever the next generations say and however late they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
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

enum {
        CROWD = 24,
        GRACE_MS = 2000,
};

static uint64_t now_ms(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* When each of them ends, in order; 0 in the first place: one did not end in time. */
static void await_ends(struct line *lines, uint64_t *ended_ms)
{
        struct pollfd polls[CROWD];
        size_t ended = 0;
        for (size_t i = 0; i < CROWD; i++)
                polls[i] = (struct pollfd){lines[i].fd, POLLIN, 0};
        for (int rounds = 0; ended < CROWD && rounds < 1000; rounds++) {
                poll(polls, CROWD, 100);
                for (size_t i = 0; i < CROWD; i++) {
                        char byte;
                        if (polls[i].fd < 0 || polls[i].revents == 0 ||
                            SSL_read(lines[i].ssl, &byte, 1) > 0)
                                continue;
                        polls[i].fd = -1;
                        ended_ms[ended++] = now_ms();
                }
        }
        if (ended < CROWD)
                ended_ms[0] = 0;
}

static void a_crowd_that_lost_its_pin_leaves_evenly_over_the_grace(void **state)
{
        (void)state;
        struct world_config config = {.pins = true, .removal = {REMOVAL_DRAIN, GRACE_MS}};
        struct world *world = world_start(&config);
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        struct line lines[CROWD];
        uint64_t ended_ms[CROWD];
        config.pinned[0] = robot;
        world_publish(world, &config);
        for (size_t i = 0; i < CROWD; i++)
                assert_true(line_open(world, &(struct call){.with = &robot}, &lines[i]));
        wait_until(&world_counters(world)->connections_serving, CROWD);
        config.pinned[0] = (struct pki_cert){0};
        world_publish(world, &config);
        wait_until(&world_counters(world)->connections_cut, CROWD);
        uint64_t cut_ms = now_ms();
        await_ends(lines, ended_ms);
        assert_true(ended_ms[0] > 0);
        /* Not all at once, and the later half in the later half. */
        assert_true(ended_ms[CROWD - 1] - ended_ms[0] >= GRACE_MS / 2);
        assert_true(ended_ms[CROWD * 3 / 4] - cut_ms >= GRACE_MS / 2);
        assert_int_equal(world_backend_hits(world), 0);
        for (size_t i = 0; i < CROWD; i++)
                line_close(&lines[i]);
        world_stop(world);
}

/* One of many waits for its moment; who asks before is not served, and learns it by the end. */
static void who_waits_to_leave_is_not_served_any_more(void **state)
{
        (void)state;
        struct world_config config = {.pins = true, .removal = {REMOVAL_DRAIN, 60000}};
        struct world *world = world_start(&config);
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        struct line lines[4];
        char response[16384];
        config.pinned[0] = robot;
        world_publish(world, &config);
        for (size_t i = 0; i < COUNT_OF(lines); i++)
                assert_true(line_open(world, &(struct call){.with = &robot}, &lines[i]));
        wait_until(&world_counters(world)->connections_serving, COUNT_OF(lines));
        config.pinned[0] = (struct pki_cert){0};
        world_publish(world, &config);
        wait_until(&world_counters(world)->connections_cut, COUNT_OF(lines));
        for (size_t i = 0; i < COUNT_OF(lines); i++)
                assert_int_equal(line_ask(&lines[i], get, response, sizeof(response)), 0);
        assert_int_equal(world_backend_hits(world), 0);
        for (size_t i = 0; i < COUNT_OF(lines); i++)
                line_close(&lines[i]);
        world_stop(world);
}

/* Opens one, holds a request in flight if asked to, and takes its pin away. */
static struct world *lose_the_pin(struct removal removal, const char *in_flight, struct line *line)
{
        struct world_config config = {.pins = true, .removal = removal};
        struct world *world = world_start(&config);
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        struct pki_cert other = world_client(world, &(struct pki_spec){.subject = "other"});
        config.pinned[0] = robot;
        world_publish(world, &config);
        assert_true(line_open(world, &(struct call){.with = &robot}, line));
        if (in_flight) {
                int len = (int)strlen(in_flight);
                assert_int_equal(SSL_write(line->ssl, in_flight, len), len);
                wait_until(&world_counters(world)->upstream_connects, 1);
        }
        wait_until(&world_counters(world)->connections_serving, 1);
        config.pinned[0] = other;
        world_publish(world, &config);
        wait_until(&world_counters(world)->connections_rejudged, 1);
        return world;
}

static void removal_by_close_ends_requests_in_flight(void **state)
{
        (void)state;
        struct line line;
        char byte;
        struct world *world =
                lose_the_pin((struct removal){.action = REMOVAL_CLOSE},
                             "GET /hold HTTP/1.1\r\nHost: first.example\r\n\r\n", &line);
        assert_true(SSL_read(line.ssl, &byte, 1) <= 0);
        assert_int_equal(counter_get(&world_counters(world)->connections_cut), 1);
        line_close(&line);
        world_stop(world);
}

static void removal_by_keep_lets_a_connection_go_on(void **state)
{
        (void)state;
        struct line line;
        char response[16384];
        struct world *world = lose_the_pin((struct removal){.action = REMOVAL_KEEP}, NULL, &line);
        assert_int_equal(line_ask(&line, get, response, sizeof(response)), 200);
        assert_non_null(strstr(response, "pingate-client-name: robot\r\n"));
        assert_int_equal(counter_get(&world_counters(world)->connections_cut), 0);
        line_close(&line);
        world_stop(world);
}

static uint64_t ms_to_end(struct line *line)
{
        uint64_t from = now_ms();
        char bytes[256];
        while (SSL_read(line->ssl, bytes, sizeof(bytes)) > 0)
                ;
        return now_ms() - from;
}

static void removal_by_drain_gives_requests_the_grace_that_the_policy_says(void **state)
{
        (void)state;
        struct line line;
        struct world *world =
                lose_the_pin((struct removal){REMOVAL_DRAIN, 1500},
                             "GET /hold HTTP/1.1\r\nHost: first.example\r\n\r\n", &line);
        uint64_t took = ms_to_end(&line);
        assert_true(took >= 1000 && took < 5000);
        line_close(&line);
        world_stop(world);
}

/* I11: who is kept ends with its certificate, whether another pin of the scope is left (its path is
 * then looked at) or none is. */
static void removal_by_keep_ends_with_the_certificate(void **state)
{
        bool one_left = *state != NULL;
        int64_t now = time(NULL);
        struct world_config config = {.pins = true, .removal = {.action = REMOVAL_KEEP}};
        struct world *world = world_start(&config);
        struct pki_cert other = world_client(world, &(struct pki_spec){.subject = "other"});
        struct pki_cert robot =
                world_client(world, &(struct pki_spec){.subject = "robot", .not_after = now + 3});
        char response[16384];
        struct line line;
        config.pinned[0] = robot;
        world_publish(world, &config);
        assert_true(line_open(world, &(struct call){.with = &robot}, &line));
        config.pinned[0] = one_left ? other : (struct pki_cert){0};
        world_publish(world, &config);
        wait_until(&world_counters(world)->connections_rejudged, 1);
        assert_int_equal(line_ask(&line, get, response, sizeof(response)), 200);
        wait_until(&world_counters(world)->connections_cut, 1);
        assert_true(time(NULL) >= now + 3);
        assert_int_equal(line_ask(&line, get, response, sizeof(response)), 0);
        line_close(&line);
        world_stop(world);
}

static void a_connection_ends_with_the_window_of_its_pin(void **state)
{
        (void)state;
        int64_t now = time(NULL);
        struct world_config config = {.pins = true, .pin_not_after = now + 2};
        struct world *world = world_start(&config);
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        char response[16384];
        struct line line;
        config.pinned[0] = robot;
        world_publish(world, &config);
        assert_true(line_open(world, &(struct call){.with = &robot}, &line));
        assert_int_equal(line_ask(&line, get, response, sizeof(response)), 200);
        wait_until(&world_counters(world)->connections_cut, 1);
        assert_true(time(NULL) >= now + 2);
        assert_int_equal(line_ask(&line, get, response, sizeof(response)), 0);
        assert_int_equal(counter_get(&world_counters(world)->connections_rejudged), 1);
        line_close(&line);
        world_stop(world);
}

int main(void)
{
        static bool one_left = true;
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_crowd_that_lost_its_pin_leaves_evenly_over_the_grace),
                cmocka_unit_test(who_waits_to_leave_is_not_served_any_more),
                cmocka_unit_test(removal_by_close_ends_requests_in_flight),
                cmocka_unit_test(removal_by_keep_lets_a_connection_go_on),
                cmocka_unit_test(removal_by_drain_gives_requests_the_grace_that_the_policy_says),
                cmocka_unit_test(removal_by_keep_ends_with_the_certificate),
                cmocka_unit_test_prestate(removal_by_keep_ends_with_the_certificate, &one_left),
                cmocka_unit_test(a_connection_ends_with_the_window_of_its_pin),
                cmocka_unit_test(a_draining_worker_still_cuts_who_lost_its_pin),
                cmocka_unit_test(another_generation_does_not_cut_again),
                cmocka_unit_test(a_client_whose_pin_got_another_name_does_not_keep_the_old_one),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
