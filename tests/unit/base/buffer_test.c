#include "harness.h"

#include "base/buffer.h"

static void an_append_over_the_maximum_changes_nothing(void **state)
{
        (void)state;
        CLEANUP(buffer_done) struct buffer buffer;
        buffer_init(&buffer, 5);
        assert_true(buffer_append(&buffer, SLICE("abc")));
        assert_false(buffer_append(&buffer, SLICE("def")));
        assert_false(buffer_printf(&buffer, "%d", 123));
        assert_null(buffer_reserve(&buffer, 3));
        assert_null(buffer_reserve(&buffer, SIZE_MAX));
        assert_true(slice_is(buffer_slice(&buffer), "abc"));
}

static void the_last_byte_of_the_maximum_can_be_filled(void **state)
{
        (void)state;
        CLEANUP(buffer_done) struct buffer appended, printed;
        buffer_init(&appended, 5);
        buffer_init(&printed, 5);
        assert_true(buffer_append(&appended, SLICE("abcde")));
        assert_true(buffer_printf(&printed, "%s", "abcde"));
        assert_true(slice_is(buffer_slice(&printed), "abcde"));
        assert_false(buffer_append(&appended, SLICE("f")));
}

static void consuming_drops_bytes_off_the_front(void **state)
{
        (void)state;
        CLEANUP(buffer_done) struct buffer buffer;
        buffer_init(&buffer, 64);
        buffer_append(&buffer, SLICE("hello world"));
        buffer_consume(&buffer, 6);
        assert_true(slice_is(buffer_slice(&buffer), "world"));
        buffer_consume(&buffer, 5);
        assert_int_equal(buffer.len, 0);
}

static void growing_keeps_what_was_there(void **state)
{
        (void)state;
        CLEANUP(buffer_done) struct buffer buffer;
        buffer_init(&buffer, 1 << 20);
        for (int i = 0; i < 10000; i++)
                assert_true(buffer_printf(&buffer, "%04d", i));
        assert_int_equal(buffer.len, 40000);
        assert_memory_equal(buffer.data, "000000010002", 12);
        assert_memory_equal(buffer.data + 39996, "9999", 4);
}

static void released_memory_is_gone_but_the_maximum_stays(void **state)
{
        (void)state;
        struct buffer buffer;
        buffer_init(&buffer, 4);
        buffer_append(&buffer, SLICE("abcd"));
        buffer_release(&buffer);
        assert_null(buffer.data);
        assert_int_equal(buffer.capacity, 0);
        assert_false(buffer_append(&buffer, SLICE("abcde")));
        assert_true(buffer_append(&buffer, SLICE_NONE));
        assert_null(buffer.data);
        buffer_done(&buffer);
}

static void what_holds_a_secret_grows_by_itself_and_is_wiped_where_it_is(void **state)
{
        (void)state;
        CLEANUP(buffer_done) struct buffer buffer;
        buffer_init(&buffer, 1000);
        for (int i = 0; i < 100; i++)
                assert_true(buffer_append_secret(&buffer, SLICE("0123456789")));
        assert_false(buffer_append_secret(&buffer, SLICE("x")));
        assert_true(buffer_append_secret(&buffer, SLICE_NONE));
        assert_int_equal(buffer.len, 1000);
        assert_memory_equal(buffer.data + 990, "0123456789", 10);
        buffer_wipe(&buffer);
        assert_int_equal(buffer.len, 0);
        for (size_t i = 0; i < 1000; i++)
                assert_int_equal(buffer.data[i], 0);
}

static void numbers_are_appended_whole_or_not_at_all(void **state)
{
        (void)state;
        CLEANUP(buffer_done) struct buffer buffer;
        buffer_init(&buffer, 22);
        assert_true(buffer_append_decimal(&buffer, 0));
        assert_true(buffer_append_decimal(&buffer, UINT64_MAX));
        assert_true(slice_is(buffer_slice(&buffer), "018446744073709551615"));
        assert_false(buffer_append_decimal(&buffer, 10));
        assert_true(buffer_append_decimal(&buffer, 9));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_append_over_the_maximum_changes_nothing),
                cmocka_unit_test(the_last_byte_of_the_maximum_can_be_filled),
                cmocka_unit_test(consuming_drops_bytes_off_the_front),
                cmocka_unit_test(numbers_are_appended_whole_or_not_at_all),
                cmocka_unit_test(growing_keeps_what_was_there),
                cmocka_unit_test(what_holds_a_secret_grows_by_itself_and_is_wiped_where_it_is),
                cmocka_unit_test(released_memory_is_gone_but_the_maximum_stays),
        };
        return RUN(tests);
}
