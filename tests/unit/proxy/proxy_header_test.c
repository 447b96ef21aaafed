/* The PROXY protocol, as a load balancer in front speaks it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "proxy/proxy_header.h"

#define V2_START "\r\n\r\n\0\r\nQUIT\n"
#define TCP4                                                                                       \
        "\xc0\0\2\1"                                                                               \
        "\xc0\0\2\2"                                                                               \
        "\x13\x88"                                                                                 \
        "\1\xbb"
#define V6_ONE                                                                                     \
        "\x20\1\xd\xb8"                                                                            \
        "\0\0\0\0"                                                                                 \
        "\0\0\0\0"                                                                                 \
        "\0\0\0\1"
#define UNIX_216                                                                                   \
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"         \
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"         \
        "0123456789abcdef0123456789abcdef0123456789abcdef01234567"

static void must_read(struct slice text, const char *from, const char *to)
{
        struct proxy_header header;
        char printed[EVENT_ADDRESS_SIZE], more[512];
        for (size_t len = 0; len < text.len; len++)
                assert_int_equal(proxy_header_read(slice_sub(text, 0, len), &header),
                                 PROXY_HEADER_MORE);
        memcpy(more, text.data, text.len);
        memcpy(more + text.len, "\x16\x03\x01", 3);
        assert_int_equal(proxy_header_read(slice_from(more, text.len + 3), &header),
                         PROXY_HEADER_DONE);
        assert_int_equal(header.len, text.len);
        assert_string_equal(event_address_print(&header.from, true, printed), from);
        assert_string_equal(event_address_print(&header.to, true, printed), to);
}

static void both_versions_say_who_and_where_to(void **state)
{
        (void)state;
        must_read(SLICE("PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n"), "192.0.2.1:5000",
                  "192.0.2.2:443");
        must_read(SLICE("PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n"), "[2001:db8::1]:0",
                  "[2001:db8::2]:65535");
        must_read(SLICE(V2_START "\x21\x11\0\x0c" TCP4), "192.0.2.1:5000", "192.0.2.2:443");
        must_read(SLICE(V2_START "\x21\x21\0\x24" V6_ONE V6_ONE "\x13\x88"
                                 "\1\xbb"),
                  "[2001:db8::1]:5000", "[2001:db8::1]:443");
}

static void a_mapped_address_is_the_one_that_it_stands_for(void **state)
{
        (void)state;
        must_read(SLICE("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 5000 443\r\n"),
                  "192.0.2.1:5000", "192.0.2.2:443");
}

static void some_say_nothing(void **state)
{
        (void)state;
        must_read(SLICE("PROXY UNKNOWN\r\n"), "", "");
        must_read(SLICE("PROXY UNKNOWN ffff::1 whatever 0\r\n"), "", "");
        must_read(SLICE(V2_START "\x20\0\0\0"), "", "");
        must_read(SLICE(V2_START "\x20\x11\0\3abc"), "", "");
        must_read(SLICE(V2_START "\x21\0\0\3abc"), "", "");
        must_read(SLICE(V2_START "\x21\x31\0\xd8" UNIX_216), "", "");
}

static void tlvs_are_passed_over(void **state)
{
        (void)state;
        must_read(SLICE(V2_START "\x21\x11\0\x18" TCP4 "\2\0\4host"
                                 "\xe0\0\2ab"),
                  "192.0.2.1:5000", "192.0.2.2:443");
        must_read(SLICE(V2_START "\x21\x11\0\x0f" TCP4 "\4\0\0"), "192.0.2.1:5000",
                  "192.0.2.2:443");
}

static void what_is_not_exactly_a_header_is_bad(void **state)
{
        (void)state;
        static const struct slice rows[] = {
                SLICE("G"), SLICE("\x16\x03"), SLICE("\rX"), SLICE("proxy "),
                SLICE("PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\n"),
                SLICE("PROXY  TCP4 192.0.2.1 192.0.2.2 5000 443\r\n"),
                SLICE("PROXY TCP4 192.0.2.1 192.0.2.2 5000 443 \r\n"),
                SLICE("PROXY TCP4 192.0.2.1 192.0.2.2 5000\r\n"),
                SLICE("PROXY TCP4 192.0.2.1 192.0.2.2 5000 443 1\r\n"),
                SLICE("PROXY TCP4 192.0.2.1 192.0.2.2 05000 443\r\n"),
                SLICE("PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n"),
                SLICE("PROXY TCP4 192.0.2.1 192.0.2.2 -1 443\r\n"),
                SLICE("PROXY TCP4 192.0.2.1 192.0.2 5000 443\r\n"),
                SLICE("PROXY TCP4 192.0.2.1 192.0.2.256 5000 443\r\n"),
                SLICE("PROXY TCP4 2001:db8::1 2001:db8::1 5000 443\r\n"),
                SLICE("PROXY TCP6 192.0.2.1 192.0.2.2 5000 443\r\n"),
                SLICE("PROXY TCP6 2001:db8::1%eth0 2001:db8::1 5000 443\r\n"),
                SLICE("PROXY TCP4 192.0.2.1\0 192.0.2.2 5000 443\r\n"),
                SLICE("PROXY TCP5 192.0.2.1 192.0.2.2 5000 443\r\n"), SLICE("PROXY \r\n"),
                SLICE("PROXY UNKNOWNX\r\n"),
                /* 107 bytes, and no end */
                SLICE("PROXY UNKNOWN 0123456789012345678901234567890123456789012345678901234567890"
                      "1234567890123456789012345678901234567890"),
                SLICE(V2_START "\x11\x11\0\x0c" TCP4), /* version 1 in it */
                SLICE(V2_START "\x22\x11\0\x0c" TCP4), /* a command of no name */
                SLICE(V2_START "\x21\x12\0\x0c" TCP4), /* datagrams */
                SLICE(V2_START "\x21\x41\0\x0c" TCP4), /* a family of no name */
                SLICE(V2_START "\x21\x11\0\x0b" TCP4), /* half an address */
                SLICE(V2_START "\x21\x21\0\x0c" TCP4),
                SLICE(V2_START "\x21\x11\0\x0e" TCP4 "\4\0"),    /* half a TLV */
                SLICE(V2_START "\x21\x11\0\x10" TCP4 "\4\0\5x"), /* one that is too long */
                SLICE(V2_START "\x21\x11\x08\x00" TCP4),         /* more than we read */
        };
        struct proxy_header header;
        for (size_t i = 0; i < COUNT_OF(rows); i++)
                if (proxy_header_read(rows[i], &header) != PROXY_HEADER_BAD)
                        fail_msg("row %zu", i);
}

