#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "trust/pin.h"

#define HEX    "df6ff7aa01234567890abcdeffedcba9876543210f1e2d3c4b5a69788796a5b4"
#define BASE64 "32/3qgEjRWeJCrze/+3LqYdlQyEPHi08S1ppeIeWpbQ="
#define URL    "32_3qgEjRWeJCrze_-3LqYdlQyEPHi08S1ppeIeWpbQ"
#define COLONS                                                                                     \
        "DF:6F:F7:AA:01:23:45:67:89:0A:BC:DE:FF:ED:CB:A9:87:65:43:21:0F:1E:2D:3C:4B:5A:69:78:87:"  \
        "96:A5:B4"
#define LOWER_COLONS                                                                               \
        "df:6f:f7:aa:01:23:45:67:89:0a:bc:de:ff:ed:cb:a9:87:65:43:21:0f:1e:2d:3c:4b:5a:69:78:87:"  \
        "96:a5:b4"

static const struct digest expected = {{0xdf, 0x6f, 0xf7, 0xaa, 0x01, 0x23, 0x45, 0x67,
                                        0x89, 0x0a, 0xbc, 0xde, 0xff, 0xed, 0xcb, 0xa9,
                                        0x87, 0x65, 0x43, 0x21, 0x0f, 0x1e, 0x2d, 0x3c,
                                        0x4b, 0x5a, 0x69, 0x78, 0x87, 0x96, 0xa5, 0xb4}};

static const char *const accepted[] = {
        BASE64,                       /* Envoy's and Envoy Gateway's spkiHashes */
        HEX,                          /* Envoy Gateway's certificateHashes, `sha256sum` */
        COLONS,                       /* Envoy's verify_certificate_hash */
        LOWER_COLONS,                 /* Istio's caCertificates hashes */
        "sha256 Fingerprint=" COLONS, /* openssl x509 -fingerprint -sha256, OpenSSL 3 */
        "SHA256 Fingerprint=" COLONS, /* the same, OpenSSL 1.1 */
        "sha256 Fingerprint=" LOWER_COLONS,
        URL,           /* x5t#S256 (RFC 7515, 4.1.8) and cnf (RFC 8705) */
        "sha256:" HEX, /* containers */
        "SHA256:" COLONS,
        "sha256:" BASE64,
        "sha256:" URL,
        "sha256/" BASE64,  /* OkHttp, Android */
        "sha256//" BASE64, /* curl --pinnedpubkey */
        "sha256//" HEX,
        "pin-sha256=" BASE64,    /* HPKP (RFC 7469), without its quotes */
        "SHA2-256(stdin)= " HEX, /* openssl dgst -sha256, OpenSSL 3 */
        "SHA256(stdin)= " HEX,
        "(stdin)= " HEX, /* OpenSSL 1.1 */
        "DF6FF7AA01234567890ABCDEFFEDCBA9876543210F1E2D3C4B5A69788796A5B4",
        "Df6ff7aA01234567890abcdeffedcba9876543210f1e2d3c4b5a69788796a5B4",
};

static void every_accepted_spelling_gives_the_same_digest(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT_OF(accepted); i++) {
                for (int kind = 0; kind < PIN_KIND_COUNT; kind++) {
                        struct digest digest = {{0}};
                        struct error err;
                        if (!pin_text_parse(slice_of(accepted[i]), (enum pin_kind)kind, &digest,
                                            &err))
                                fail_msg("%s: %s", accepted[i], err.text);
                        assert_memory_equal(digest.bytes, expected.bytes, DIGEST_BYTES);
                }
        }
}

struct malformed {
        const char *text;
        size_t len;
        const char *says;
};

static const struct malformed malformed[] = {
#define MALFORMED(text, says) {text, sizeof(text) - 1, says},
#include "pin_text_malformed.def"
#undef MALFORMED
};

_Static_assert(COUNT_OF(malformed) >= 200, "the table that I5 asks for");

static void every_malformed_pin_is_an_error_that_names_its_fault(void **state)
{
        (void)state;
        size_t wrong = 0;
        for (size_t i = 0; i < COUNT_OF(malformed); i++) {
                const struct malformed *m = &malformed[i];
                struct digest digest = expected;
                struct error err = {.text = ""};
                bool good = pin_text_parse(slice_from(m->text, m->len), PIN_SPKI, &digest, &err);
                bool named = !good && strstr(err.text, m->says) && !strchr(err.text, '\n');
                /* Output is written only on success. */
                if (named && digest_equal(&digest, &expected))
                        continue;
                print_error("[%s]: %s, wants [%s]\n", m->text, good ? "ACCEPTED" : err.text,
                            m->says);
                wrong++;
        }
        assert_int_equal(wrong, 0);
}

/* Each accepted text with one byte less, more or another: only another byte that is again a digit
 * of the same alphabet may be a pin, and then a different one. */
