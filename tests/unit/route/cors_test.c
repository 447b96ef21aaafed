/* HTTPCORSFilter: which origins match, and what answers bear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "route/cors.h"

static struct arena arena;

static int setup(void **state)
{
        (void)state;
        arena_init(&arena, 64 * 1024);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        arena_done(&arena);
        return 0;
}

static const struct origin_row {
        const char *pattern, *origin;
        bool matches;
} origin_rows[] = {
        {"https://www.foo.com", "https://www.foo.com", true},
        {"https://www.foo.com", "https://WWW.foo.com", true},
        {"https://www.foo.com", "http://www.foo.com", false},
        {"https://www.foo.com", "https://www.foo.com:443", true},
        {"https://www.foo.com:443", "https://www.foo.com", true},
        {"https://www.foo.com", "https://www.foo.com:8443", false},
        {"http://www.foo.com:8080", "http://www.foo.com:8080", true},
        {"http://www.foo.com:8080", "http://www.foo.com", false},
        {"https://www.foo.com", "https://www.foo.com.evil.example", false},
        {"https://www.foo.com", "https://evilwww.foo.com", false},
        {"https://www.foo.com", "https://www.foo.com/", false},
        {"https://www.foo.com", "https://www.foo.com@evil.example", false},
        {"https://*.bar.com", "https://www.bar.com", true},
        {"https://*.bar.com", "https://xpto.www.bar.com", true},
        {"https://*.bar.com", "https://bar.com", false},
        {"https://*.bar.com", "https://foobar.com", false},
        {"https://*.bar.com", "https://.bar.com", false},
        {"https://*.bar.com", "https://www.bar.com:444", false},
        {"https://*.bar.com:444", "https://www.bar.com:444", true},
        {"https://*.bar.com", "https://evil.example/.bar.com", false},
        {"https://*.bar.com", "https://*.bar.com", false},
        {"https://*", "https://any.example", true},
        {"https://*", "https://[::1]", true},
        {"https://*", "http://any.example", false},
        {"https://*", "https://any.example:1", false},
        {"*", "https://any.example:1", true},
        {"*", "null", false},
        {"*", "", false},
        {"*", "file://", false},
        {"*", "https://", false},
        {"*", "https://a b", false},
        {"*", "https://a:99999", false},
        {"*", "https://a:", false},
        {"*", "https://[::1", false},
        {"*", "https://[::1]x", false},
};

static void origins_match_by_scheme_host_and_port(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT_OF(origin_rows); i++) {
                const struct origin_row *row = &origin_rows[i];
                if (cors_origin_matches(slice_of(row->pattern), slice_of(row->origin)) !=
                    row->matches)
                        fail_msg("%s with %s", row->pattern, row->origin);
        }
}

/* ---- answers ---- */

struct page {
        const char *method, *origin, *asked_method, *asked_headers;
};

static struct request_head request_of(const struct page *page)
{
        struct request_head head = {.method = slice_of(page->method)};
        const struct {
                const char *name, *value;
        } fields[] = {{"origin", page->origin},
                      {"access-control-request-method", page->asked_method},
                      {"access-control-request-headers", page->asked_headers}};
        header_list_init(&head.headers, &arena);
        for (size_t i = 0; i < COUNT_OF(fields); i++)
                if (fields[i].value)
                        header_append(&head.headers, slice_of(fields[i].name),
                                      slice_of(fields[i].value));
        return head;
}

static struct header_list answer_of(const struct route_cors *cors, const struct page *page)
{
        struct request_head head = request_of(page);
        struct header_list headers;
        header_list_init(&headers, &arena);
        header_append(&headers, SLICE("access-control-allow-origin"), SLICE("https://backend"));
        header_append(&headers, SLICE("access-control-allow-credentials"), SLICE("true"));
        if (cors_is_preflight(&head))
                cors_answer_preflight(cors, &head, &headers);
        else
                cors_answer(cors, cors_origin_of(&head), &headers);
        return headers;
}

static void assert_field(const struct header_list *headers, const char *name, const char *wanted)
{
        const struct header *got = header_find(headers, slice_of(name));
        if (!wanted && got)
                fail_msg("%s is \"%.*s\", wanted none", name, SLICE_ARG(got->value));
        if (wanted && (!got || !slice_is(got->value, wanted)))
                fail_msg("%s is \"%.*s\", wanted \"%s\"", name,
                         SLICE_ARG(got ? got->value : SLICE_NONE), wanted);
}

static const struct slice two_origins[] = {{"https://www.foo.com", 19}, {"https://*.bar.com", 17}};
static const struct slice any_origin[] = {{"*", 1}};

static const struct route_cors lists = {.origins = two_origins,
                                        .origin_count = 2,
                                        .credentials = true,
                                        .methods = SLICE("GET, OPTIONS"),
                                        .headers = SLICE("x-header-1, x-header-2"),
                                        .exposed = SLICE("x-header-3, x-header-4"),
                                        .max_age = 3600};
static const struct route_cors wild = {.origins = any_origin,
                                       .origin_count = 1,
                                       .methods = SLICE("*"),
                                       .headers = SLICE("*"),
                                       .exposed = SLICE("*"),
                                       .max_age = 5};