/* ---- writing ---- */

static void must_write(const struct proxy_client *client, struct slice expected)
{
        struct proxy_header header;
        struct buffer out;
        char a[EVENT_ADDRESS_SIZE], b[EVENT_ADDRESS_SIZE];
        buffer_init(&out, 4096);
        assert_true(proxy_header_write(client, &out));
        assert_int_equal(out.len, expected.len);
        assert_memory_equal(out.data, expected.data, expected.len);
        assert_int_equal(proxy_header_read(buffer_slice(&out), &header), PROXY_HEADER_DONE);
        assert_int_equal(header.len, out.len);
        assert_string_equal(event_address_print(&header.from, true, a),
                            event_address_print(&client->from, true, b));
        assert_string_equal(event_address_print(&header.to, true, a),
                            event_address_print(&client->to, true, b));
        buffer_done(&out);
}

static void a_backend_is_told_who_was_verified(void **state)
{
        (void)state;
        struct proxy_client client = {
                .from = {.family = 4, .port = 5000, .bytes = {192, 0, 2, 1}},
                .to = {.family = 4, .port = 443, .bytes = {192, 0, 2, 2}},
        };
        must_write(&client, SLICE(V2_START "\x21\x11\0\x0c" TCP4));
        client.server_name = SLICE("host");
        must_write(&client, SLICE(V2_START "\x21\x11\0\x13" TCP4 "\2\0\4host"));
        client.tls = true;
        must_write(&client, SLICE(V2_START "\x21\x11\0\x1b" TCP4 "\2\0\4host"
                                           "\x20\0\5\1\0\0\0\1"));
        client.certified = true; /* and let in by AllowInsecureFallback: it has no name here */
        client.name = SLICE("robot");
        must_write(&client, SLICE(V2_START "\x21\x11\0\x1b" TCP4 "\2\0\4host"
                                           "\x20\0\5\3\0\0\0\1"));
        client.verified = true;
        memcpy(client.leaf.bytes, "0123456789abcdef0123456789abcdef", DIGEST_BYTES);
        must_write(&client, SLICE(V2_START "\x21\x11\0\x46" TCP4 "\2\0\4host"
                                           "\x20\0\5\3\0\0\0\0"
                                           "\xe0\0\5robot"
                                           "\xe1\0\x20"
                                           "0123456789abcdef0123456789abcdef"));
}

static void families_that_differ_are_told_as_ipv6(void **state)
{
        (void)state;
        const struct proxy_client client = {
                .from = {.family = 6, .port = 5000, .bytes = V6_ONE},
                .to = {.family = 4, .port = 443, .bytes = {192, 0, 2, 2}},
        };
        must_write(&client,
                   SLICE(V2_START "\x21\x21\0\x24" V6_ONE "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\2"
                                  "\x13\x88"
                                  "\1\xbb"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(both_versions_say_who_and_where_to),
                cmocka_unit_test(a_mapped_address_is_the_one_that_it_stands_for),
                cmocka_unit_test(some_say_nothing),
                cmocka_unit_test(tlvs_are_passed_over),
                cmocka_unit_test(what_is_not_exactly_a_header_is_bad),
                cmocka_unit_test(a_backend_is_told_who_was_verified),
                cmocka_unit_test(families_that_differ_are_told_as_ipv6),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
