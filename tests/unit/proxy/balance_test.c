/* Which endpoint gets a request: least busy, passed over when failing, never more than half. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "proxy/upstream/balance.h"

enum {
        ENDPOINTS_MAX = 8,
        FAILURES = 3,
        REST_MS = 1000,
        REST_MS_MAX = 4000,
};

struct stage {
        struct upstream_options options;
        struct wheel wheel;
        struct worker_counters counters;
        uint64_t now_ms, random;
        struct endpoint endpoints[ENDPOINTS_MAX];
        char texts[ENDPOINTS_MAX][16];
        struct backend backend;
        struct balance balance;
};

static void stage_open(struct stage *s, size_t count)
{
        memset(s, 0, sizeof(*s));
        s->now_ms = 1000000;
        s->random = 7;
        wheel_init(&s->wheel, s->now_ms);
        s->options = (struct upstream_options){.wheel = &s->wheel,
                                               .now_ms = &s->now_ms,
                                               .counters = &s->counters,
                                               .random_state = &s->random,
                                               .failures_max = FAILURES,
                                               .eject_ms = REST_MS,
                                               .eject_ms_max = REST_MS_MAX};
        for (size_t i = 0; i < ENDPOINTS_MAX; i++) {
                snprintf(s->texts[i], sizeof(s->texts[i]), "10.0.0.%zu:80", i);
                s->endpoints[i].text = slice_of(s->texts[i]);
        }
        s->backend = (struct backend){SLICE("edge/app:80"), s->endpoints, count};
        balance_init(&s->balance, &s->options);
}

static void stage_close(struct stage *s)
{
        balance_done(&s->balance);
}

static void pass(struct stage *s, uint64_t ms)
{
        s->now_ms += ms;
        wheel_run(&s->wheel, s->now_ms);
}

static void ask(struct stage *s, size_t index, bool well, unsigned times)
{
        for (unsigned i = 0; i < times; i++) {
                struct endpoint_record *record =
                        balance_begin(&s->balance, &s->backend, &s->endpoints[index]);
                balance_tell(record, &s->backend, well);
                balance_end(record);
        }
}

/* How often each of them is chosen, of 1,000 times. */
static void draw(struct stage *s, unsigned counts[static ENDPOINTS_MAX])
{
        memset(counts, 0, ENDPOINTS_MAX * sizeof(*counts));
        for (int i = 0; i < 1000; i++)
                counts[balance_choose(&s->balance, &s->backend, NULL)]++;
}

static size_t ejected(struct stage *s)
{
        assert_int_equal(counter_get(&s->counters.upstream_ejected), s->balance.ejected_count);
        return s->balance.ejected_count;
}

static void the_less_busy_of_two_is_taken_also_behind_a_name(void **state)
{
        struct stage s;
        unsigned counts[ENDPOINTS_MAX];
        (void)state;
        stage_open(&s, 2);
        s.endpoints[0].text = SLICE("app.example.com:80");
        struct endpoint_record *busy = balance_begin(&s.balance, &s.backend, &s.endpoints[0]);
        draw(&s, counts);
        assert_int_equal(counts[0], 0);
        struct endpoint_record *busier[2] = {
                balance_begin(&s.balance, &s.backend, &s.endpoints[1]),
                balance_begin(&s.balance, &s.backend, &s.endpoints[1])};
        draw(&s, counts);
        assert_int_equal(counts[1], 0);
        balance_end(busy);
        balance_end(busier[0]);
        balance_end(busier[1]);
        assert_int_equal(s.balance.records.count, 0);
        stage_close(&s);
}

/* 3 sigma of a thousand draws of five. */
static void all_idle_ones_get_the_same_share(void **state)
{
        struct stage s;
        unsigned counts[ENDPOINTS_MAX];
        (void)state;
        stage_open(&s, 5);
        draw(&s, counts);
        for (size_t i = 0; i < 5; i++)
                assert_in_range(counts[i], 162, 238);
        stage_close(&s);
}

static void who_fails_in_a_row_is_passed_over_and_the_others_share(void **state)
{
        struct stage s;
        unsigned counts[ENDPOINTS_MAX];
        (void)state;
        stage_open(&s, 5);
        ask(&s, 2, false, FAILURES - 1);
        ask(&s, 2, true, 1);
        ask(&s, 2, false, FAILURES - 1);
        assert_int_equal(ejected(&s), 0); /* not in a row */
        ask(&s, 2, false, 1);
        assert_int_equal(ejected(&s), 1);
        assert_int_equal(counter_get(&s.counters.upstream_ejections), 1);
        draw(&s, counts);
        assert_int_equal(counts[2], 0);
        for (size_t i = 0; i < 5; i++)
                assert_true(i == 2 || counts[i] > 180);
        stage_close(&s);
}

