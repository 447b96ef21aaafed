#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "harness.h"
#include "snapshot/publish.h"

enum {
        READERS = 3,
        GENERATIONS = 200,
};

static void nothing_is_adopted_before_the_first_is_published(void **state)
{
        struct publisher publisher;
        struct snapshot *held = NULL;
        (void)state;
        publisher_init(&publisher);
        assert_false(publisher_adopt(&publisher, &held));
        assert_null(held);
        publisher_done(&publisher);
}

static void the_newest_is_adopted_once(void **state)
{
        struct publisher publisher;
        struct snapshot *held = NULL;
        (void)state;
        publisher_init(&publisher);
        for (uint64_t generation = 1; generation <= 3; generation++) {
                struct snapshot *s = snapshot_new();
                s->generation = generation;
                publisher_publish(&publisher, s);
                if (generation == 2)
                        continue; /* passed over */
                assert_true(publisher_adopt(&publisher, &held));
                assert_int_equal(held->generation, generation);
                assert_false(publisher_adopt(&publisher, &held));
        }
        snapshot_unref(held);
        publisher_done(&publisher);
        snapshot_reap();
}

/* Reads all of what it holds until the last generation is there. */
static void *reader_main(void *self)
{
        struct publisher *publisher = self;
        struct snapshot *held = NULL;
        uint64_t seen = 0;
        while (seen < GENERATIONS) {
                if (!publisher_adopt(publisher, &held))
                        continue;
                struct arena scratch;
                arena_init(&scratch, 4096);
                if (held->generation <= seen || snapshot_print(held, &scratch).len == 0)
                        abort();
                seen = held->generation;
                arena_done(&scratch);
        }
        snapshot_unref(held);
        return NULL;
}

static int freed; /* by the control thread alone */

static void count_free(void *tls)
{
        (void)tls;
        freed++;
}

static void readers_never_see_a_freed_or_an_older_generation(void **state)
{
        struct publisher publisher;
        pthread_t readers[READERS];
        (void)state;
        publisher_init(&publisher);
        for (int i = 0; i < READERS; i++)
                assert_int_equal(pthread_create(&readers[i], NULL, reader_main, &publisher), 0);
        for (uint64_t generation = 1; generation <= GENERATIONS; generation++) {
                struct snapshot *s = harness_snapshot("/", "key");
                s->generation = generation;
                s->tls_free = count_free;
                snapshot_seal(s);
                publisher_publish(&publisher, s);
                snapshot_reap();
        }
        for (int i = 0; i < READERS; i++)
                pthread_join(readers[i], NULL);
        publisher_done(&publisher);
        snapshot_reap();
        assert_int_equal(freed, GENERATIONS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_is_adopted_before_the_first_is_published),
                cmocka_unit_test(the_newest_is_adopted_once),
                cmocka_unit_test(readers_never_see_a_freed_or_an_older_generation),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
