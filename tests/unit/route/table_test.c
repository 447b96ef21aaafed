#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "route/host_match.h"
#include "route/pattern.h"
#include "route/table.h"

/* ---- tables written as rows ---- */

struct row {
        const char *host, *kind, *path, *method, *header, *query; /* "name=value" */
        const char *owner;                                        /* the namespace of its route */
};

static struct name_value pair_of(const char *text)
{
        struct slice s = slice_of(text);
        size_t equals = slice_find(s, '=');
        return (struct name_value){.name = slice_sub(s, 0, equals),
                                   .value = slice_skip(s, equals + 1)};
}

static enum path_match_kind kind_of(const char *kind)
{
        return kind[0] == '='   ? PATH_MATCH_EXACT
               : kind[0] == '~' ? PATH_MATCH_PATTERN
                                : PATH_MATCH_PREFIX;
}

/* NULL for "[", as translate has it. */
static const struct pattern *pattern_of(const char *text, struct arena *arena)
{
        const struct pattern *pattern = NULL;
        assert_true(pattern_build(slice_of(text), arena, &pattern, NULL) ==
                    (strcmp(text, "[") != 0));
        return pattern;
}

/* One route of one rule a row. */
static struct route *routes_of(const struct row *rows, size_t count, struct arena *arena)
{
        struct route *routes = ARENA_ARRAY(arena, struct route, count);
        for (size_t i = 0; i < count; i++) {
                struct route_rule *rule = ARENA_NEW(arena, struct route_rule);
                struct route_match *match = ARENA_NEW(arena, struct route_match);
                struct slice *host = ARENA_NEW(arena, struct slice);
                struct name_value *pairs = ARENA_ARRAY(arena, struct name_value, 2);
                *host = slice_of(rows[i].host);
                match->path_kind = kind_of(rows[i].kind);
                match->path = slice_of(rows[i].path);
                if (match->path_kind == PATH_MATCH_PATTERN)
                        match->pattern = pattern_of(rows[i].path, arena);
                match->method = slice_of(rows[i].method);
                match->headers = &pairs[0];
                match->queries = &pairs[1];
                match->header_count = rows[i].header != NULL;
                match->query_count = rows[i].query != NULL;
                pairs[0] = rows[i].header ? pair_of(rows[i].header) : pairs[0];
                pairs[1] = rows[i].query ? pair_of(rows[i].query) : pairs[1];
                for (size_t n = 0; n < 2; n++)
                        if (slice_starts_with(pairs[n].value, SLICE("~")))
                                pairs[n].pattern = pattern_of(pairs[n].value.data + 1, arena);
                match->blunt = match->path_kind == PATH_MATCH_PATTERN && !match->pattern;
                *rule = (struct route_rule){
                        .route = arena_printf(arena, "%s/r", rows[i].owner ? rows[i].owner : "a"),
                        .matches = match,
                        .match_count = 1};
                routes[i] = (struct route){host, 1, rule, 1};
        }
        return routes;
}

static struct request_head head_of(const char *host, const char *target, const char *method)
{
        struct slice all = slice_of(target);
        size_t question = slice_find(all, '?');
        return (struct request_head){
                .method = slice_of(method),
                .path = slice_sub(all, 0, question),
                .query = slice_skip(all, question + 1),
                .host = slice_of(host),
        };
}

/* The row that answers, or -1. */
static int find(const struct row *rows, size_t count, const struct request_head *head)
{
        struct arena arena;
        int found = -1;
        arena_init(&arena, 4096);
        struct route *routes = routes_of(rows, count, &arena);
        const struct route_rule *rule =
                route_find(route_table_build(routes, count, &arena), head).rule;
        for (size_t i = 0; rule && i < count; i++)
                if (routes[i].rules == rule)
                        found = (int)i;
        arena_done(&arena);
        return found;
}

static void a_table_without_routes_answers_nothing(void **state)
{
        struct request_head head = head_of("a.org", "/", "GET");
        (void)state;
        assert_int_equal(find(NULL, 0, &head), -1);
}

