#include "harness.h"

#include "base/vec.h"

static void items_stay_in_the_order_they_were_pushed(void **state)
{
        (void)state;
        VEC(int) numbers = {0};
        int next = 0;
        for (int i = 0; i < 1000; i++)
                vec_push(&numbers, i * 3);
        vec_each (number, &numbers)
                assert_int_equal(*number, 3 * next++);
        assert_int_equal(next, 1000);
        vec_done(&numbers);
        assert_null(numbers.items);
        assert_int_equal(numbers.count, 0);
}

static void an_empty_one_has_nothing_to_walk_over(void **state)
{
        (void)state;
        VEC(int) none = {0};
        vec_each (number, &none)
                fail_msg("%d", *number);
        vec_done(&none);
}

static void freezing_copies_into_the_arena_and_empties(void **state)
{
        (void)state;
        struct arena arena;
        arena_init(&arena, 256);
        VEC(int) numbers = {0};
        const int *frozen;
        size_t count;
        vec_push(&numbers, 4);
        vec_push(&numbers, 5);
        vec_freeze(&numbers, &arena, &frozen, &count);
        assert_int_equal(count, 2);
        assert_int_equal(frozen[0] * 10 + frozen[1], 45);
        assert_int_equal(numbers.count, 0);
        vec_freeze(&numbers, &arena, &frozen, &count);
        assert_null(frozen);
        assert_int_equal(count, 0);
        arena_done(&arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(items_stay_in_the_order_they_were_pushed),
                cmocka_unit_test(an_empty_one_has_nothing_to_walk_over),
                cmocka_unit_test(freezing_copies_into_the_arena_and_empties),
        };
        return RUN(tests);
}
