#include "harness.h"

#include "base/memory.h"
#include "base/slice.h"

static void split_gives_every_part_the_empty_ones_too(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                const char *parts[5];
        } rows[] = {
                {"a,,b", {"a", "", "b"}}, {"", {""}},        {",", {"", ""}},
                {"a,", {"a", ""}},        {",a", {"", "a"}}, {"one", {"one"}},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct slice rest = slice_of(rows[i].text), part;
                size_t count = 0;
                for (; slice_split(&rest, ',', &part); count++) {
                        assert_non_null(rows[i].parts[count]);
                        assert_true(slice_is(part, rows[i].parts[count]));
                }
                assert_null(rows[i].parts[count]);
        }
        struct slice none = SLICE_NONE, part;
        assert_false(slice_split(&none, ',', &part));
}

static void numbers_are_digits_alone_and_never_pass_their_maximum(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                uint64_t max, value;
                bool good;
        } rows[] = {
                {"0", 0, 0, true},
                {"65535", 65535, 65535, true},
                {"65536", 65535, 0, false},
                {"007", 9, 7, true},
                {"", 9, 0, false},
                {"+1", 9, 0, false},
                {"-1", 9, 0, false},
                {" 1", 9, 0, false},
                {"1 ", 9, 0, false},
                {"0x1", 99, 0, false},
                {"1", 0, 0, false},
                {"18446744073709551615", UINT64_MAX, UINT64_MAX, true},
                {"18446744073709551616", UINT64_MAX, 0, false},
                {"99999999999999999999999", UINT64_MAX, 0, false},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                uint64_t value = 77;
                bool good = slice_to_u64(slice_of(rows[i].text), rows[i].max, &value);
                assert_int_equal(good, rows[i].good);
                assert_true(value == (good ? rows[i].value : 77));
        }
}

static void comparing_knows_lengths_and_bytes_beyond_ascii(void **state)
{
        (void)state;
        assert_true(slice_compare(SLICE("a"), SLICE("ab")) < 0);
        assert_true(slice_compare(SLICE("b"), SLICE("ab")) > 0);
        assert_true(slice_compare(SLICE("\xff"), SLICE("a")) > 0);
        assert_int_equal(slice_compare(SLICE("a\0b"), SLICE("a\0b")), 0);
        assert_true(slice_compare(SLICE("a\0b"), SLICE("a\0c")) < 0);
        assert_int_equal(slice_compare(SLICE_NONE, SLICE("")), 0);
        assert_false(slice_equal(SLICE("a\0b"), SLICE("a\0c")));
        assert_true(slice_equal(SLICE_NONE, SLICE("")));
        assert_true(slice_equal_nocase(SLICE("ExAmple.COM"), SLICE("eXample.com")));
        assert_false(slice_equal_nocase(SLICE("a@"), SLICE("a`")));
        assert_false(slice_equal_nocase(SLICE("\xc3\x84"), SLICE("\xc3\xa4")));
}

static void cutting_never_leaves_the_slice(void **state)
{
        (void)state;
        struct slice s = SLICE("abc");
        assert_true(slice_is(slice_sub(s, 1, 1), "b"));
        assert_true(slice_is(slice_sub(s, 1, 99), "bc"));
        assert_true(slice_is(slice_sub(s, 99, SIZE_MAX), ""));
        assert_true(slice_is(slice_skip(s, 99), ""));
        assert_true(slice_is(slice_skip(SLICE_NONE, 5), ""));
        assert_true(slice_is(slice_trim(SLICE(" \t a b\t ")), "a b"));
        assert_true(slice_is(slice_trim(SLICE(" \t ")), ""));
        assert_true(slice_is(slice_trim(SLICE("\na\n")), "\na\n"));
        assert_int_equal(slice_find(s, 'c'), 2);
        assert_int_equal(slice_find(s, 'x'), 3);
        assert_int_equal(slice_find(SLICE_NONE, 'x'), 0);
}

static void a_prefix_is_not_longer_than_the_text(void **state)
{
        (void)state;
        assert_true(slice_starts_with(SLICE("abc"), SLICE("ab")));
        assert_true(slice_starts_with(SLICE("abc"), SLICE("")));
        assert_false(slice_starts_with(SLICE("ab"), SLICE("abc")));
        assert_true(slice_ends_with(SLICE("abc"), SLICE("bc")));
        assert_true(slice_ends_with(SLICE("abc"), SLICE("abc")));
        assert_false(slice_ends_with(SLICE("bc"), SLICE("abc")));
}

static void what_is_put_is_a_copy_and_moves_the_place(void **state)
{
        (void)state;
        char block[8] = "", *at = block;
        struct slice a = slice_put(&at, SLICE("ab"));
        struct slice none = slice_put(&at, SLICE_NONE);
        struct slice b = slice_put(&at, SLICE("cde"));
        assert_ptr_equal(at, block + 5);
        assert_memory_equal(block, "abcde", 5);
        assert_true(a.data == block && slice_is(a, "ab"));
        assert_true(none.len == 0);
        assert_true(b.data == block + 2 && slice_is(b, "cde"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(split_gives_every_part_the_empty_ones_too),
                cmocka_unit_test(numbers_are_digits_alone_and_never_pass_their_maximum),
                cmocka_unit_test(comparing_knows_lengths_and_bytes_beyond_ascii),
                cmocka_unit_test(cutting_never_leaves_the_slice),
                cmocka_unit_test(a_prefix_is_not_longer_than_the_text),
                cmocka_unit_test(what_is_put_is_a_copy_and_moves_the_place),
        };
        return RUN(tests);
}