static void precedence_is_host_exact_prefix_method_headers_queries_age(void **state)
{
        static const struct row rows[] = {
                {"", "^", "/", NULL, NULL, NULL},          {"*.org", "^", "/", NULL, NULL, NULL},
                {"a.org", "^", "/", NULL, NULL, NULL},     {"a.org", "^", "/x", NULL, NULL, NULL},
                {"a.org", "^", "/x/y/", NULL, NULL, NULL}, {"a.org", "=", "/x/y", NULL, NULL, NULL},
                {"a.org", "^", "/m", NULL, "h=1", "q=1"},  {"a.org", "^", "/m", "GET", NULL, NULL},
                {"a.org", "^", "/q", NULL, NULL, "q=1"},   {"a.org", "^", "/q", NULL, "h=1", NULL},
                {"a.org", "^", "/t", NULL, NULL, NULL},    {"a.org", "^", "/t", NULL, NULL, NULL},
                {"*.org", "=", "/only", NULL, NULL, NULL},
        };
        static const struct {
                const char *host, *target;
                int row;
        } asks[] = {
                {"b.net", "/", 0},     {"b.org", "/x", 1},     {"a.org", "/", 2},
                {"A.ORG.", "/x", 3},   {"a.org", "/x/", 3},    {"a.org", "/xy", 2},
                {"a.org", "/x/y", 5},  {"a.org", "/x/y/", 4},  {"a.org", "/x/y/z", 4},
                {"a.org", "/x/yz", 3}, {"a.org", "/m?q=1", 7}, {"a.org", "/q?q=1", 9},
                {"a.org", "/t", 10},   {"a.org", "/X", 2},     {"b.org", "/only", 12},
                {"a.org", "*", -1},
        };
        struct arena arena;
        (void)state;
        arena_init(&arena, 256);
        for (size_t i = 0; i < COUNT_OF(asks); i++) {
                struct request_head head = head_of(asks[i].host, asks[i].target, "GET");
                header_list_init(&head.headers, &arena);
                header_append(&head.headers, SLICE("h"), SLICE("1"));
                if (find(rows, COUNT_OF(rows), &head) != asks[i].row)
                        fail_msg("%s %s: %d", asks[i].host, asks[i].target,
                                 find(rows, COUNT_OF(rows), &head));
        }
        arena_done(&arena);
}

static void a_wider_host_answers_what_the_narrow_one_has_no_rule_for(void **state)
{
        static const struct row rows[] = {
                {"a.b.org", "^", "/a", NULL, NULL, NULL},
                {"*.org", "^", "/b", NULL, NULL, NULL},
                {"", "^", "/c", NULL, NULL, NULL},
                {"*.b.org", "^", "/d", NULL, NULL, NULL},
        };
        static const char *const targets[] = {"/a", "/b", "/c", "/d", "/e"};
        (void)state;
        for (int i = 0; i < 5; i++) {
                struct request_head head = head_of("a.b.org", targets[i], "GET");
                assert_int_equal(find(rows, COUNT_OF(rows), &head), i < 4 ? i : -1);
        }
}

static void the_first_of_repeated_headers_and_parameters_counts(void **state)
{
        static const struct row rows[] = {{"", "^", "/", NULL, "X-a=1", "q=a b"}};
        struct request_head head = head_of("a", "/?r=1&q=a%20b&q=2", "GET");
        struct arena arena;
        (void)state;
        arena_init(&arena, 256);
        header_list_init(&head.headers, &arena);
        header_append(&head.headers, SLICE("x-a"), SLICE("1"));
        header_append(&head.headers, SLICE("x-a"), SLICE("2"));
        assert_int_equal(find(rows, 1, &head), 0);
        head.query = SLICE("q=2&q=a+b");
        assert_int_equal(find(rows, 1, &head), -1);
        head.query = SLICE("q=a+b");
        assert_int_equal(find(rows, 1, &head), 0);
        head.headers.items[0].value = SLICE("2");
        assert_int_equal(find(rows, 1, &head), -1);
        arena_done(&arena);
}

static void the_first_of_a_matchs_repeated_names_counts(void **state)
{
        static const struct name_value headers[] = {{SLICE("h"), SLICE("1")},
                                                    {SLICE("h"), SLICE("2")}};
        static const struct route_match matches[] = {
                {.path = SLICE("/"), .headers = headers, .header_count = 2}};
        static const struct route_rule rule = {.matches = matches, .match_count = 1};
        static const struct slice any = {"", 0};
        static const struct route route = {&any, 1, &rule, 1};
        struct request_head head = head_of("a", "/", "GET");
        struct arena arena;
        (void)state;
        arena_init(&arena, 1024);
        header_list_init(&head.headers, &arena);
        header_append(&head.headers, SLICE("h"), SLICE("1"));
        assert_ptr_equal(route_find(route_table_build(&route, 1, &arena), &head).rule, &rule);
        arena_done(&arena);
}

/* ---- patterns ---- */

