/* A rule's timeouts, which stand in the place of the worker's: those of the harness are 500 ms of
 * silence and 3 s in all. */
#include "exchange_harness.h"

static const char get[] = "GET /good HTTP/1.1\r\nHost: a\r\n\r\n";
static const char post[] = "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";

enum {
        SLACK_MS = 250 /* the wheel's tick, the harness's, and a busy machine */
};

static const struct step silent[] = {{"\r\n\r\n", "", false}};
static const struct step half[] = {
        {"\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx", false}};

static void run(struct harness *h, const struct step *steps, const struct route_timeouts *timeouts)
{
        const struct script scripts[] = {{steps, 1}};
        harness_init(h, scripts, 1);
        h->rules[0].timeouts = *timeouts;
        harness_open(h, get);
        harness_finish(h);
}

static void expect_end(struct harness *h, unsigned status, bool aborted, const char *fault,
                       uint64_t at_ms)
{
        uint64_t took_ms = h->now_ms - h->started_ms;
        assert_int_equal(h->final.status, status);
        assert_int_equal(h->aborted, aborted);
        if (took_ms + 1 < at_ms || took_ms > at_ms + SLACK_MS)
                fail_msg("took %u ms, wants %u", (unsigned)took_ms, (unsigned)at_ms);
        harness_close(h);
        assert_true(slice_is(harness_record(h).fault, fault));
        harness_done(h);
}

static void each_timeout_alone_answers_504_when_it_is_over(void **state)
{
        static struct harness h;
        (void)state;
        run(&h, silent, &(struct route_timeouts){.request_given = true, .request_ms = 150});
        expect_end(&h, 504, false, "request_timeout", 150);
        run(&h, silent,
            &(struct route_timeouts){.backend_request_given = true, .backend_request_ms = 150});
        expect_end(&h, 504, false, "backend_timeout", 150);
}

static void the_shorter_of_both_holds(void **state)
{
        static struct harness h;
        (void)state;
        run(&h, silent, &(struct route_timeouts){true, true, 600, 100});
        expect_end(&h, 504, false, "backend_timeout", 100);
        run(&h, silent, &(struct route_timeouts){true, true, 100, 100});
        expect_end(&h, 504, false, "request_timeout", 100);
}

static void a_timeout_above_the_workers_replaces_it(void **state)
{
        static struct harness h;
        (void)state;
        run(&h, silent, &(struct route_timeouts){.request_given = true, .request_ms = 800});
        expect_end(&h, 504, false, "request_timeout", 800);
        run(&h, silent,
            &(struct route_timeouts){.backend_request_given = true, .backend_request_ms = 800});
        expect_end(&h, 504, false, "backend_timeout", 800);
}

static void a_body_that_began_is_cut_off_by_either(void **state)
{
        static struct harness h;
        (void)state;
        run(&h, half, &(struct route_timeouts){.request_given = true, .request_ms = 200});
        expect_end(&h, 200, true, "request_timeout", 200);
        run(&h, half,
            &(struct route_timeouts){.backend_request_given = true, .backend_request_ms = 200});
        expect_end(&h, 200, true, "backend_timeout", 200);
}

static void zero_switches_off(void **state)
{
        static struct harness h;
        const struct script scripts[] = {{silent, 1}};
        (void)state;
        run(&h, silent, &(struct route_timeouts){.backend_request_given = true});
        expect_end(&h, 504, false, "request_timeout", 3000); /* the worker's own for the whole */
        harness_init(&h, scripts, 1);
        h.rules[0].timeouts = (struct route_timeouts){.request_given = true};
        harness_open(&h, get);
        assert_true(exchange_left_ms(h.exchange) > UINT32_MAX);
        while (h.now_ms - h.started_ms < 3500)
                uv_run(&h.loop, UV_RUN_ONCE);
        assert_int_equal(h.head_count, 0);
        send(h.backend.peers[0].fd, "HTTP/1.1 204 late\r\n\r\n", 21, MSG_NOSIGNAL);
        harness_finish(&h);
        assert_int_equal(h.final.status, 204);
        harness_close(&h);
        harness_done(&h);
}

/* Whatever a rule says: who sends no body holds us up no longer than the worker allows. */
static void a_client_whose_body_does_not_come_is_408_all_the_same(void **state)
{
        static struct harness h;
        const struct script scripts[] = {{silent, 1}};
        (void)state;
        harness_init(&h, scripts, 1);
        h.rules[0].timeouts = (struct route_timeouts){true, true, 0, 0};
        harness_open(&h, post);
        harness_finish(&h);
        expect_end(&h, 408, false, "request_body_timeout", 500);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_timeout_alone_answers_504_when_it_is_over),
                cmocka_unit_test(the_shorter_of_both_holds),
                cmocka_unit_test(a_timeout_above_the_workers_replaces_it),
                cmocka_unit_test(a_body_that_began_is_cut_off_by_either),
                cmocka_unit_test(zero_switches_off),
                cmocka_unit_test(a_client_whose_body_does_not_come_is_408_all_the_same),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
