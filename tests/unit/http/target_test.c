#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/target.h"

struct row {
        const char *text;
        const char *says; /* the target that comes out, or the fault's token */
};

static void check(const struct row *rows, size_t count, bool ambiguous, bool right)
{
        struct http_limits limits = http_limits_default();
        limits.allow_ambiguous_paths = ambiguous;
        for (size_t i = 0; i < count; i++) {
                struct arena arena;
                struct request_head head = {0};
                struct http_fault fault = {0, ""};
                arena_init(&arena, 1024);
                bool passed = target_parse(slice_of(rows[i].text), &limits, &arena, &head, &fault);
                struct slice got = passed ? head.target : slice_of(fault.token);
                if (passed != right || !slice_is(got, rows[i].says))
                        fail_msg("%s -> %.*s, wanted %s", rows[i].text, SLICE_ARG(got),
                                 rows[i].says);
                if (!passed)
                        assert_int_equal(fault.status, 400);
                arena_done(&arena);
        }
}

static void an_ordinary_target_passes_as_it_is(void **state)
{
        static const struct row rows[] = {
                {"/", "/"},
                {"/a", "/a"},
                {"/a/", "/a/"},
                {"/a/b.c/d", "/a/b.c/d"},
                {"/.well-known/x", "/.well-known/x"},
                {"/a..b/..c/d..", "/a..b/..c/d.."},
                {"/...", "/..."},
                {"/a;x=1/b", "/a;x=1/b"},
                {"/a%20b%C3%A4", "/a%20b%C3%A4"},
                {"/a%25b%252e", "/a%25b%252e"},
                {"/a%25%32%65", "/a%252e"},
                {"/@:!$&'()*+,=~_-", "/@:!$&'()*+,=~_-"},
                {"/a[0]{b}|^`", "/a[0]{b}|^`"},
                {"/?", "/?"},
                {"/?a=b&c=%zz%", "/?a=b&c=%zz%"},
                {"/?a=/../b", "/?a=/../b"},
                {"/?x\\y//%2f%00", "/?x\\y//%2f%00"},
                {"/a?b?c", "/a?b?c"},
        };
        (void)state;
        check(rows, COUNT_OF(rows), false, true);
}

static void encodings_that_mean_the_same_become_the_same(void **state)
{
        static const struct row rows[] = {
                {"/%61dmin", "/admin"},       {"/%41%5A%7a%30%39", "/AZz09"},
                {"/%7E%2D%5F%2ea", "/~-_.a"}, {"/%61?%61", "/a?%61"},
                {"/%3f%23", "/%3f%23"},       {"/%3B", "/%3B"},
        };
        (void)state;
        check(rows, COUNT_OF(rows), false, true);
}

static void what_matcher_and_backend_could_read_differently_is_refused(void **state)
{
        static const struct row rows[] = {
                {"", "target_form"},
                {"a", "target_form"},
                {"*", "target_form"},
                {"/.", "path_dot_segment"},
                {"/..", "path_dot_segment"},
                {"/./", "path_dot_segment"},
                {"/../", "path_dot_segment"},
                {"/a/..", "path_dot_segment"},
                {"/a/./b", "path_dot_segment"},
                {"/a/../b", "path_dot_segment"},
                {"/..?x", "path_dot_segment"},
                {"/%2e", "path_dot_segment"},
                {"/%2E%2e/", "path_dot_segment"},
                {"/.%2e", "path_dot_segment"},
                {"/a/%2e./b", "path_dot_segment"},
                {"/..;/a", "path_dot_segment"},
                {"/a/..;x=y/b", "path_dot_segment"},
                {"/.;/a", "path_dot_segment"},
                {"/%2e%2e;", "path_dot_segment"},
                {"/..%3b/a", "path_dot_segment"},
                {"/a/.%3Bx/b", "path_dot_segment"},
                {"/;x/a", "path_empty_segment"},
                {"/a/;/b", "path_empty_segment"},
                {"/%3bx/a", "path_empty_segment"},
                {"//", "path_empty_segment"},
                {"//a", "path_empty_segment"},
                {"/a//b", "path_empty_segment"},
                {"/a//", "path_empty_segment"},
                {"/a%2fb", "path_encoded_slash"},
                {"/a%2Fb", "path_encoded_slash"},
                {"/..%2fa", "path_encoded_slash"},
                {"/a%5cb", "path_encoded_slash"},
                {"/a%5C..", "path_encoded_slash"},
                {"/a\\b", "path_character"},
                {"/\\..\\", "path_character"},
                {"/%00", "path_encoded_control"},
                {"/a%00.png", "path_encoded_control"},
                {"/%0d%0aX:", "path_encoded_control"},
                {"/%1f", "path_encoded_control"},
                {"/%7f", "path_encoded_control"},
                {"/%7F", "path_encoded_control"},
                {"/%", "path_encoding"},
                {"/%4", "path_encoding"},
                {"/%zz", "path_encoding"},
                {"/%4g", "path_encoding"},
                {"/%u0041", "path_encoding"},
                {"/%%41", "path_encoding"},
                {"/a#b", "path_character"},
                {"/a b", "path_character"},
                {"/a\tb", "path_character"},
                {"/a\"b", "path_character"},
                {"/<a>", "path_character"},
                {"/\xc3\xa4", "path_character"},
                {"/\x7f", "path_character"},
                {"/?#", "query_character"},
                {"/? ", "query_character"},
                {"/?\"", "query_character"},
                {"/?<", "query_character"},
                {"/?\xff", "query_character"},
        };
        (void)state;
        check(rows, COUNT_OF(rows), false, false);
}

