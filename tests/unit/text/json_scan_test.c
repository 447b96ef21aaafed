/* The bounds of JSON values, in whatever pieces they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "text/json_scan.h"

static void assert_slice(struct slice got, const char *want)
{
        assert_int_equal(got.len, strlen(want));
        assert_memory_equal(got.data, want, got.len);
}

static void members_are_given_as_written(void **state)
{
        struct json_members members = json_members_of(SLICE(
                " { \"a\" : [1, {\"b\":\"}\\\"]\"}] ,\"c\\\"d\":\"e\", \"f\":-1.5e3 ,\"g\":null} "));
        static const char *const want[][2] = {{"a", "[1, {\"b\":\"}\\\"]\"}]"},
                                              {"c\\\"d", "\"e\""},
                                              {"f", "-1.5e3"},
                                              {"g", "null"}};
        struct json_member member;
        (void)state;
        for (size_t i = 0; i < COUNT_OF(want); i++) {
                assert_true(json_members_next(&members, &member));
                assert_slice(member.key, want[i][0]);
                assert_slice(member.value, want[i][1]);
        }
        assert_false(json_members_next(&members, &member));
        assert_false(members.broken);
}

static void an_object_without_members_has_an_end(void **state)
{
        struct json_members members = json_members_of(SLICE("{ }"));
        struct json_member member;
        (void)state;
        assert_false(json_members_next(&members, &member));
        assert_false(members.broken);
}

static void what_breaks_off_is_broken(void **state)
{
        static const char whole[] = "{\"a\":{\"b\":[1,\"x\"]},\"c\":12}";
        (void)state;
        for (size_t len = 0; len < sizeof(whole) - 1; len++) {
                struct json_members members = json_members_of(slice_from(whole, len));
                struct json_member member;
                while (json_members_next(&members, &member))
                        continue;
                assert_true(members.broken);
        }
}

static void what_is_no_object_is_broken(void **state)
{
        static const char *const texts[] = {"",        "[1]",         "{]",          "{\"a\"}",
                                            "{a:1}",   "{\"a\":}",    "{\"a\":1,}",  "{,\"a\":1}",
                                            "\"a\":1", "{\"a\":1 2}", "{\"a\":1}}x", "{\"a\" 1}"};
        (void)state;
        for (size_t i = 0; i < COUNT_OF(texts) - 2; i++) {
                struct json_members members = json_members_of(slice_of(texts[i]));
                struct json_member member;
                while (json_members_next(&members, &member))
                        continue;
                assert_true(members.broken);
        }
}

static void a_value_ends_at_the_same_byte_however_it_comes(void **state)
{
        static const char *const texts[] = {"{\"a\":[\"]\",{\"b\":\"\\\\\"}]},",
                                            "\"a\\\"b\",",
                                            "-12.5 ,",
                                            "true}",
                                            "[]]",
                                            "[[\"}\"],{}]}"};
        (void)state;
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
                struct slice text = slice_of(texts[i]);
                struct json_bounds whole = {0};
                bool done;
                size_t end = json_bounds_feed(&whole, text, &done);
                assert_true(done);
                for (size_t cut = 1; cut < text.len; cut++) {
                        struct json_bounds parts = {0};
                        size_t first = json_bounds_feed(&parts, slice_sub(text, 0, cut), &done);
                        if (!done)
                                first += json_bounds_feed(&parts, slice_skip(text, cut), &done);
                        assert_true(done);
                        assert_int_equal(first, end);
                }
        }
}

static void a_string_with_escapes_is_not_plain(void **state)
{
        (void)state;
        assert_slice(json_plain_string(SLICE("\"12\"")), "12");
        assert_int_equal(json_plain_string(SLICE("\"1\\u0032\"")).len, 0);
        assert_int_equal(json_plain_string(SLICE("12")).len, 0);
        assert_int_equal(json_plain_string(SLICE("\"")).len, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(members_are_given_as_written),
                cmocka_unit_test(an_object_without_members_has_an_end),
                cmocka_unit_test(what_breaks_off_is_broken),
                cmocka_unit_test(what_is_no_object_is_broken),
                cmocka_unit_test(a_value_ends_at_the_same_byte_however_it_comes),
                cmocka_unit_test(a_string_with_escapes_is_not_plain),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