static void patterns_stand_between_exact_and_prefix_the_longest_first(void **state)
{
        static const struct row rows[] = {
                {"a.org", "^", "/api/v1/users", "GET", "x=1", "q=1"},
                {"a.org", "~", "/api/.*", NULL, NULL, NULL},
                {"a.org", "~", "/api/v[0-9]+/.*", NULL, NULL, NULL},
                {"a.org", "~", "/api/v[0-9]+/.*", "POST", NULL, NULL},
                {"a.org", "=", "/api/v1/me", NULL, NULL, NULL},
                {"*.org", "=", "/api/v1/users", NULL, NULL, NULL},
        };
        const struct {
                const char *target, *method;
                int row;
        } asks[] = {{"/api/v1/users", "GET", 2}, {"/api/v1/users", "POST", 3}, {"/api/x", "GET", 1},
                    {"/api/v1/me", "GET", 4},    {"/x/api/v1/", "GET", -1},    {"/api", "GET", -1}};
        (void)state;
        for (size_t i = 0; i < COUNT_OF(asks); i++) {
                struct request_head head = head_of("a.org", asks[i].target, asks[i].method);
                assert_int_equal(find(rows, COUNT_OF(rows), &head), asks[i].row);
        }
}

static void a_pattern_of_a_condition_is_for_the_whole_value(void **state)
{
        static const struct row rows[] = {
                {"", "^", "/", NULL, "x=~v[12]", "q=~a b|c"},
        };
        struct request_head head = head_of("a", "/?q=a+b&q=x", "GET");
        struct arena arena;
        (void)state;
        arena_init(&arena, 1024);
        header_list_init(&head.headers, &arena);
        assert_int_equal(find(rows, 1, &head), -1);
        header_append(&head.headers, SLICE("x"), SLICE("v2"));
        assert_int_equal(find(rows, 1, &head), 0);
        head.query = SLICE("q=%61%20b");
        assert_int_equal(find(rows, 1, &head), 0);
        head.query = SLICE("q=cc");
        assert_int_equal(find(rows, 1, &head), -1);
        head.query = SLICE("q=c");
        head.headers.items[0].value = SLICE("v22");
        assert_int_equal(find(rows, 1, &head), -1);
        arena_done(&arena);
}

/* Nobody knows what it was to match, so its owner's wider rules don't get that; others' rules never
 * were behind it. */
static void a_pattern_that_is_none_leaves_its_owner_nothing_behind_it(void **state)
{
        static const struct row rows[] = {
                {"a.org", "~", "[", NULL, NULL, NULL, "a"},
                {"a.org", "^", "/", NULL, NULL, NULL, "a"},
                {"a.org", "=", "/x", NULL, NULL, NULL, "a"},
                {"a.org", "^", "/b", NULL, NULL, NULL, "b"},
                {"*.org", "^", "/c", NULL, NULL, NULL, "a"},
        };
        static const struct {
                const char *path;
                size_t rows;
                int found;
        } cases[] = {{"/y", COUNT_OF(rows), 0}, {"/x", COUNT_OF(rows), 2},
                     {"/b", COUNT_OF(rows), 3}, {"/bb", COUNT_OF(rows), 0},
                     {"/c", COUNT_OF(rows), 0}, {"/y", 1, 0}};
        (void)state;
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                struct request_head head = head_of("a.org", cases[i].path, "GET");
                assert_int_equal(find(rows, cases[i].rows, &head), cases[i].found);
        }
}

/* Else whoever makes the narrow rule too costly would be served by the wide one. */
static void what_is_too_costly_to_decide_is_left_to_no_other_rule(void **state)
{
        static const struct row by_path[] = {
                {"", "~", "(/?a*)*b", NULL, NULL, NULL},
                {"", "^", "/", NULL, NULL, NULL},
        };
        static const struct row by_header[] = {
                {"", "^", "/", NULL, "x=~(a*)*b", NULL},
                {"", "^", "/", NULL, NULL, NULL},
        };
        const char *const evil =
                "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabac";
        struct request_head head = head_of("a", evil, "GET");
        struct arena arena;
        (void)state;
        arena_init(&arena, 16 * 1024);
        header_list_init(&head.headers, &arena);
        header_append(&head.headers, SLICE("x"), slice_skip(slice_of(evil), 1));
        for (int i = 0; i < 2; i++) {
                const struct route *routes = routes_of(i ? by_header : by_path, 2, &arena);
                struct route_found found = route_find(route_table_build(routes, 2, &arena), &head);
                assert_true(found.too_costly);
                assert_null(found.rule);
        }
        arena_done(&arena);
}

/* ---- the naive reference ---- */

