#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "harness.h"
#include "snapshot/print.h"

static void text_says_everything_and_no_secret(void **state)
{
        static const char expected[] =
                "port \"0.0.0.0:443\" https gateway=\"edge/edge\"\n"
                "  listener \"edge/edge\" \"https\" host=\"*.example.org\" index=0 forward=0\n"
                "    certificate \"Secret edge/tls\" digest="
                "4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b\n"
                "    route host=\"\" prefix \"/\\x0ax\" to \"edge/web\"\n"
                "      to \"edge/web:80\" weight=1\n"
                "      to nothing (500) weight=2\n"
                "backend \"edge/web:80\"\n"
                "  endpoint \"10.0.0.7:8080\"\n";
        struct snapshot *s = harness_snapshot("/\nx", "Key of nobody");
        (void)state;
        struct slice text = snapshot_print(s, &s->arena);
        assert_int_equal(text.len, sizeof(expected) - 1);
        assert_memory_equal(text.data, expected, text.len);
        snapshot_unref(s);
        snapshot_reap();
}

static void digest_follows_the_meaning_alone(void **state)
{
        struct snapshot *a = harness_snapshot("/x", "key"), *b = harness_snapshot("/x", "key");
        struct snapshot *c = harness_snapshot("/y", "key"), *d = harness_snapshot("/x", "other");
        (void)state;
        a->generation = 1;
        b->generation = 2;
        snapshot_seal(a);
        snapshot_seal(b);
        snapshot_seal(c);
        snapshot_seal(d);
        assert_true(digest_equal(&a->digest, &b->digest));
        assert_false(digest_equal(&a->digest, &c->digest));
        assert_false(digest_equal(&a->digest, &d->digest));
        snapshot_unref(a);
        snapshot_unref(b);
        snapshot_unref(c);
        snapshot_unref(d);
        snapshot_reap();
}

/* No name can look like another line, nor like another name (I13). */
static void what_is_not_plain_is_escaped(void **state)
{
        (void)state;
        struct buffer out;
        buffer_init(&out, 1000);
        text_print_into(&out, SLICE("a b~\"\\c\n\0\x1f\x7f\x80\xff"));
        assert_true(
                slice_is(buffer_slice(&out), "\"a b~\\\"\\\\c\\x0a\\x00\\x1f\\x7f\\x80\\xff\""));
        buffer_clear(&out);
        text_print_into(&out, SLICE_NONE);
        assert_true(slice_is(buffer_slice(&out), "\"\""));
        buffer_done(&out);
}

static void an_empty_snapshot_prints_nothing(void **state)
{
        struct snapshot *s = snapshot_new();
        (void)state;
        assert_int_equal(snapshot_print(s, &s->arena).len, 0);
        snapshot_unref(s);
        snapshot_unref(NULL);
        snapshot_reap();
}

static int freed;

static void count_free(void *tls)
{
        (void)tls;
        freed++;
}

static void only_reaping_frees_and_only_what_nobody_holds(void **state)
{
        struct snapshot *s = harness_snapshot("/", "key");
        (void)state;
        s->tls_free = count_free;
        freed = 0;
        snapshot_ref(s);
        snapshot_unref(s);
        snapshot_reap();
        assert_int_equal(freed, 0);
        snapshot_unref(s);
        assert_int_equal(freed, 0);
        snapshot_reap();
        assert_int_equal(freed, 1);
        snapshot_reap();
        assert_int_equal(freed, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(text_says_everything_and_no_secret),
                cmocka_unit_test(digest_follows_the_meaning_alone),
                cmocka_unit_test(what_is_not_plain_is_escaped),
                cmocka_unit_test(an_empty_snapshot_prints_nothing),
                cmocka_unit_test(only_reaping_frees_and_only_what_nobody_holds),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
