/* Reading the server name of a ClientHello without TLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "hello_bytes.h"
#include "proxy/handshake/client_hello.h"

static void must_be_named(struct slice hello, const char *name)
{
        struct server_name got = {.len = 1};
        for (size_t len = 0; len < hello.len; len++) /* not before it is whole */
                assert_int_equal(client_hello_read(slice_sub(hello, 0, len), &got),
                                 CLIENT_HELLO_MORE);
        assert_int_equal(client_hello_read(hello, &got), CLIENT_HELLO_DONE);
        assert_int_equal(got.len, strlen(name));
        assert_memory_equal(got.bytes, name, got.len);
}

static void what_openssl_says_is_read(void **state)
{
        (void)state;
        const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
        char longest[SNI_MAX + 1];
        memset(longest, 'a', SNI_MAX);
        for (size_t i = 60; i < SNI_MAX; i += 61)
                longest[i] = '.';
        longest[SNI_MAX] = '\0';
        const char *names[] = {"pass.example", "", "UPPER.Example.", "a", longest};
        for (size_t i = 0; i < COUNT_OF(versions) * COUNT_OF(names); i++) {
                const char *name = names[i / COUNT_OF(versions)];
                struct buffer hello;
                buffer_init(&hello, 65536);
                hello_make(name[0] ? name : NULL, versions[i % COUNT_OF(versions)], &hello);
                must_be_named(buffer_slice(&hello), name);
                buffer_done(&hello);
        }
}

static void records_of_any_size_make_the_same_message(void **state)
{
        (void)state;
        struct buffer hello;
        buffer_init(&hello, 65536);
        hello_make("pass.example", TLS1_3_VERSION, &hello);
        for (size_t size = 1; size < hello.len; size += 1 + size / 3) {
                struct buffer cut;
                buffer_init(&cut, 65536);
                hello_refragment(buffer_slice(&hello), size, &cut);
                must_be_named(buffer_slice(&cut), "pass.example");
                buffer_done(&cut);
        }
        buffer_done(&hello);
}

static void what_follows_in_records_of_its_own_is_not_looked_at(void **state)
{
        (void)state;
        struct server_name name;
        struct buffer hello;
        buffer_init(&hello, 65536);
        hello_make("pass.example", TLS1_3_VERSION, &hello);
        size_t len = hello.len;
        buffer_append(&hello, SLICE("\x14\x03\x03\x00\x01\x01 early data"));
        assert_int_equal(client_hello_read(buffer_slice(&hello), &name), CLIENT_HELLO_DONE);
        /* In the same record it is more than a ClientHello. */
        hello.data[3] = (char)((len - 5 + 1) >> 8);
        hello.data[4] = (char)(len - 5 + 1);
        assert_int_equal(client_hello_read(buffer_slice(&hello), &name), CLIENT_HELLO_BAD);
        buffer_done(&hello);
}

/* ---- by hand ---- */

#define RANDOM_32 "0123456789abcdef0123456789abcdef"
#define BEFORE                                                                                     \
        "\x03\x03" RANDOM_32 "\x00"                                                                \
        "\x00\x02\x13\x01"                                                                         \
        "\x01\x00"
#define SNI_PASS                                                                                   \
        "\x00\x00"                                                                                 \
        "\x00\x09"                                                                                 \
        "\x00\x07"                                                                                 \
        "\x00"                                                                                     \
        "\x00\x04"                                                                                 \
        "pass"

/* A record with one ClientHello of that body. */
static enum client_hello_status read_body(struct slice body, struct server_name *name)
{
        char bytes[512] = {22, 3, 1, 0, 0, 1, 0, 0, 0};
        bytes[3] = (char)((body.len + 4) >> 8);
        bytes[4] = (char)(body.len + 4);
        bytes[7] = (char)(body.len >> 8);
        bytes[8] = (char)body.len;
        memcpy(bytes + 9, body.data, body.len);
        return client_hello_read(slice_from(bytes, body.len + 9), name);
}