/* By POSIX, which reads what is asked here as PCRE does. */
static bool naive_pattern(struct slice pattern, struct slice path)
{
        char text[64], subject[64];
        regex_t regex;
        snprintf(text, sizeof(text), "^(%.*s)$", SLICE_ARG(pattern));
        snprintf(subject, sizeof(subject), "%.*s", SLICE_ARG(path));
        assert_int_equal(regcomp(&regex, text, REG_EXTENDED | REG_NOSUB), 0);
        bool matches = regexec(&regex, subject, 0, NULL, 0) == 0;
        regfree(&regex);
        return matches;
}

static bool naive_path(const struct route_match *match, struct slice path, size_t *length)
{
        struct slice wanted = match->path;
        *length = wanted.len;
        if (match->path_kind == PATH_MATCH_EXACT)
                return slice_equal(wanted, path);
        if (match->path_kind == PATH_MATCH_PATTERN)
                return naive_pattern(wanted, path);
        if (slice_ends_with(wanted, SLICE("/")))
                wanted.len--;
        *length = wanted.len;
        return slice_starts_with(path, wanted) &&
               (path.len == wanted.len || path.data[wanted.len] == '/');
}

static bool naive_pairs(const struct row *row, const struct request_head *head)
{
        struct name_value q = row->query ? pair_of(row->query) : (struct name_value){0};
        struct name_value h = row->header ? pair_of(row->header) : (struct name_value){0};
        struct slice rest = head->query, pair;
        bool seen = row->query == NULL;
        while (!seen && slice_split(&rest, '&', &pair))
                if (slice_starts_with(pair, q.name)) {
                        seen = true;
                        if (!slice_equal(slice_skip(pair, q.name.len + 1), q.value))
                                return false;
                }
        return seen && (!row->header || slice_equal(header_value(&head->headers, h.name), h.value));
}

/* > 0: a beats b; the earlier row wins ties by being looked at first. */
static int naive_compare(const struct row *a, const struct row *b, size_t a_len, size_t b_len)
{
        int by = host_specificity_compare(slice_of(a->host), slice_of(b->host));
        if (by == 0)
                by = (int)kind_of(a->kind) - (int)kind_of(b->kind);
        if (by == 0)
                by = (a_len > b_len) - (a_len < b_len);
        if (by == 0)
                by = (a->method != NULL) - (b->method != NULL);
        if (by == 0)
                by = (a->header != NULL) - (b->header != NULL);
        return by ? by : (a->query != NULL) - (b->query != NULL);
}

static int naive_find(const struct row *rows, const struct route *routes, size_t count,
                      const struct request_head *head)
{
        int best = -1;
        size_t best_len = 0, len;
        for (size_t i = 0; i < count; i++) {
                const struct route_match *match = routes[i].rules->matches;
                if (!host_matches(slice_of(rows[i].host), head->host) ||
                    !naive_path(match, head->path, &len) ||
                    (rows[i].method && !slice_equal(slice_of(rows[i].method), head->method)) ||
                    !naive_pairs(&rows[i], head))
                        continue;
                if (best < 0 || naive_compare(&rows[i], &rows[best], len, best_len) > 0) {
                        best = (int)i;
                        best_len = len;
                }
        }
        return best;
}

static const char *any_of(const char *const *choices, size_t count)
{
        return choices[(size_t)random() % count];
}

static const char *const hosts[] = {"",        "*.org",     "a.org", "*.a.org",
                                    "b.a.org", "*.b.a.org", "c.net"};
static const char *const asked[] = {"a.org", "b.a.org", "c.b.a.org", "c.net", "x.org", "10.0.0.1"};
static const char *const paths[] = {"/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/b", "/b/a/"};
static const char *const kinds[] = {"^", "^", "^", "=", "~"};
static const char *const patterns[] = {"/a.*", "/(a|b)", "/a/b.*", ".*/c/.*", "/[ab]/?", "a"};
static const char *const methods[] = {NULL, NULL, "GET", "POST"};
static const char *const headers[] = {NULL, NULL, "x=1", "x=2"};
static const char *const queries[] = {NULL, NULL, "q=1", "r=2"};
static const char *const strings[] = {"/",   "/a",   "/a/",  "/a/b",   "/a/b/", "/a/b/c/d",
                                      "/ab", "/abc", "/b/a", "/b/a/x", "/b//a"};
static const char *const asked_queries[] = {"", "q=1", "q=2&q=1", "r=2&q=1", "q=1&r=1"};

static void random_rows(struct row *rows, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                const char *kind = any_of(kinds, COUNT_OF(kinds));
                rows[i] = (struct row){
                        any_of(hosts, COUNT_OF(hosts)),
                        kind,
                        kind[0] == '~' ? any_of(patterns, COUNT_OF(patterns))
                                       : any_of(paths, COUNT_OF(paths)),
                        any_of(methods, COUNT_OF(methods)),
                        any_of(headers, COUNT_OF(headers)),
                        any_of(queries, COUNT_OF(queries)),
                };
        }
}

