/* The ring between a real producer and a real consumer thread; run it under TSan too. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "event/ring.h"

enum {
        RECORDS = 200000
};

static bool put(struct event_ring *ring, int64_t number)
{
        struct event *event = event_ring_reserve(ring);
        if (!event)
                return false;
        char text[32];
        snprintf(text, sizeof(text), "record %lld", (long long)number);
        event->time_ms = number;
        event->warning = (struct warning_facts){.text = slice_of(text)};
        event_text_adopt(event, &event->warning.text, sizeof(text));
        event_ring_commit(ring);
        return true;
}

static void *produce(void *self)
{
        for (int64_t i = 0; i < RECORDS; i++)
                put(self, i);
        put(self, -1); /* may be lost; the test knows */
        return NULL;
}

static void every_record_arrives_whole_in_order_or_is_counted_as_lost(void **state)
{
        (void)state;
        struct event_ring *ring = event_ring_new(64);
        pthread_t producer;
        pthread_create(&producer, NULL, produce, ring);
        int64_t expected = 0;
        uint64_t lost_all = 0, seen = 0;
        while (expected <= RECORDS) {
                uint64_t lost;
                const struct event *event = event_ring_peek(ring, &lost);
                lost_all += lost;
                expected += (int64_t)lost;
                if (!event) {
                        sched_yield();
                        continue;
                }
                char text[32];
                int64_t number = event->time_ms == -1 ? RECORDS : event->time_ms;
                assert_int_equal(number, expected);
                int len = snprintf(text, sizeof(text), "record %lld", (long long)event->time_ms);
                assert_int_equal(event->warning.text.len, len);
                assert_memory_equal(event->warning.text.data, text, (size_t)len);
                event_ring_release(ring);
                seen++;
                expected++;
        }
        pthread_join(producer, NULL);
        assert_int_equal(seen + lost_all, RECORDS + 1);
        assert_int_equal(lost_all, event_ring_lost(ring));
        event_ring_free(ring);
}

static void a_full_ring_drops_and_says_how_many_and_where(void **state)
{
        (void)state;
        struct event_ring *ring = event_ring_new(4);
        for (int i = 0; i < 4; i++)
                assert_true(put(ring, i));
        assert_false(event_ring_has_room(ring));
        assert_false(put(ring, 4));
        assert_false(put(ring, 5));
        uint64_t lost;
        assert_int_equal(event_ring_peek(ring, &lost)->time_ms, 0);
        assert_int_equal(lost, 0);
        event_ring_release(ring);
        assert_true(put(ring, 6));
        for (int i = 1; i < 4; i++) {
                assert_int_equal(event_ring_peek(ring, &lost)->time_ms, i);
                assert_int_equal(lost, 0);
                event_ring_release(ring);
        }
        assert_int_equal(event_ring_peek(ring, &lost)->time_ms, 6);
        assert_int_equal(lost, 2);
        event_ring_release(ring);
        assert_null(event_ring_peek(ring, &lost));
        assert_int_equal(lost, 0);
        event_ring_free(ring);
}

static void losses_at_the_end_are_told_without_a_later_record(void **state)
{
        (void)state;
        struct event_ring *ring = event_ring_new(2);
        put(ring, 0);
        put(ring, 1);
        put(ring, 2);
        uint64_t lost;
        for (int i = 0; i < 2; i++) {
                assert_non_null(event_ring_peek(ring, &lost));
                assert_int_equal(lost, 0);
                event_ring_release(ring);
        }
        assert_null(event_ring_peek(ring, &lost));
        assert_int_equal(lost, 1);
        assert_null(event_ring_peek(ring, &lost));
        assert_int_equal(lost, 0);
        put(ring, 3);
        assert_non_null(event_ring_peek(ring, &lost));
        assert_int_equal(lost, 0);
        event_ring_free(ring);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_record_arrives_whole_in_order_or_is_counted_as_lost),
                cmocka_unit_test(a_full_ring_drops_and_says_how_many_and_where),
                cmocka_unit_test(losses_at_the_end_are_told_without_a_later_record),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
