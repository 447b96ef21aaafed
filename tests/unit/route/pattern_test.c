/* Regular expressions: whole values, within bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "route/pattern.h"

enum {
        CPU_MS_MAX = 500, /* ten times what any input may cost (I10): sanitizers, busy machines */
};

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

static double cpu_ms(void)
{
        struct timespec now;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static const struct pattern *built(const char *text)
{
        const struct pattern *pattern = NULL;
        struct error err;
        if (!pattern_build(slice_of(text), &arena, &pattern, &err))
                fail_msg("%s: %s", text, err.text);
        return pattern;
}

static const struct row {
        const char *pattern, *subject;
        enum pattern_answer answer;
} rows[] = {
        {"/a", "/a", PATTERN_MATCHES},
        {"/a", "/ab", PATTERN_DIFFERS},
        {"/a", "x/a", PATTERN_DIFFERS},
        {"", "", PATTERN_MATCHES},
        {"", "/", PATTERN_DIFFERS},
        {"/a|/ab", "/ab", PATTERN_MATCHES}, /* the first branch must not win by being there */
        {"/a|/b", "/a/b", PATTERN_DIFFERS},
        {"^/a$", "/a", PATTERN_MATCHES},
        {"/a$", "/a\n", PATTERN_DIFFERS},
        {"(?m)/a$", "/a\n/b", PATTERN_DIFFERS},
        {"/.*", "/anything/at?all", PATTERN_MATCHES},
        {"(?i)/A", "/a", PATTERN_MATCHES},
        {"/[0-9]{2,3}", "/1234", PATTERN_DIFFERS},
        {"/a(*ACCEPT)b", "/a/evil", PATTERN_DIFFERS},
        {"/a(*ACCEPT)b", "/a", PATTERN_MATCHES},
        {"/admin\\K.*", "/admin/x", PATTERN_MATCHES},
        {"(?=/a)", "/a", PATTERN_DIFFERS},
        {".", "\xc3\xa9", PATTERN_DIFFERS}, /* octets, not characters */
        {"(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabac", PATTERN_TOO_COSTLY},
        {"(*LIMIT_MATCH=4000000000)(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabac",
         PATTERN_TOO_COSTLY},
        {"(*LIMIT_MATCH=1)(a|b)*c", "abababc", PATTERN_TOO_COSTLY},
};

static void a_pattern_is_for_the_whole_value(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT_OF(rows); i++)
                if (pattern_match(built(rows[i].pattern), slice_of(rows[i].subject)) !=
                    rows[i].answer)
                        fail_msg("%s with %s", rows[i].pattern, rows[i].subject);
}

static void what_is_no_pattern_says_why_and_where(void **state)
{
        static const char *const wrong[] = {"/[",     "(",        "*",           "/a{2,1}",
                                            "\\C",    "(*UTF)a",  "(?<n>a)\\g2", "(a)\\1",
                                            "(?P<n>", "[[:foo:]]"};
        (void)state;
        for (size_t i = 0; i < COUNT_OF(wrong); i++) {
                const struct pattern *pattern = NULL;
                struct error err;
                if (pattern_build(slice_of(wrong[i]), &arena, &pattern, &err))
                        fail_msg("%s was taken", wrong[i]);
                assert_null(pattern);
                assert_non_null(strstr(err.text, ", at byte "));
        }
}

static void a_pattern_has_bounds_in_length_and_size(void **state)
{
        static char text[PATTERN_BYTES_MAX + 1];
        const struct pattern *pattern = NULL;
        (void)state;
        memset(text, 'a', sizeof(text));
        assert_true(pattern_build(slice_from(text, PATTERN_BYTES_MAX), &arena, &pattern, NULL));
        assert_false(pattern_build(slice_from(text, sizeof(text)), &arena, &pattern, NULL));
        assert_false(pattern_build(SLICE("((a{1,1000}){1,1000}){1,1000}"), &arena, &pattern, NULL));
        memset(text, '(', 60);
        memset(text + 60, ')', 60);
        assert_false(pattern_build(slice_from(text, 120), &arena, &pattern, NULL));
}

/* 8 KiB is the longest target; a head's field may be longer. */
static void no_pattern_takes_long_whatever_the_subject(void **state)
{
        static const char *const evil[] = {"(a*)*b",
                                           "(a+)+b",
                                           "(a|aa)+b",
                                           ".*.*.*.*b",
                                           "(.*)*(.*)*b",
                                           "(a?){50}a{50}b",
                                           "(([a-z])+.)+[A-Z]([a-z])+b",
                                           "(?:(?=a+)a)*b",
                                           "(a|b|ab)*(?=c)b",
                                           "(?:(?=[ab]+)a|a)*b",
                                           "(?:(?>[ab]+)|a|aa)*b"};
        static char subject[60 * 1024];
        (void)state;
        memset(subject, 'a', sizeof(subject));
        subject[sizeof(subject) - 2] =
                'b'; /* what a pattern must end with, or PCRE looks no further */
        for (size_t i = 0; i < COUNT_OF(evil); i++) {
                const struct pattern *pattern = built(evil[i]);
                for (size_t len = 16; len <= sizeof(subject); len *= 4) {
                        double from = cpu_ms();
                        enum pattern_answer answer = pattern_match(
                                pattern, slice_from(subject + sizeof(subject) - len, len));
                        double ms = cpu_ms() - from;
                        assert_true(answer != PATTERN_MATCHES);
                        if (ms >= 1)
                                print_message("%s over %zu bytes: %.1f ms\n", evil[i], len, ms);
                        assert_true(ms < CPU_MS_MAX);
                }
        }
}

static double matches_ms(const struct pattern *pattern, struct slice subject, int count)
{
        struct pattern_budget budget = {0};
        double from = cpu_ms();
        for (int n = 0; n < count; n++)
                if (pattern_match_within(pattern, subject, &budget) == PATTERN_TOO_COSTLY)
                        break;
        return cpu_ms() - from;
}

/* A subject is chosen by who sends it: just short enough for each of a route's 128 patterns to give
 * up by itself, it costs as much as all of them together. */
static void many_patterns_of_one_request_take_no_longer(void **state)
{
        static const char *const slow[] = {".*a.*a.*[bc]", ".*[^b].*[bc]", "(a|b|ab)*[bc]",
                                           "(?:a?){20}.*[bc]"};
        static char subject[8 * 1024];
        double worst = 0, alone = 0;
        (void)state;
        memset(subject, 'a', sizeof(subject));
        for (size_t i = 0; i < COUNT_OF(slow); i++) {
                const struct pattern *pattern = built(slow[i]);
                for (size_t len = 16; len <= sizeof(subject); len += len / 8) {
                        double one = matches_ms(pattern, slice_from(subject, len), 1);
                        double all = matches_ms(pattern, slice_from(subject, len), 128);
                        alone = one > alone ? one : alone;
                        worst = all > worst ? all : worst;
                }
        }
        print_message("at most %.1f ms, where one takes %.1f ms\n", worst, alone);
        assert_true(worst < alone * 40); /* not 128 times as long */
        assert_true(worst < CPU_MS_MAX);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_pattern_is_for_the_whole_value),
                cmocka_unit_test(what_is_no_pattern_says_why_and_where),
                cmocka_unit_test(a_pattern_has_bounds_in_length_and_size),
                cmocka_unit_test(no_pattern_takes_long_whatever_the_subject),
                cmocka_unit_test(many_patterns_of_one_request_take_no_longer),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
