/* The tables of HTTPPathModifier and HTTPRequestRedirectFilter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/target.h"
#include "route/rewrite.h"

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

static struct request_head head_of(const char *target, const char *authority)
{
        const struct http_limits limits = http_limits_default();
        struct request_head head = {0};
        struct authority parsed;
        struct http_fault fault;
        assert_true(target_parse(slice_of(target), &limits, &arena, &head, &fault));
        assert_true(authority_parse(slice_of(authority), &arena, &parsed));
        head.authority = parsed.text;
        head.host = parsed.host;
        return head;
}

static void assert_text(struct slice got, const char *wanted)
{
        if (!slice_is(got, wanted))
                fail_msg("got \"%.*s\", wanted \"%s\"", SLICE_ARG(got), wanted);
}

/* upstream's table, row by row, and what it implies for "/". */
static void a_prefix_is_replaced_as_upstreams_table_says(void **state)
{
        (void)state;
        static const char *const rows[][4] = {
                {"/foo/bar", "/foo", "/xyz", "/xyz/bar"},
                {"/foo/bar", "/foo", "/xyz/", "/xyz/bar"},
                {"/foo/bar", "/foo/", "/xyz", "/xyz/bar"},
                {"/foo/bar", "/foo/", "/xyz/", "/xyz/bar"},
                {"/foo", "/foo", "/xyz", "/xyz"},
                {"/foo/", "/foo", "/xyz", "/xyz/"},
                {"/foo/bar", "/foo", "", "/bar"},
                {"/foo/", "/foo", "", "/"},
                {"/foo", "/foo", "", "/"},
                {"/foo/", "/foo", "/", "/"},
                {"/foo", "/foo", "/", "/"},
                {"/foo", "/", "/xyz", "/xyz/foo"},
                {"/", "/", "/xyz", "/xyz/"},
                {"/", "/", "", "/"},
                {"/a;b/c", "/", "/xyz", "/xyz/a;b/c"},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                const struct route_match match = {.path_kind = PATH_MATCH_PREFIX,
                                                  .path = slice_of(rows[i][1])};
                const struct path_modifier modifier = {PATH_REPLACE_PREFIX, slice_of(rows[i][2])};
                assert_text(path_modify(&modifier, &match, slice_of(rows[i][0]), &arena),
                            rows[i][3]);
        }
}

static void a_full_path_is_replaced_and_never_empty(void **state)
{
        (void)state;
        const struct path_modifier full = {PATH_REPLACE_FULL, SLICE("/one")};
        const struct path_modifier none = {PATH_REPLACE_FULL, SLICE_NONE};
        assert_text(path_modify(&full, NULL, SLICE("/a/b"), &arena), "/one");
        assert_text(path_modify(&none, NULL, SLICE("/a/b"), &arena), "/");
}

static void a_rewritten_target_keeps_its_query(void **state)
{
        (void)state;
        struct request_head head = head_of("/a?x=/../y", "h");
        path_rewrite(&head, SLICE("/b"), &arena);
        assert_text(head.target, "/b?x=/../y");
        assert_text(head.path, "/b");
        head = head_of("/a?", "h");
        path_rewrite(&head, SLICE("/b"), &arena);
        assert_text(head.target, "/b?");
        head = head_of("/a", "h");
        path_rewrite(&head, SLICE("/b"), &arena);
        assert_text(head.target, "/b");
}

static void values_are_paths_that_a_request_may_have(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                bool full, prefix;
        } values[] = {
                {"", true, true},          {"/", true, true},
                {"/a", true, true},        {"/a/", true, true},
                {"/a;b=c", true, true},    {"/%61", true, true},
                {"a", false, false},       {"/a?b", false, false},
                {"/a#b", false, false},    {"/..", false, false},
                {"/a/.", false, false},    {"/a/./b", false, false},
                {"//", false, false},      {"/a//b", false, false},
                {"/a b", false, false},    {"/a\r\nX:1", false, false},
                {"/%2e%2e", false, false}, {"/..;x", false, false},
                {"/a/;", true, false},     {"/;x", true, false},
                {"/a%2fb", false, false},
        };
        for (size_t i = 0; i < COUNT_OF(values); i++) {
                struct slice text = slice_of(values[i].text), out;
                const char *fault;
                if (path_value_read(PATH_REPLACE_FULL, text, &arena, &out, &fault) !=
                            values[i].full ||
                    path_value_read(PATH_REPLACE_PREFIX, text, &arena, &out, &fault) !=
                            values[i].prefix)
                        fail_msg("%s", values[i].text);
        }
}

