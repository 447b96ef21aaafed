#include "harness.h"

#include <stdalign.h>

#include "base/arena.h"

static void blocks_are_zeroed_aligned_and_do_not_overlap(void **state)
{
        (void)state;
        struct arena arena;
        unsigned char *blocks[200];
        arena_init(&arena, 256);
        for (size_t i = 0; i < COUNT_OF(blocks); i++) {
                blocks[i] = arena_alloc(&arena, i);
                assert_non_null(blocks[i]);
                assert_int_equal((uintptr_t)blocks[i] % alignof(max_align_t), 0);
                for (size_t at = 0; at < i; at++)
                        assert_int_equal(blocks[i][at], 0);
                memset(blocks[i], (int)i, i);
        }
        for (size_t i = 0; i < COUNT_OF(blocks); i++) {
                for (size_t at = 0; at < i; at++)
                        assert_int_equal(blocks[i][at], i);
        }
        arena_done(&arena);
}

static void a_block_may_be_larger_than_a_chunk(void **state)
{
        (void)state;
        struct arena arena;
        arena_init(&arena, 64);
        memset(arena_alloc(&arena, 100000), 1, 100000);
        assert_true(arena.total_bytes >= 100000);
        arena_done(&arena);
        assert_int_equal(arena.total_bytes, 0);
}

static void joined_texts_end_in_nul_whatever_was_there(void **state)
{
        (void)state;
        struct arena arena;
        arena_init(&arena, 4096);
        memset(arena_alloc(&arena, 1000), 'x', 1000);
        arena_reset(&arena);
        struct slice joined = ARENA_JOIN(&arena, SLICE("shop"), SLICE("/"), SLICE("web"));
        assert_true(slice_equal(joined, SLICE("shop/web")));
        assert_int_equal(joined.data[joined.len], 0);
        assert_int_equal(ARENA_JOIN(&arena, SLICE_NONE, SLICE_NONE).len, 0);
        assert_int_equal(arena_text(&arena, SLICE("abc"))[3], 0);
        arena_done(&arena);
}

static void reset_gives_the_same_room_again_and_zeroes_it(void **state)
{
        (void)state;
        struct arena arena;
        arena_init(&arena, 128);
        char *first = arena_alloc(&arena, 16);
        memset(first, 'x', 16);
        arena_alloc(&arena, 1000);
        arena_reset(&arena);
        assert_int_equal(arena.total_bytes, 0);
        char *again = arena_alloc(&arena, 16);
        assert_ptr_equal(again, first);
        assert_int_equal(again[0], 0);
        arena_done(&arena);
}

static void copies_end_in_nul_and_keep_inner_nul(void **state)
{
        (void)state;
        struct arena arena;
        arena_init(&arena, 4096);
        struct slice copy = arena_slice(&arena, SLICE("a\0b"));
        assert_int_equal(copy.len, 3);
        assert_memory_equal(copy.data, "a\0b", 4);
        assert_string_equal(arena_text(&arena, SLICE_NONE), "");
        assert_true(slice_is(arena_printf(&arena, "%s-%d", "x", 7), "x-7"));
        arena_done(&arena);
}

static void a_block_with_a_chunk_of_its_own_is_given_back_and_no_other(void **state)
{
        (void)state;
        struct arena arena;
        arena_init(&arena, 256);
        char *before = arena_alloc(&arena, 16), *large = arena_alloc(&arena, 1000);
        char *after = arena_alloc(&arena, 16), *exact = arena_alloc(&arena, 256);
        memset(before, 'b', 16);
        memset(after, 'a', 16);
        memset(exact, 'e', 256);
        arena_give_back(&arena, large);
        arena_give_back(&arena, before);
        arena_give_back(&arena, exact);
        arena_give_back(&arena, &large);
        char *newest = arena_alloc(&arena, 5000);
        arena_give_back(&arena, newest);
        memset(arena_alloc(&arena, 64), 'n', 64);
        for (size_t i = 0; i < 16; i++)
                assert_true(before[i] == 'b' && after[i] == 'a');
        for (size_t i = 0; i < 256; i++)
                assert_true(exact[i] == 'e');
        arena_done(&arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(blocks_are_zeroed_aligned_and_do_not_overlap),
                cmocka_unit_test(a_block_may_be_larger_than_a_chunk),
                cmocka_unit_test(joined_texts_end_in_nul_whatever_was_there),
                cmocka_unit_test(reset_gives_the_same_room_again_and_zeroes_it),
                cmocka_unit_test(a_block_with_a_chunk_of_its_own_is_given_back_and_no_other),
                cmocka_unit_test(copies_end_in_nul_and_keep_inner_nul),
        };
        return RUN(tests);
}
