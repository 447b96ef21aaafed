/* Which addresses a list names, and which lists are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "control/translate/pool.h"

static struct address_pool *parse(const char *text)
{
        struct address_pool *pool;
        struct error err;
        if (!address_pool_parse(slice_of(text), &pool, &err))
                fail_msg("%s", err.text);
        return pool;
}

static bool has(const struct address_pool *pool, const char *text)
{
        struct ip_address ip;
        assert_true(ip_parse(slice_of(text), &ip));
        return address_pool_has(pool, &ip);
}

static void assert_at(const struct address_pool *pool, size_t index, const char *text)
{
        char printed[IP_TEXT_SIZE];
        struct ip_address ip = address_pool_at(pool, index);
        assert_true(address_pool_has(pool, &ip));
        assert_string_equal(ip_print(&ip, printed).data, text);
}

static void addresses_ranges_and_networks_are_counted_lowest_first(void **state)
{
        (void)state;
        struct address_pool *pool =
                parse("2001:db8::10, 10.0.1.0/28,10.0.0.254 - 10.0.0.255,192.0.2.7");
        assert_int_equal(address_pool_count(pool), 1 + 16 + 2 + 1);
        assert_at(pool, 0, "10.0.0.254");
        assert_at(pool, 1, "10.0.0.255");
        assert_at(pool, 2, "10.0.1.0");
        assert_at(pool, 17, "10.0.1.15");
        assert_at(pool, 18, "192.0.2.7");
        assert_at(pool, 19, "2001:db8::10");
        assert_false(has(pool, "10.0.1.16"));
        assert_false(has(pool, "10.0.0.253"));
        assert_false(has(pool, "2001:db8::11"));
        address_pool_free(pool);
}

static void ranges_carry_over_bytes(void **state)
{
        (void)state;
        struct address_pool *pool = parse("10.0.255.254-10.1.0.1,2001:db8::ffff:fffe/127,"
                                          "2001:db8::1:fffe-2001:db8::2:1");
        assert_int_equal(address_pool_count(pool), 4 + 4 + 2);
        assert_at(pool, 1, "10.0.255.255");
        assert_at(pool, 2, "10.1.0.0");
        assert_at(pool, 6, "2001:db8::2:0");
        assert_at(pool, 9, "2001:db8::ffff:ffff");
        address_pool_free(pool);
}

static void as_many_addresses_as_are_allowed_and_not_one_more(void **state)
{
        (void)state;
        struct address_pool *pool;
        struct error err;
        pool = parse("10.0.0.0/16");
        assert_int_equal(address_pool_count(pool), ADDRESS_POOL_MAX);
        assert_at(pool, ADDRESS_POOL_MAX - 1, "10.0.255.255");
        address_pool_free(pool);
        assert_false(address_pool_parse(SLICE("10.0.0.0/16,10.1.0.0"), &pool, &err));
        assert_string_equal(err.text,
                            "\"10.1.0.0\" makes more than 65536 addresses in all, wants fewer");
}

static void what_is_no_pool_is_told_by_its_entry(void **state)
{
        static const char *const cases[][2] = {
                {"", "names no address"},
                {"10.0.0.1,", "\"\" is empty, wants an address"},
                {"10.0.0.1,,10.0.0.2", "\"\" is empty, wants an address"},
                {"10.0.0", "\"10.0.0\" is no IP address, range (A-B) or network (A/BITS)"},
                {"10.0.0.1-", "\"10.0.0.1-\" is no IP address, range (A-B) or network (A/BITS)"},
                {"example.com",
                 "\"example.com\" is no IP address, range (A-B) or network (A/BITS)"},
                {"::ffff:10.0.0.1",
                 "\"::ffff:10.0.0.1\" is no IP address, range (A-B) or network (A/BITS)"},
                {"10.0.0.0/33", "\"10.0.0.0/33\" has no such number of bits"},
                {"10.0.0.0/", "\"10.0.0.0/\" has no such number of bits"},
                {"10.0.0.1/24", "\"10.0.0.1/24\" has bits behind its network's"},
                {"10.0.0.9-10.0.0.1", "\"10.0.0.9-10.0.0.1\" ends before it begins"},
                {"10.0.0.9-2001:db8::1",
                 "\"10.0.0.9-2001:db8::1\" begins with IPv4 and ends with IPv6, or the other way"},
                {"0.0.0.0", "\"0.0.0.0\" has an address that no client can ask for"},
                {"::", "\"::\" has an address that no client can ask for"},
                {"224.0.0.1", "\"224.0.0.1\" has an address that no client can ask for"},
                {"ff02::1", "\"ff02::1\" has an address that no client can ask for"},
                {"fe80::1", "\"fe80::1\" has an address that no client can ask for"},
                {"10.0.0.0/8",
                 "\"10.0.0.0/8\" makes more than 65536 addresses in all, wants fewer"},
                {"2001:db8::/32",
                 "\"2001:db8::/32\" makes more than 65536 addresses in all, wants fewer"},
                {"10.0.0.5,10.0.0.0/28", "10.0.0.5 is there twice, wants it once"},
                {"10.0.0.1,10.0.0.1", "10.0.0.1 is there twice, wants it once"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                struct address_pool *pool;
                struct error err;
                assert_false(address_pool_parse(slice_of(cases[i][0]), &pool, &err));
                assert_string_equal(err.text, cases[i][1]);
                assert_int_equal(err.code, ERROR_USAGE);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(addresses_ranges_and_networks_are_counted_lowest_first),
                cmocka_unit_test(ranges_carry_over_bytes),
                cmocka_unit_test(as_many_addresses_as_are_allowed_and_not_one_more),
                cmocka_unit_test(what_is_no_pool_is_told_by_its_entry),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
