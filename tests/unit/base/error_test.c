#include "harness.h"

#include <errno.h>

#include "base/digest.h"
#include "base/error.h"

static void each_level_puts_its_noun_in_front(void **state)
{
        (void)state;
        struct error err;
        assert_false(error_set(&err, ERROR_LIMIT, "%d bytes", 31));
        assert_false(error_wrap(&err, "pin %d", 2));
        assert_false(error_wrap(&err, "edge.yaml:%d", 12));
        assert_string_equal(err.text, "edge.yaml:12: pin 2: 31 bytes");
        assert_int_equal(err.code, ERROR_LIMIT);
}

static void an_error_may_be_nobodys(void **state)
{
        (void)state;
        assert_false(error_set(NULL, ERROR_INPUT, "x"));
        assert_false(error_set_errno(NULL, "x"));
        assert_false(error_wrap(NULL, "x"));
}

static void the_machines_reason_is_said(void **state)
{
        (void)state;
        struct error err;
        errno = ENOENT;
        assert_false(error_set_errno(&err, "open %s", "/x"));
        assert_string_equal(err.text, "open /x: No such file or directory");
        assert_int_equal(err.code, ERROR_SYSTEM);
}

static void long_texts_are_cut_and_still_end(void **state)
{
        (void)state;
        struct error err;
        char text[3000];
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        error_set(&err, ERROR_INPUT, "%s", text);
        assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
        error_wrap(&err, "noun");
        assert_memory_equal(err.text, "noun: xxx", 9);
        assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
        error_wrap(&err, "%s", text);
        assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void a_digest_prints_as_hex_and_compares_by_all_bytes(void **state)
{
        (void)state;
        struct digest a = {{0}}, b = {{0}};
        char hex[DIGEST_HEX_SIZE];
        assert_true(digest_is_none(&a));
        assert_true(digest_equal(&a, &b));
        b.bytes[DIGEST_BYTES - 1] = 0xaf;
        assert_false(digest_is_none(&b));
        assert_false(digest_equal(&a, &b));
        assert_true(digest_compare(&a, &b) < 0 && digest_compare(&b, &a) > 0);
        assert_string_equal(digest_hex(&b, hex),
                            "00000000000000000000000000000000000000000000000000000000000000af");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_level_puts_its_noun_in_front),
                cmocka_unit_test(an_error_may_be_nobodys),
                cmocka_unit_test(the_machines_reason_is_said),
                cmocka_unit_test(long_texts_are_cut_and_still_end),
                cmocka_unit_test(a_digest_prints_as_hex_and_compares_by_all_bytes),
        };
        return RUN(tests);
}
