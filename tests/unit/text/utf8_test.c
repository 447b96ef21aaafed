#include "harness.h"

#include "base/memory.h"
#include "text/utf8.h"

static void only_the_shortest_form_of_a_character_is_utf8(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                bool valid;
        } rows[] = {
                {"", true},
                {"plain ascii, longer than a word", true},
                {"caf\xc3\xa9 is fine", true},
                {"\xef\xbf\xbf", true},
                {"\xf4\x8f\xbf\xbf", true},
                {"\x80", false},
                {"\xc0\xaf", false},
                {"\xc1\xbf", false},
                {"\xe0\x80\xaf", false},
                {"\xe0\x9f\xbf", false},
                {"\xf0\x8f\xbf\xbf", false},
                {"\xed\xa0\x80", false},
                {"\xed\xbf\xbf", false},
                {"\xf4\x90\x80\x80", false},
                {"\xf5\x80\x80\x80", false},
                {"\xff", false},
                {"\xc3", false},
                {"\xe2\x82", false},
                {"\xc3(", false},
                {"12345678\xff", false},
                {"1234567\xff"
                 "8",
                 false},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                if (utf8_valid(slice_of(rows[i].text)) != rows[i].valid)
                        fail_msg("row %zu", i);
        }
}

static void what_is_shown_says_every_byte_and_acts_on_nothing(void **state)
{
        (void)state;
        static const struct {
                struct slice text;
                const char *shown;
        } rows[] = {
                {SLICE("plain"), "plain"},
                {SLICE("caf\xc3\xa9"), "caf\xc3\xa9"},
                {SLICE("a\nb\r\t\"\\"), "a\\nb\\r\\t\\\"\\\\"},
                {SLICE("\x1b[31m"), "\\u{1b}[31m"},
                {SLICE("a\0b"), "a\\u{0}b"},
                {SLICE("\x7f\xc2\x85"), "\\u{7f}\\u{85}"},
                {SLICE("\xe2\x80\xae"
                       "evil"),
                 "\\u{202e}evil"},
                {SLICE("\xe2\x80\x8b\xef\xbb\xbf"), "\\u{200b}\\u{feff}"},
                {SLICE("\xff\xc3"), "\\xff\\xc3"},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                CLEANUP(buffer_done) struct buffer out;
                char fixed[UTF8_SHOWN_SIZE];
                buffer_init(&out, 100);
                assert_true(utf8_print(rows[i].text, &out));
                assert_true(slice_is(buffer_slice(&out), rows[i].shown));
                assert_string_equal(utf8_show(rows[i].text, fixed), rows[i].shown);
        }
}

static void long_names_are_cut_between_characters(void **state)
{
        (void)state;
        char name[300], shown[UTF8_SHOWN_SIZE];
        for (size_t lead = 0; lead < 4; lead++) {
                memset(name, 'x', lead);
                for (size_t at = lead; at + 2 < sizeof(name); at += 2)
                        memcpy(name + at, "\xc3\xa9", 2);
                utf8_show(slice_from(name, 280 + lead), shown);
                assert_true(strlen(shown) < UTF8_SHOWN_SIZE);
                assert_true(utf8_valid(slice_of(shown)));
                assert_true(slice_ends_with(slice_of(shown), SLICE("\xc3\xa9...")));
        }
}

static void printing_over_a_buffers_maximum_adds_nothing(void **state)
{
        (void)state;
        CLEANUP(buffer_done) struct buffer out;
        buffer_init(&out, 5);
        assert_true(utf8_print(SLICE("ab"), &out));
        assert_false(utf8_print(SLICE("a\n\n"), &out));
        assert_true(slice_is(buffer_slice(&out), "ab"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(only_the_shortest_form_of_a_character_is_utf8),
                cmocka_unit_test(what_is_shown_says_every_byte_and_acts_on_nothing),
                cmocka_unit_test(long_names_are_cut_between_characters),
                cmocka_unit_test(printing_over_a_buffers_maximum_adds_nothing),
        };
        return RUN(tests);
}