static void a_preflight_gets_what_the_filter_lists(void **state)
{
        (void)state;
        const struct page page = {"OPTIONS", "https://x.bar.com", "DELETE", "x-other"};
        struct header_list headers = answer_of(&lists, &page);
        assert_field(&headers, "access-control-allow-origin", "https://x.bar.com");
        assert_field(&headers, "access-control-allow-methods", "GET, OPTIONS");
        assert_field(&headers, "access-control-allow-headers", "x-header-1, x-header-2");
        assert_field(&headers, "access-control-expose-headers", "x-header-3, x-header-4");
        assert_field(&headers, "access-control-allow-credentials", "true");
        assert_field(&headers, "access-control-max-age", "3600");
        assert_field(&headers, "vary", "origin");
}

static void an_origin_that_does_not_match_gets_nothing_not_even_from_the_backend(void **state)
{
        (void)state;
        const struct page pages[] = {{"OPTIONS", "https://foobar.com", "GET", NULL},
                                     {"GET", "https://foobar.com", NULL, NULL},
                                     {"GET", NULL, NULL, NULL}};
        for (size_t i = 0; i < COUNT_OF(pages); i++) {
                struct header_list headers = answer_of(&lists, &pages[i]);
                assert_int_equal(headers.count, 1);
                assert_field(&headers, "vary", "origin");
        }
}

static void wildcards_stay_wildcards_without_credentials(void **state)
{
        (void)state;
        const struct page page = {"OPTIONS", "null", "PUT", "x-a"};
        struct header_list headers = answer_of(&wild, &page);
        assert_field(&headers, "access-control-allow-origin", "*");
        assert_field(&headers, "access-control-allow-methods", "*");
        assert_field(&headers, "access-control-allow-headers", "*");
        assert_field(&headers, "access-control-allow-credentials", NULL);
        assert_field(&headers, "access-control-max-age", "5");
        assert_field(&headers, "vary", NULL);
}

static void nothing_is_a_wildcard_with_credentials(void **state)
{
        (void)state;
        struct route_cors cors = wild;
        cors.credentials = true;
        cors.exposed = SLICE_NONE; /* as translate makes of "*" */
        const struct page page = {"OPTIONS", "https://a.example:1", "PUT", "x-a, x-b"};
        const struct page bare = {"OPTIONS", "https://a.example", "PUT", NULL};
        const struct page evil = {"OPTIONS", "https://a.example", "P UT", "x a"};
        const struct page star = {"OPTIONS", "https://a.example", "*", "x-a, *"};
        const struct page null = {"OPTIONS", "null", "PUT", NULL};
        struct header_list headers = answer_of(&cors, &page);
        assert_field(&headers, "access-control-allow-origin", "https://a.example:1");
        assert_field(&headers, "access-control-allow-methods", "PUT");
        assert_field(&headers, "access-control-allow-headers", "x-a, x-b");
        headers = answer_of(&cors, &bare);
        assert_field(&headers, "access-control-allow-headers", NULL);
        headers = answer_of(&cors, &evil);
        assert_field(&headers, "access-control-allow-methods", NULL);
        assert_field(&headers, "access-control-allow-headers", NULL);
        headers = answer_of(&cors, &star);
        assert_field(&headers, "access-control-allow-methods", NULL);
        assert_field(&headers, "access-control-allow-headers", NULL);
        headers = answer_of(&cors, &null);
        assert_field(&headers, "access-control-allow-origin", NULL);
        assert_field(&headers, "access-control-allow-credentials", NULL);
}

static void only_options_with_origin_and_method_is_a_preflight(void **state)
{
        (void)state;
        const struct page pages[] = {{"OPTIONS", "https://a", "GET", NULL},
                                     {"OPTIONS", "https://a", NULL, NULL},
                                     {"OPTIONS", NULL, "GET", NULL},
                                     {"GET", "https://a", "GET", NULL}};
        for (size_t i = 0; i < COUNT_OF(pages); i++) {
                struct request_head head = request_of(&pages[i]);
                assert_true(cors_is_preflight(&head) == (i == 0));
        }
}

static void two_origins_in_one_request_are_none(void **state)
{
        (void)state;
        const struct page page = {"GET", "https://www.foo.com", NULL, NULL};
        struct request_head head = request_of(&page);
        assert_int_equal(cors_origin_of(&head).len, 19);
        header_append(&head.headers, SLICE("origin"), SLICE("https://www.foo.com"));
        assert_int_equal(cors_origin_of(&head).len, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(origins_match_by_scheme_host_and_port),
                cmocka_unit_test(a_preflight_gets_what_the_filter_lists),
                cmocka_unit_test(
                        an_origin_that_does_not_match_gets_nothing_not_even_from_the_backend),
                cmocka_unit_test(wildcards_stay_wildcards_without_credentials),
                cmocka_unit_test(nothing_is_a_wildcard_with_credentials),
                cmocka_unit_test(only_options_with_origin_and_method_is_a_preflight),
                cmocka_unit_test(two_origins_in_one_request_are_none),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
