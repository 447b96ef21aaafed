#include "base/wheel.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

struct timer {
        struct deadline deadline;
        struct wheel *wheel;
        struct timer *other;
        uint64_t again_ms;
        int fired;
};

static void on_fired(struct deadline *deadline)
{
        CONTAINER_OF(deadline, struct timer, deadline)->fired++;
}

static void set(struct wheel *wheel, struct timer *timer, uint64_t at_ms)
{
        timer->wheel = wheel;
        deadline_set(wheel, &timer->deadline, at_ms, on_fired);
}

static void a_deadline_fires_once_and_within_a_tick(void **state)
{
        (void)state;
        for (uint64_t at = 1; at < 3 * WHEEL_TICK_MS; at += 7) {
                struct wheel wheel;
                struct timer timer = {0};
                wheel_init(&wheel, 0);
                set(&wheel, &timer, at);
                uint64_t now = 0;
                while (!timer.fired && now < 10 * WHEEL_TICK_MS)
                        wheel_run(&wheel, ++now);
                assert_true(now >= at);
                assert_true(now <= at + WHEEL_TICK_MS);
                wheel_run(&wheel, now + 10 * WHEEL_TICK_MS);
                assert_int_equal(timer.fired, 1);
                assert_false(deadline_is_set(&timer.deadline));
        }
}

static void a_deadline_beyond_the_span_waits_for_its_time(void **state)
{
        (void)state;
        struct wheel wheel;
        struct timer timer = {0};
        wheel_init(&wheel, 1000);
        uint64_t at = 1000 + 5ULL * WHEEL_SLOTS * WHEEL_TICK_MS + 17;
        set(&wheel, &timer, at);
        uint64_t now = 1000;
        while (!timer.fired && now < 2 * at)
                wheel_run(&wheel, now += 50);
        assert_true(now >= at);
        assert_true(now <= at + WHEEL_TICK_MS + 50);
}

static void moving_it_later_keeps_it_from_firing_early(void **state)
{
        (void)state;
        struct wheel wheel;
        struct timer timer = {0};
        wheel_init(&wheel, 0);
        set(&wheel, &timer, 100);
        set(&wheel, &timer, 1000);
        wheel_run(&wheel, 999);
        assert_int_equal(timer.fired, 0);
        wheel_run(&wheel, 1000 + WHEEL_TICK_MS);
        assert_int_equal(timer.fired, 1);
}

static void moving_it_earlier_makes_it_fire_earlier(void **state)
{
        (void)state;
        struct wheel wheel;
        struct timer timer = {0};
        wheel_init(&wheel, 0);
        set(&wheel, &timer, 60000);
        set(&wheel, &timer, 200);
        wheel_run(&wheel, 200 + WHEEL_TICK_MS);
        assert_int_equal(timer.fired, 1);
}

static void a_cleared_deadline_never_fires(void **state)
{
        (void)state;
        struct wheel wheel;
        struct timer timer = {0}, neighbour = {0};
        wheel_init(&wheel, 0);
        set(&wheel, &timer, 100);
        set(&wheel, &neighbour, 100);
        deadline_clear(&timer.deadline);
        deadline_clear(&timer.deadline);
        wheel_run(&wheel, 1000);
        assert_int_equal(timer.fired, 0);
        assert_int_equal(neighbour.fired, 1);
}

static void on_clears_other(struct deadline *deadline)
{
        struct timer *timer = CONTAINER_OF(deadline, struct timer, deadline);
        timer->fired++;
        deadline_clear(&timer->other->deadline);
}

static void a_callback_may_clear_its_neighbour(void **state)
{
        (void)state;
        struct wheel wheel;
        struct timer a = {0}, b = {0};
        a.other = &b;
        b.other = &a;
        wheel_init(&wheel, 0);
        deadline_set(&wheel, &a.deadline, 100, on_clears_other);
        deadline_set(&wheel, &b.deadline, 100, on_clears_other);
        wheel_run(&wheel, 1000);
        assert_int_equal(a.fired + b.fired, 1);
}

static void on_again(struct deadline *deadline)
{
        struct timer *timer = CONTAINER_OF(deadline, struct timer, deadline);
        timer->fired++;
        deadline_set(timer->wheel, deadline, timer->again_ms, on_again);
}

static void a_callback_that_sets_a_past_time_does_not_spin(void **state)
{
        (void)state;
        struct wheel wheel;
        struct timer timer = {.wheel = &wheel, .again_ms = 1};
        wheel_init(&wheel, 0);
        deadline_set(&wheel, &timer.deadline, 1, on_again);
        wheel_run(&wheel, 4 * WHEEL_TICK_MS);
        assert_int_equal(timer.fired, 4);
}

static void a_long_sleep_misses_nothing(void **state)
{
        (void)state;
        struct wheel wheel;
        struct timer timers[100] = {0};
        wheel_init(&wheel, 0);
        for (size_t i = 0; i < COUNT_OF(timers); i++)
                set(&wheel, &timers[i], 1 + i * 3571);
        wheel_run(&wheel, 1000000000);
        wheel_run(&wheel, 1000000000 + 2 * WHEEL_TICK_MS);
        for (size_t i = 0; i < COUNT_OF(timers); i++)
                assert_int_equal(timers[i].fired, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_deadline_fires_once_and_within_a_tick),
                cmocka_unit_test(a_deadline_beyond_the_span_waits_for_its_time),
                cmocka_unit_test(moving_it_later_keeps_it_from_firing_early),
                cmocka_unit_test(moving_it_earlier_makes_it_fire_earlier),
                cmocka_unit_test(a_cleared_deadline_never_fires),
                cmocka_unit_test(a_callback_may_clear_its_neighbour),
                cmocka_unit_test(a_callback_that_sets_a_past_time_does_not_spin),
                cmocka_unit_test(a_long_sleep_misses_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