static void table_agrees_with_a_naive_matcher(void **state)
{
        enum {
                ROWS = 24
        };
        struct row rows[ROWS];
        size_t hits = 0;
        (void)state;
        srandom(42);
        for (int round = 0; round < 500; round++) {
                struct arena arena;
                arena_init(&arena, 16 * 1024);
                size_t count = 1 + (size_t)random() % ROWS;
                random_rows(rows, count);
                struct route *routes = routes_of(rows, count, &arena);
                struct route_table *table = route_table_build(routes, count, &arena);
                for (int ask = 0; ask < 100; ask++) {
                        struct request_head head = head_of(any_of(asked, COUNT_OF(asked)),
                                                           any_of(strings, COUNT_OF(strings)),
                                                           random() % 2 ? "GET" : "POST");
                        head.query = slice_of(any_of(asked_queries, COUNT_OF(asked_queries)));
                        header_list_init(&head.headers, &arena);
                        if (random() % 2)
                                header_append(&head.headers, SLICE("x"),
                                              random() % 2 ? SLICE("1") : SLICE("2"));
                        int best = naive_find(rows, routes, count, &head);
                        const struct route_rule *rule = route_find(table, &head).rule;
                        assert_ptr_equal(rule, best < 0 ? NULL : routes[best].rules);
                        hits += rule != NULL;
                }
                arena_done(&arena);
        }
        assert_true(hits > 10000); /* the property was not vacuous */
}

/* ---- the rest ---- */

static void weights_are_kept_and_nothing_is_picked_from_nothing(void **state)
{
        static const struct route_backend backends[] = {{7, 1}, {8, 0}, {9, 3}};
        struct route_rule rule = {.backends = backends, .backend_count = 3, .weight_sum = 4};
        size_t picked[10] = {0};
        (void)state;
        for (uint64_t random = 0; random < 400; random++)
                picked[route_pick(&rule, random)->backend]++;
        assert_int_equal(picked[7], 100);
        assert_int_equal(picked[8], 0);
        assert_int_equal(picked[9], 300);
        rule.weight_sum = 0;
        assert_null(route_pick(&rule, 5));
}

static void lines_come_out_in_one_order_whatever_order_went_in(void **state)
{
        static const struct row rows[] = {
                {"a.org", "^", "/", NULL, NULL, NULL},
                {"a.org", "=", "/x", NULL, NULL, NULL},
                {"*.org", "^", "/y", NULL, NULL, NULL},
                {"", "^", "/", "GET", NULL, NULL},
        };
        struct row turned[4];
        struct arena arena;
        (void)state;
        arena_init(&arena, 4096);
        for (int i = 0; i < 4; i++)
                turned[i] = rows[3 - i];
        struct route_table *a = route_table_build(routes_of(rows, 4, &arena), 4, &arena);
        struct route_table *b = route_table_build(routes_of(turned, 4, &arena), 4, &arena);
        struct route_line one, two;
        size_t at = 0, bt = 0, count = 0;
        while (route_table_next(a, &at, &one)) {
                assert_true(route_table_next(b, &bt, &two));
                assert_true(slice_equal(one.hostname, two.hostname));
                assert_true(slice_equal(one.match->path, two.match->path));
                count++;
        }
        assert_int_equal(count, 4);
        arena_done(&arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_table_without_routes_answers_nothing),
                cmocka_unit_test(precedence_is_host_exact_prefix_method_headers_queries_age),
                cmocka_unit_test(a_wider_host_answers_what_the_narrow_one_has_no_rule_for),
                cmocka_unit_test(the_first_of_repeated_headers_and_parameters_counts),
                cmocka_unit_test(the_first_of_a_matchs_repeated_names_counts),
                cmocka_unit_test(patterns_stand_between_exact_and_prefix_the_longest_first),
                cmocka_unit_test(a_pattern_of_a_condition_is_for_the_whole_value),
                cmocka_unit_test(a_pattern_that_is_none_leaves_its_owner_nothing_behind_it),
                cmocka_unit_test(what_is_too_costly_to_decide_is_left_to_no_other_rule),
                cmocka_unit_test(table_agrees_with_a_naive_matcher),
                cmocka_unit_test(weights_are_kept_and_nothing_is_picked_from_nothing),
                cmocka_unit_test(lines_come_out_in_one_order_whatever_order_went_in),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