static void malformed_bodies_are_bad(void **state)
{
        (void)state;
        static const struct {
                const char *says;
                struct slice body;
        } rows[] = {
                {"version 2", SLICE("\x02\x03" RANDOM_32 "\x00\x00\x02\x13\x01\x01\x00")},
                {"short random", SLICE("\x03\x03"
                                       "0123")},
                {"session id of 33", SLICE("\x03\x03" RANDOM_32 "\x21" RANDOM_32 "x"
                                           "\x00\x02\x13\x01\x01\x00")},
                {"no suites", SLICE("\x03\x03" RANDOM_32 "\x00\x00\x00\x01\x00")},
                {"odd suites", SLICE("\x03\x03" RANDOM_32 "\x00\x00\x03\x13\x01\x13\x01\x00")},
                {"no compression", SLICE("\x03\x03" RANDOM_32 "\x00\x00\x02\x13\x01\x00")},
                {"half a length", SLICE(BEFORE "\x00")},
                {"extensions too long", SLICE(BEFORE "\x00\x05\x00\x0a\x00\x00")},
                {"behind the extensions", SLICE(BEFORE "\x00\x00x")},
                {"half an extension", SLICE(BEFORE "\x00\x03\x00\x0a\x00")},
                {"extension too long", SLICE(BEFORE "\x00\x04\x00\x0a\x00\x01")},
                {"name twice", SLICE(BEFORE "\x00\x1a" SNI_PASS SNI_PASS)},
                {"empty list", SLICE(BEFORE "\x00\x06\x00\x00\x00\x02\x00\x00")},
                {"empty extension", SLICE(BEFORE "\x00\x04\x00\x00\x00\x00")},
                {"another type", SLICE(BEFORE "\x00\x0d\x00\x00\x00\x09\x00\x07\x01\x00\x04pass")},
                {"empty name", SLICE(BEFORE "\x00\x09\x00\x00\x00\x05\x00\x03\x00\x00\x00")},
                {"NUL in it", SLICE(BEFORE "\x00\x0d\x00\x00\x00\x09\x00\x07\x00\x00\x04pa\x00s")},
                {"list too short",
                 SLICE(BEFORE "\x00\x0d\x00\x00\x00\x09\x00\x06\x00\x00\x04pass")},
                {"two names", SLICE(BEFORE "\x00\x10\x00\x00\x00\x0c\x00\x0a\x00\x00\x04pass"
                                           "\x00\x00\x00")},
        };
        struct server_name name;
        assert_int_equal(read_body(SLICE(BEFORE), &name), CLIENT_HELLO_DONE);
        assert_int_equal(name.len, 0);
        assert_int_equal(read_body(SLICE(BEFORE "\x00\x0d" SNI_PASS), &name), CLIENT_HELLO_DONE);
        assert_int_equal(name.len, 4);
        for (size_t i = 0; i < COUNT_OF(rows); i++)
                if (read_body(rows[i].body, &name) != CLIENT_HELLO_BAD)
                        fail_msg("%s", rows[i].says);
}

static void what_is_no_client_hello_is_bad_at_once(void **state)
{
        (void)state;
        static const struct slice rows[] = {
                SLICE("G"),                                     /* HTTP */
                SLICE("\x80"),                                  /* SSL 2 */
                SLICE("\x15\x03\x01\x00\x02\x02\x28"),          /* an alert */
                SLICE("\x16\x02"),                              /* another TLS */
                SLICE("\x16\x03\x01\x00\x00"),                  /* an empty record */
                SLICE("\x16\x03\x01\x40\x01"),                  /* one too long */
                SLICE("\x16\x03\x01\x00\x05\x02"),              /* a ServerHello */
                SLICE("\x16\x03\x01\x40\x00\x01\x00\x40\x00"),  /* longer than ever needed */
                SLICE("\x16\x03\x01\x00\x05\x01\x00\x00\x00x"), /* more than the message */
        };
        struct server_name name;
        for (size_t i = 0; i < COUNT_OF(rows); i++)
                if (client_hello_read(rows[i], &name) != CLIENT_HELLO_BAD)
                        fail_msg("row %zu", i);
}

static void one_without_an_end_is_bad_at_the_bound(void **state)
{
        (void)state;
        static char bytes[CLIENT_HELLO_BYTES_MAX + 1000];
        struct server_name name;
        struct buffer cut;
        memcpy(bytes, "\x16\x03\x01\x40\x00\x01\x00\x3f\xfc", 9);
        buffer_init(&cut, 1 << 20);
        hello_refragment(slice_from(bytes, 5 + 16384), 2, &cut);
        struct slice all = buffer_slice(&cut);
        assert_true(all.len > CLIENT_HELLO_BYTES_MAX);
        assert_int_equal(client_hello_read(slice_sub(all, 0, CLIENT_HELLO_BYTES_MAX - 1), &name),
                         CLIENT_HELLO_MORE);
        assert_int_equal(client_hello_read(slice_sub(all, 0, CLIENT_HELLO_BYTES_MAX), &name),
                         CLIENT_HELLO_BAD);
        assert_int_equal(client_hello_read(all, &name), CLIENT_HELLO_BAD);
        buffer_done(&cut);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_openssl_says_is_read),
                cmocka_unit_test(records_of_any_size_make_the_same_message),
                cmocka_unit_test(what_follows_in_records_of_its_own_is_not_looked_at),
                cmocka_unit_test(malformed_bodies_are_bad),
                cmocka_unit_test(what_is_no_client_hello_is_bad_at_once),
                cmocka_unit_test(one_without_an_end_is_bad_at_the_bound),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