static const struct redirect_row {
        struct route_redirect redirect;
        const char *scheme;
        uint16_t listener_port;
        const char *target, *authority, *location;
} redirect_rows[] = {
        /* without a scheme the listener's port holds, with one the scheme's; its own wins */
        {{.status = 302}, "http", 80, "/a?b=c", "h.example", "http://h.example/a?b=c"},
        {{.status = 302}, "http", 8080, "/", "h.example", "http://h.example:8080/"},
        {{.status = 302}, "http", 8080, "/", "h.example:9", "http://h.example:8080/"},
        {{.status = 302}, "https", 443, "/", "h.example:8443", "https://h.example/"},
        {{.status = 302}, "https", 8443, "/", "h.example", "https://h.example:8443/"},
        {{.status = 302}, "https", 80, "/", "h.example", "https://h.example:80/"},
        {{.scheme = SLICE("https")}, "http", 80, "/", "h.example", "https://h.example/"},
        {{.scheme = SLICE("https")}, "http", 8080, "/", "h.example", "https://h.example/"},
        {{.scheme = SLICE("http")}, "https", 8443, "/", "h.example", "http://h.example/"},
        {{.scheme = SLICE("https"), .port = 8443}, "http", 80, "/", "h", "https://h:8443/"},
        {{.scheme = SLICE("http"), .port = 443}, "http", 80, "/", "h", "http://h:443/"},
        {{.scheme = SLICE("https"), .port = 443}, "http", 80, "/", "h", "https://h/"},
        {{.port = 80}, "http", 8080, "/", "h", "http://h/"},
        {{.port = 8081}, "http", 80, "/", "h", "http://h:8081/"},
        {{.port = 80}, "https", 443, "/", "h", "https://h:80/"},
        /* hosts */
        {{.hostname = SLICE("new.example")}, "http", 80, "/x", "h:80", "http://new.example/x"},
        {{.status = 302}, "http", 80, "/", "H.EXAMPLE", "http://h.example/"},
        {{.status = 302}, "http", 8080, "/", "[::1]:8080", "http://[::1]:8080/"},
        /* paths */
        {{.path = {PATH_REPLACE_FULL, SLICE("/new")}}, "http", 80, "/p/q?r", "h", "http://h/new?r"},
        {{.path = {PATH_REPLACE_PREFIX, SLICE("/new")}}, "http", 80, "/p/q", "h", "http://h/new/q"},
        {{.path = {PATH_REPLACE_PREFIX, SLICE("/")}}, "http", 80, "/p", "h", "http://h/"},
};

static void locations_are_built_as_upstream_says(void **state)
{
        (void)state;
        const struct route_match match = {.path_kind = PATH_MATCH_PREFIX, .path = SLICE("/p")};
        for (size_t i = 0; i < COUNT_OF(redirect_rows); i++) {
                const struct redirect_row *row = &redirect_rows[i];
                struct request_head head = head_of(row->target, row->authority);
                const struct redirect_request request = {.head = &head,
                                                         .match = &match,
                                                         .scheme = slice_of(row->scheme),
                                                         .listener_port = row->listener_port};
                assert_text(redirect_location(&row->redirect, &request, &arena), row->location);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_prefix_is_replaced_as_upstreams_table_says),
                cmocka_unit_test(a_full_path_is_replaced_and_never_empty),
                cmocka_unit_test(a_rewritten_target_keeps_its_query),
                cmocka_unit_test(values_are_paths_that_a_request_may_have),
                cmocka_unit_test(locations_are_built_as_upstream_says),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