static void ambiguous_paths_can_be_allowed_but_dots_and_nul_never(void **state)
{
        static const struct row right[] = {
                {"//a", "//a"}, {"/a//", "/a//"}, {"/a%2fb", "/a%2fb"}, {"/a%5Cb", "/a%5Cb"}};
        static const struct row wrong[] = {
                {"//..", "path_dot_segment"},        {"/a%2f..", "path_dot_segment"},
                {"/a%2f../b", "path_dot_segment"},   {"/a%5c%2e%2e", "path_dot_segment"},
                {"/..%2fb", "path_dot_segment"},     {"/a/..%2F", "path_dot_segment"},
                {"/a%2f..%5cb", "path_dot_segment"}, {"/a%2f%00", "path_encoded_control"},
                {"/a\\..", "path_character"}};
        (void)state;
        check(right, COUNT_OF(right), true, true);
        check(wrong, COUNT_OF(wrong), true, false);
}

static void a_path_is_read_with_its_parameters_and_without(void **state)
{
        static const struct row rows[] = {
                {"/a/b", "/a/b"},      {"/a;x/b;y", "/a/b"}, {"/a;/b", "/a/b"},
                {"/a;x;y=z", "/a"},    {"/a%3bx/b", "/a/b"}, {"/a/;x", "/a/"},
                {"/;x", "/"},          {"/a%20;b", "/a%20"}, {"/a;%20/b", "/a/b"},
                {"/a%3B%3b%20", "/a"}, {"/a?b;c", "/a"},
        };
        struct http_limits limits = http_limits_default();
        (void)state;
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct arena arena;
                struct request_head head = {0};
                struct http_fault fault;
                arena_init(&arena, 1024);
                assert_true(target_parse(slice_of(rows[i].text), &limits, &arena, &head, &fault));
                if (!slice_is(head.plain_path, rows[i].says))
                        fail_msg("%s -> %.*s", rows[i].text, SLICE_ARG(head.plain_path));
                arena_done(&arena);
        }
}

static void path_and_query_are_parts_of_the_target(void **state)
{
        struct http_limits limits = http_limits_default();
        struct arena arena;
        struct request_head head = {0};
        struct http_fault fault;
        (void)state;
        arena_init(&arena, 1024);
        assert_true(target_parse(SLICE("/%61/b?c?d"), &limits, &arena, &head, &fault));
        assert_true(slice_is(head.path, "/a/b"));
        assert_true(slice_is(head.query, "c?d"));
        assert_true(head.has_query);
        assert_true(target_parse(SLICE("/x?"), &limits, &arena, &head, &fault));
        assert_true(head.has_query && head.query.len == 0);
        assert_true(target_parse(SLICE("/x"), &limits, &arena, &head, &fault));
        assert_false(head.has_query);
        arena_done(&arena);
}

static void an_authority_comes_out_lower_case_and_in_parts(void **state)
{
        struct arena arena;
        struct authority authority;
        (void)state;
        arena_init(&arena, 1024);
        assert_true(authority_parse(SLICE("A.Example.:8443"), &arena, &authority));
        assert_true(slice_is(authority.text, "a.example.:8443"));
        assert_true(slice_is(authority.host, "a.example."));
        assert_int_equal(authority.port, 8443);
        assert_true(authority_parse(SLICE("[2001:DB8::1]"), &arena, &authority));
        assert_true(slice_is(authority.host, "[2001:db8::1]"));
        assert_int_equal(authority.port, 0);
        assert_false(authority_parse(SLICE_NONE, &arena, &authority));
        assert_false(authority_parse(SLICE("[::1\0]"), &arena, &authority));
        arena_done(&arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_ordinary_target_passes_as_it_is),
                cmocka_unit_test(encodings_that_mean_the_same_become_the_same),
                cmocka_unit_test(what_matcher_and_backend_could_read_differently_is_refused),
                cmocka_unit_test(ambiguous_paths_can_be_allowed_but_dots_and_nul_never),
                cmocka_unit_test(a_path_is_read_with_its_parameters_and_without),
                cmocka_unit_test(path_and_query_are_parts_of_the_target),
                cmocka_unit_test(an_authority_comes_out_lower_case_and_in_parts),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