/* The time of an ejection, in steps of a tick. */
static uint64_t rest_of(struct stage *s)
{
        uint64_t begun_ms = s->now_ms;
        while (ejected(s) > 0 && s->now_ms - begun_ms < 100000)
                pass(s, WHEEL_TICK_MS);
        return s->now_ms - begun_ms;
}

static void it_comes_back_and_one_failure_sends_it_away_for_longer(void **state)
{
        static const uint64_t rests_ms[] = {1000, 2000, 4000, 4000, 4000};
        struct stage s;
        (void)state;
        stage_open(&s, 4);
        ask(&s, 1, false, FAILURES);
        for (size_t i = 0; i < COUNT_OF(rests_ms); i++) {
                assert_int_equal(ejected(&s), 1);
                uint64_t rest_ms = rest_of(&s);
                assert_in_range(rest_ms, rests_ms[i], rests_ms[i] * 5 / 4 + 2 * WHEEL_TICK_MS);
                ask(&s, 1, false, 1);
        }
        rest_of(&s);
        ask(&s, 1, true, 1);
        pass(&s, REST_MS_MAX * 2);
        assert_int_equal(s.balance.records.count, 0); /* nothing is held against it */
        ask(&s, 1, false, FAILURES - 1);
        assert_int_equal(ejected(&s), 0);
        stage_close(&s);
}

static void never_more_than_half_are_passed_over(void **state)
{
        static const size_t halves[] = {0, 0, 1, 1, 2, 2, 3, 3, 4};
        (void)state;
        for (size_t count = 1; count <= ENDPOINTS_MAX; count++) {
                struct stage s;
                stage_open(&s, count);
                for (size_t i = 0; i < count; i++)
                        ask(&s, i, false, FAILURES * 2);
                assert_int_equal(ejected(&s), halves[count]);
                stage_close(&s);
        }
}

static void where_more_than_half_of_those_that_are_left_are_passed_over_all_are_used(void **state)
{
        struct stage s;
        unsigned counts[ENDPOINTS_MAX];
        (void)state;
        stage_open(&s, 6);
        for (size_t i = 0; i < 3; i++)
                ask(&s, i, false, FAILURES);
        assert_int_equal(ejected(&s), 3);
        draw(&s, counts);
        assert_int_equal(counts[0] + counts[1] + counts[2], 0);
        for (size_t left = 3; left <= 5; left++) {
                s.backend.endpoint_count = left; /* the others went away */
                draw(&s, counts);
                for (size_t i = 0; i < left; i++)
                        assert_in_range(counts[i], 1000 / left - 50, 1000 / left + 50);
        }
        stage_close(&s);
}

static void what_is_to_be_avoided_is_taken_only_where_there_is_no_other(void **state)
{
        struct stage s;
        (void)state;
        for (size_t count = 2; count <= 5; count++) {
                stage_open(&s, count);
                for (int i = 0; i < 200; i++)
                        assert_int_not_equal(
                                balance_choose(&s.balance, &s.backend, &s.endpoints[1]), 1);
                stage_close(&s);
        }
        stage_open(&s, 1);
        assert_int_equal(balance_choose(&s.balance, &s.backend, &s.endpoints[0]), 0);
        stage_close(&s);
        stage_open(&s, 2);
        ask(&s, 0, false, FAILURES); /* failing once is better than failing always */
        for (int i = 0; i < 200; i++)
                assert_int_equal(balance_choose(&s.balance, &s.backend, &s.endpoints[1]), 1);
        stage_close(&s);
}

static void failures_are_forgotten_with_time(void **state)
{
        struct stage s;
        (void)state;
        stage_open(&s, 4);
        ask(&s, 1, false, FAILURES - 1);
        assert_int_equal(s.balance.records.count, 1);
        pass(&s, 61000);
        assert_int_equal(s.balance.records.count, 0);
        ask(&s, 1, false, 1);
        assert_int_equal(ejected(&s), 0);
        stage_close(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_less_busy_of_two_is_taken_also_behind_a_name),
                cmocka_unit_test(all_idle_ones_get_the_same_share),
                cmocka_unit_test(who_fails_in_a_row_is_passed_over_and_the_others_share),
                cmocka_unit_test(it_comes_back_and_one_failure_sends_it_away_for_longer),
                cmocka_unit_test(never_more_than_half_are_passed_over),
                cmocka_unit_test(
                        where_more_than_half_of_those_that_are_left_are_passed_over_all_are_used),
                cmocka_unit_test(what_is_to_be_avoided_is_taken_only_where_there_is_no_other),
                cmocka_unit_test(failures_are_forgotten_with_time),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
