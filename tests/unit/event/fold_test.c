#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "event/emit.h"
#include "event/fold.h"

/* `count` refusals at one moment: how many were written in full. */
static unsigned refuse(struct fold *fold, int64_t now_ms, unsigned count, uint64_t *told)
{
        unsigned full = 0;
        *told = 0;
        for (unsigned i = 0; i < count; i++) {
                uint64_t now_told;
                full += fold_take(fold, now_ms, &now_told);
                *told += now_told;
        }
        return full;
}

static void a_few_refusals_are_all_written_in_full(void **state)
{
        (void)state;
        struct fold fold = {0};
        uint64_t told;
        for (int64_t s = 100; s < 110; s++) {
                assert_int_equal(refuse(&fold, s * 1000, EVENT_FOLD_FULL - 1, &told),
                                 EVENT_FOLD_FULL - 1);
                assert_int_equal(told, 0);
        }
}

static void a_flood_becomes_one_record_and_a_count_each_second(void **state)
{
        (void)state;
        struct fold fold = {0};
        uint64_t told;
        assert_int_equal(refuse(&fold, 100000, 500, &told), EVENT_FOLD_FULL);
        assert_int_equal(told, 0);
        assert_int_equal(refuse(&fold, 101000, 500, &told), 1);
        assert_int_equal(told, 500 - EVENT_FOLD_FULL);
        assert_int_equal(refuse(&fold, 102500, 500, &told), 1);
        assert_int_equal(told, 499);
        assert_int_equal(fold_tell(&fold, 102999), 0);
        assert_int_equal(fold_tell(&fold, 103000), 499);
        assert_int_equal(fold_tell(&fold, 104000), 0);
}

static void after_a_calm_second_refusals_are_written_in_full_again(void **state)
{
        (void)state;
        struct fold fold = {0};
        uint64_t told;
        refuse(&fold, 100000, 500, &told);
        assert_int_equal(refuse(&fold, 102000, 5, &told), 5);
}

static void written_and_told_are_all_there_were(void **state)
{
        (void)state;
        struct fold fold = {0};
        uint64_t sum = 0, told;
        for (int64_t s = 0; s < 50; s++) {
                sum += refuse(&fold, 5000000 + s * 700, (unsigned)(s * 13 % 90), &told);
                sum += told;
        }
        sum += fold_tell(&fold, 9000000);
        uint64_t all = 0;
        for (int64_t s = 0; s < 50; s++)
                all += (uint64_t)(s * 13 % 90);
        assert_int_equal(sum, all);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_few_refusals_are_all_written_in_full),
                cmocka_unit_test(a_flood_becomes_one_record_and_a_count_each_second),
                cmocka_unit_test(after_a_calm_second_refusals_are_written_in_full_again),
                cmocka_unit_test(written_and_told_are_all_there_were),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
