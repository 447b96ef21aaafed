#include "harness.h"

#include "text/base64.h"

static const struct {
        const char *text;
        unsigned form;
        const char *bytes, *error;
} rows[] = {
        {"", BASE64_STANDARD, "", NULL},
        {"TQ==", BASE64_STANDARD, "M", NULL},
        {"TWE=", BASE64_STANDARD, "Ma", NULL},
        {"TWFu", BASE64_STANDARD, "Man", NULL},
        {"TWFuTQ", BASE64_BARE, "ManM", NULL},
        {"-_-_", BASE64_URL, "\xfb\xff\xbf", NULL},
        {"+/+/", BASE64_STANDARD, "\xfb\xff\xbf", NULL},
        {"TW\nFu\r\n", BASE64_LINES, "Man", NULL},
        {"-_-_", BASE64_STANDARD, NULL, "not base64 (character 1 is '-')"},
        {"TW+u", BASE64_URL, NULL, "not base64url (character 3 is '+')"},
        {"TWF", BASE64_STANDARD, NULL, "not base64 (0 '=' at the end, wants 1)"},
        {"TWE=", BASE64_BARE, NULL, "not base64 (1 '=' at the end, wants 0)"},
        {"TWFu=", BASE64_STANDARD, NULL, "not base64 (1 '=' at the end, wants 0)"},
        {"TQ=", BASE64_STANDARD, NULL, "not base64 (1 '=' at the end, wants 2)"},
        {"TQ===", BASE64_STANDARD, NULL, "not base64 (character 5 is '=')"},
        {"TQ==TQ==", BASE64_STANDARD, NULL, "not base64 (character 5 is 'T')"},
        {"T", BASE64_BARE, NULL, "not base64 (it is cut short: 1 characters)"},
        {"TR==", BASE64_STANDARD, NULL, "not base64 (bits behind the last byte are not zero)"},
        {"TWF", BASE64_BARE, NULL, "not base64 (bits behind the last byte are not zero)"},
        {"TWFu\n", BASE64_STANDARD, NULL, "not base64 (byte 5 is 0x0a)"},
        {"TW Fu", BASE64_LINES, NULL, "not base64 (byte 3 is 0x20)"},
        {"T\xc3\xa4==", BASE64_STANDARD, NULL, "not base64 (byte 2 is 0xc3)"},
};

static void each_value_has_one_text_and_faults_are_placed(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct arena arena;
                struct slice bytes = SLICE_NONE;
                struct error err = {.text = ""};
                arena_init(&arena, 256);
                bool good = base64_decode_new(&arena, slice_of(rows[i].text), rows[i].form, &bytes,
                                              &err);
                assert_int_equal(good, rows[i].error == NULL);
                if (good)
                        assert_true(slice_is(bytes, rows[i].bytes));
                else
                        assert_string_equal(err.text, rows[i].error);
                arena_done(&arena);
        }
}

static void encoding_is_the_reverse_in_every_form_and_length(void **state)
{
        (void)state;
        char bytes[70];
        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (char)(i * 37 + 200);
        for (size_t len = 0; len < sizeof(bytes); len++) {
                for (unsigned form = 0; form < 4; form++) {
                        struct arena arena;
                        struct slice source = slice_from(bytes, len), back;
                        arena_init(&arena, 256);
                        struct slice text = base64_encode_new(&arena, source, form);
                        assert_int_equal(text.len, base64_encoded_len(len, form));
                        assert_true(base64_decode_new(&arena, text, form, &back, NULL));
                        assert_true(slice_equal(source, back));
                        arena_done(&arena);
                }
        }
}

static void encoding_over_a_buffers_maximum_adds_nothing(void **state)
{
        (void)state;
        CLEANUP(buffer_done) struct buffer out;
        buffer_init(&out, 7);
        assert_true(base64_encode(SLICE("Man"), BASE64_STANDARD, &out));
        assert_false(base64_encode(SLICE("M"), BASE64_STANDARD, &out));
        assert_true(base64_encode(SLICE("M"), BASE64_BARE, &out));
        assert_true(slice_is(buffer_slice(&out), "TWFuTQ"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_value_has_one_text_and_faults_are_placed),
                cmocka_unit_test(encoding_is_the_reverse_in_every_form_and_length),
                cmocka_unit_test(encoding_over_a_buffers_maximum_adds_nothing),
        };
        return RUN(tests);
}
