#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "route/host_match.h"

static void patterns_match_what_gateway_api_says(void **state)
{
        static const struct {
                const char *pattern, *host;
                bool matches;
        } rows[] = {
                {"", "anything.example", true},
                {"", "", true},
                {"", "10.0.0.1", true},
                {"example.org", "example.org", true},
                {"example.org", "EXAMPLE.org.", true},
                {"Example.ORG", "example.org", true},
                {"example.org", "a.example.org", false},
                {"example.org", "", false},
                {"example.org", "example.org..", false},
                {"*.example.org", "a.example.org", true},
                {"*.example.org", "a.b.example.org", true},
                {"*.example.org", "A.EXAMPLE.ORG.", true},
                {"*.example.org", "example.org", false},
                {"*.example.org", ".example.org", false},
                {"*.example.org", "badexample.org", false},
                {"10.0.0.1", "10.0.0.1", false},
                {"*.1", "10.0.0.1", false},
                {"*.0.0.1", "127.0.0.1", false},
                {"[::1]", "[::1]", false},
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct arena arena;
                arena_init(&arena, 256);
                struct slice pattern = slice_of(rows[i].pattern), host = slice_of(rows[i].host);
                struct host_entry entry = {pattern, &arena};
                struct host_table *table = host_table_build(&entry, 1, &arena);
                if (host_matches(pattern, host) != rows[i].matches)
                        fail_msg("host_matches(%s, %s)", rows[i].pattern, rows[i].host);
                if ((host_table_find(table, host) != NULL) != rows[i].matches)
                        fail_msg("host_table_find(%s, %s)", rows[i].pattern, rows[i].host);
                arena_done(&arena);
        }
}

static void hosts_too_long_for_a_name_match_only_the_empty_pattern(void **state)
{
        char long_host[400];
        struct arena arena;
        (void)state;
        for (size_t i = 0; i < sizeof(long_host); i++)
                long_host[i] = i % 2 ? '.' : 'a';
        arena_init(&arena, 256);
        struct host_entry entry = {SLICE("*.a.a"), &arena};
        struct host_table *table = host_table_build(&entry, 1, &arena);
        assert_null(host_table_find(table, slice_from(long_host, 399)));
        assert_non_null(host_table_find(table, slice_from(long_host, 255)));
        assert_false(host_matches(entry.pattern, slice_from(long_host, 399)));
        arena_done(&arena);
}

static void exact_is_more_specific_than_wildcard_than_empty(void **state)
{
        static const char *const order[] = {"", "*.org", "*.example.org", "a.b", "a.example.org"};
        (void)state;
        for (int a = 0; a < 5; a++)
                for (int b = 0; b < 5; b++) {
                        int by = host_specificity_compare(slice_of(order[a]), slice_of(order[b]));
                        assert_int_equal((by > 0) - (by < 0), (a > b) - (a < b));
                }
}

static void intersection_is_the_more_specific_pattern_or_none(void **state)
{
        static const struct {
                const char *a, *b, *meets; /* NULL: they do not */
        } rows[] = {
                {"", "", ""},
                {"", "a.org", "a.org"},
                {"*.org", "a.org", "a.org"},
                {"*.org", "*.a.org", "*.a.org"},
                {"*.a.org", "*.b.org", NULL},
                {"*.a.org", "a.org", NULL},
                {"a.org", "b.org", NULL},
                {"*.a.org", "*.aa.org", NULL},
                {"a.org", "A.org", "A.org"},
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                for (int turn = 0; turn < 2; turn++) {
                        struct slice a = slice_of(turn ? rows[i].b : rows[i].a), out;
                        struct slice b = slice_of(turn ? rows[i].a : rows[i].b);
                        assert_int_equal(host_intersect(a, b, &out), rows[i].meets != NULL);
                        if (rows[i].meets)
                                assert_true(slice_equal_nocase(out, slice_of(rows[i].meets)));
                }
}

/* Random hosts over a small alphabet of labels, against a walk over all patterns. */
static void table_agrees_with_a_walk_over_all_patterns(void **state)
{
        static const char *const labels[] = {"a", "b", "c", "org", "net"};
        char text[40][64];
        (void)state;
        srandom(7);
        for (int round = 0; round < 400; round++) {
                struct host_entry entries[20];
                struct arena arena;
                arena_init(&arena, 4096);
                for (int i = 0; i < 40; i++) {
                        int at = i < 20 && random() % 3 == 0 ? snprintf(text[i], 64, "*.") : 0;
                        int count = 1 + (int)(random() % 3);
                        for (int l = 0; l < count; l++)
                                at += snprintf(text[i] + at, (size_t)(64 - at), "%s%s",
                                               l ? "." : "", labels[random() % 5]);
                        if (i < 20)
                                entries[i] = (struct host_entry){slice_of(text[i]), text[i]};
                }
                entries[3].pattern = round % 2 ? SLICE("") : entries[3].pattern;
                struct host_table *table = host_table_build(entries, 20, &arena);
                for (int i = 20; i < 40; i++) {
                        const struct host_entry *best = NULL;
                        for (int e = 0; e < 20; e++)
                                if (host_matches(entries[e].pattern, slice_of(text[i])) &&
                                    (!best || host_specificity_compare(entries[e].pattern,
                                                                       best->pattern) > 0))
                                        best = &entries[e];
                        assert_ptr_equal(host_table_find(table, slice_of(text[i])),
                                         best ? best->value : NULL);
                }
                arena_done(&arena);
        }
}

static void table_tells_what_it_keeps(void **state)
{
        (void)state;
        struct arena arena;
        struct host_entry kept;
        int first, second;
        arena_init(&arena, 1024);
        struct host_entry entries[] = {{SLICE("*.Example.org"), &first},
                                       {SLICE("*.example.org"), &second},
                                       {SLICE(""), &first},
                                       {SLICE(""), &second},
                                       {SLICE("a.example.org"), &second}};
        struct host_table *table = host_table_build(entries, 5, &arena);
        static const char *const patterns[] = {"*.example.org", "", "a.example.org"};
        void *const values[] = {&first, &first, &second};
        size_t at = 0;
        for (size_t i = 0; i < 3; i++) {
                assert_true(host_table_next(table, &at, &kept));
                assert_true(slice_is(kept.pattern, patterns[i]));
                assert_ptr_equal(kept.value, values[i]);
        }
        assert_false(host_table_next(table, &at, &kept));
        arena_done(&arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(patterns_match_what_gateway_api_says),
                cmocka_unit_test(hosts_too_long_for_a_name_match_only_the_empty_pattern),
                cmocka_unit_test(exact_is_more_specific_than_wildcard_than_empty),
                cmocka_unit_test(intersection_is_the_more_specific_pattern_or_none),
                cmocka_unit_test(table_agrees_with_a_walk_over_all_patterns),
                cmocka_unit_test(table_tells_what_it_keeps),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