static void no_spelling_survives_a_byte_cut_or_added(void **state)
{
        (void)state;
        char text[256];
        struct digest digest;
        for (size_t i = 0; i < COUNT_OF(accepted); i++) {
                size_t len = strlen(accepted[i]);
                for (size_t cut = 1; cut < len; cut++) {
                        if (pin_text_parse(slice_from(accepted[i], cut), PIN_SPKI, &digest, NULL))
                                fail_msg("%.*s", (int)cut, accepted[i]);
                }
                for (int c = 0; c < 256; c++) {
                        snprintf(text, sizeof(text), "%s%c", accepted[i], c);
                        text[len] = (char)c;
                        if (pin_text_parse(slice_from(text, len + 1), PIN_SPKI, &digest, NULL))
                                fail_msg("%s and 0x%02x", accepted[i], (unsigned)c);
                }
        }
}

static void another_last_character_of_base64_is_no_second_spelling(void **state)
{
        (void)state;
        char text[] = BASE64;
        struct digest digest;
        size_t read = 0;
        for (int c = '0'; c <= 'z'; c++) {
                text[42] = (char)c;
                read += pin_text_parse(slice_of(text), PIN_SPKI, &digest, NULL);
        }
        assert_int_equal(read, 16); /* of 64: four bits of the last character stand for the hash */
}

static void the_expected_kind_words_the_error(void **state)
{
        (void)state;
        struct digest digest;
        struct error err;
        assert_false(pin_text_parse(SLICE("abcd"), PIN_SPKI, &digest, &err));
        assert_string_equal(err.text, "2 bytes, wants 32 (SHA-256, SPKI hash)");
        assert_false(pin_text_parse(SLICE("abcd"), PIN_CERTIFICATE, &digest, &err));
        assert_string_equal(err.text, "2 bytes, wants 32 (SHA-256, certificate hash)");
        assert_false(pin_text_parse(SLICE("abcd"), PIN_ISSUER, &digest, &err));
        assert_string_equal(err.text, "2 bytes, wants 32 (SHA-256, issuer SPKI hash)");
}

static void a_pin_has_one_canonical_text_for_each_kind(void **state)
{
        (void)state;
        char text[PIN_TEXT_SIZE];
        assert_string_equal(pin_text_print(PIN_SPKI, &expected, text), BASE64);
        assert_string_equal(pin_text_print(PIN_CERTIFICATE, &expected, text), HEX);
        assert_string_equal(pin_text_print(PIN_ISSUER, &expected, text), BASE64);
}

static void a_megabyte_of_text_is_refused_without_reading_it(void **state)
{
        (void)state;
        size_t len = 1 << 20;
        char *text = memory_new(len);
        struct digest digest;
        struct error err;
        memset(text, 'a', len);
        assert_false(pin_text_parse(slice_from(text, len), PIN_SPKI, &digest, &err));
        assert_non_null(strstr(err.text, "1048576 characters are too many"));
        free(text);
}

static void a_name_is_of_plain_characters_and_at_most_127(void **state)
{
        (void)state;
        char long_name[PIN_NAME_MAX + 2];
        static const char *const good[] = {"a", "0", "acme-robot", "Acme/robot_1@x.y", "a."};
        static const char *const bad[] = {"",     "-a",   ".a",  "/a",  "@a",       "a b",
                                          "a\nb", "a\"b", "a,b", "a=b", "\xc3\xa9", "a;"};
        for (size_t i = 0; i < COUNT_OF(good); i++)
                assert_true(pin_name_check(slice_of(good[i]), NULL));
        for (size_t i = 0; i < COUNT_OF(bad); i++)
                assert_false(pin_name_check(slice_of(bad[i]), NULL));
        assert_false(pin_name_check(SLICE("a\0b"), NULL));
        memset(long_name, 'a', sizeof(long_name));
        assert_true(pin_name_check(slice_from(long_name, PIN_NAME_MAX), NULL));
        assert_false(pin_name_check(slice_from(long_name, PIN_NAME_MAX + 1), NULL));
}

static void an_owner_is_printable_and_at_most_255(void **state)
{
        (void)state;
        char owner[PIN_OWNER_MAX + 1];
        assert_true(pin_owner_check(SLICE("payments@acme.example;\"x\""), NULL));
        assert_false(pin_owner_check(SLICE("a b"), NULL));
        assert_false(pin_owner_check(SLICE("a\x7f"), NULL));
        assert_false(pin_owner_check(SLICE(""), NULL));
        memset(owner, 'o', sizeof(owner));
        assert_true(pin_owner_check(slice_from(owner, PIN_OWNER_MAX), NULL));
        assert_false(pin_owner_check(slice_from(owner, PIN_OWNER_MAX + 1), NULL));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_accepted_spelling_gives_the_same_digest),
                cmocka_unit_test(every_malformed_pin_is_an_error_that_names_its_fault),
                cmocka_unit_test(no_spelling_survives_a_byte_cut_or_added),
                cmocka_unit_test(another_last_character_of_base64_is_no_second_spelling),
                cmocka_unit_test(the_expected_kind_words_the_error),
                cmocka_unit_test(a_pin_has_one_canonical_text_for_each_kind),
                cmocka_unit_test(a_megabyte_of_text_is_refused_without_reading_it),
                cmocka_unit_test(a_name_is_of_plain_characters_and_at_most_127),
                cmocka_unit_test(an_owner_is_printable_and_at_most_255),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
