/* A rule's retry: what is tried again, how often, when, and what the client gets at the end. */
#include "exchange_harness.h"

#define OK_REPLY   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define BUSY_REPLY "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"

static const char get[] = "GET /good HTTP/1.1\r\nHost: a\r\n\r\n";
static const char post[] = "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";

static const uint16_t codes[] = {503, 500};
static const struct route_retry twice = {codes, 2, 2, 0};

static const struct step busy[] = {{"\r\n\r\n", BUSY_REPLY, true}};
static const struct step gone[] = {{"\r\n\r\n", "", true}};
static const struct step well[] = {{"\r\n\r\n", OK_REPLY, false}};
static const struct step silent[] = {{"\r\n\r\n", "", false}};

static void start(struct harness *h, const struct script *scripts, size_t count,
                  const struct route_retry *retry)
{
        harness_init(h, scripts, count);
        h->rules[0].retry = retry;
}

static void expect(struct harness *h, unsigned status, size_t tries, const char *fault)
{
        assert_int_equal(h->final.status, status);
        assert_int_equal(h->backend.peer_count, tries);
        harness_close(h);
        struct request_facts facts = harness_record(h);
        assert_int_equal(facts.retries, tries - 1);
        assert_true(slice_is(facts.fault, fault));
        harness_done(h);
}

static void run(struct harness *h, const struct script *scripts, size_t count)
{
        start(h, scripts, count, &twice);
        harness_open(h, get);
        harness_finish(h);
}

static void a_listed_code_is_tried_again_until_one_goes_well(void **state)
{
        static struct harness h;
        const struct script scripts[] = {{busy, 1}, {busy, 1}, {well, 1}};
        (void)state;
        run(&h, scripts, 3);
        assert_true(slice_is(buffer_slice(&h.body), "ok"));
        expect(&h, 200, 3, "");
}

static void the_last_code_is_passed_on_whole(void **state)
{
        static struct harness h;
        const struct script scripts[] = {{busy, 1}, {busy, 1}, {busy, 1}, {well, 1}};
        (void)state;
        run(&h, scripts, 4);
        assert_true(slice_is(buffer_slice(&h.body), "busy"));
        expect(&h, 503, 3, "");
}

static void another_code_is_passed_on_at_once(void **state)
{
        static struct harness h;
        const struct step other[] = {
                {"\r\n\r\n", "HTTP/1.1 502 x\r\nContent-Length: 0\r\n\r\n", true}};
        const struct script scripts[] = {{other, 1}, {well, 1}};
        (void)state;
        run(&h, scripts, 2);
        expect(&h, 502, 1, "");
}

static void a_connection_is_kept_over_an_answer_that_nobody_sees(void **state)
{
        static struct harness h;
        const struct step both[] = {{"\r\n\r\n", BUSY_REPLY, false}, {"\r\n\r\n", OK_REPLY, false}};
        const struct script scripts[] = {{both, 2}};
        (void)state;
        run(&h, scripts, 1);
        assert_int_equal(h.final.status, 200);
        assert_int_equal(h.backend.peer_count, 1);
        harness_close(&h);
        assert_int_equal(harness_record(&h).retries, 1);
        harness_done(&h);
}

static void connection_errors_are_tried_again_and_503_at_the_end(void **state)
{
        static struct harness h;
        const struct script heals[] = {{gone, 1}, {gone, 1}, {well, 1}};
        const struct script stays[] = {{gone, 1}, {gone, 1}, {gone, 1}, {well, 1}};
        (void)state;
        run(&h, heals, 3);
        expect(&h, 200, 3, "");
        run(&h, stays, 4);
        expect(&h, 503, 3, "retries_exhausted");
        start(&h, NULL, 0, &twice);
        h.rules[3].retry = &twice;
        harness_open(&h, "GET /dead HTTP/1.1\r\nHost: a\r\n\r\n");
        harness_finish(&h);
        assert_int_equal(h.final.status, 503);
        harness_close(&h);
        assert_int_equal(harness_record(&h).retries, 2);
        harness_done(&h);
}

/* Garbage is an answer: 502, so of the codes it depends. */
static void garbage_is_tried_again_where_502_is_listed(void **state)
{
        static struct harness h;
        static const uint16_t bad_gateway[] = {502};
        const struct route_retry retry = {bad_gateway, 1, 1, 0};
        const struct step garbage[] = {{"\r\n\r\n", "garbage\r\n\r\n", true}};
        const struct script scripts[] = {{garbage, 1}, {well, 1}};
        (void)state;
        start(&h, scripts, 2, &retry);
        harness_open(&h, get);
        harness_finish(&h);
        expect(&h, 200, 2, "");
        run(&h, scripts, 2);
        assert_int_equal(h.final.status, 502);
        harness_close(&h);
        harness_done(&h);
}

static void timeouts_of_a_try_are_tried_again_and_504_at_the_end(void **state)
{
        static struct harness h;
        const struct script heals[] = {{silent, 1}, {silent, 1}, {well, 1}};
        const struct script stays[] = {{silent, 1}, {silent, 1}, {silent, 1}, {well, 1}};
        (void)state;
        for (int i = 0; i < 2; i++) {
                start(&h, i ? heals : stays, 4, &twice);
                h.rules[0].timeouts = (struct route_timeouts){.backend_request_given = true,
                                                              .backend_request_ms = 100};
                harness_open(&h, get);
                harness_finish(&h);
                expect(&h, i ? 200 : 504, 3, i ? "" : "backend_timeout");
        }
}

static void the_whole_ends_all_tries(void **state)
{
        static struct harness h;
        const struct script scripts[] = {{silent, 1}, {silent, 1}, {well, 1}};
        (void)state;
        start(&h, scripts, 3, &twice);
        h.rules[0].timeouts = (struct route_timeouts){true, true, 1000, 600}; /* far apart */
        harness_open(&h, get);
        harness_finish(&h);
        assert_in_range(h.now_ms - h.started_ms, 999, 1999);
        expect(&h, 504, 2, "request_timeout");
}

static void a_try_begins_no_sooner_than_its_backoff_and_not_behind_the_end(void **state)
{
        static struct harness h;
        const struct route_retry slow = {codes, 2, 2, 150};
        const struct script scripts[] = {{busy, 1}, {busy, 1}, {well, 1}};
        (void)state;
        start(&h, scripts, 3, &slow);
        harness_open(&h, get);
        harness_finish(&h);
        assert_in_range(h.now_ms - h.started_ms, 150 + 300, (150 + 300) * 3 / 2 + 300);
        expect(&h, 200, 3, "");
        start(&h, scripts, 3, &slow);
        h.rules[0].timeouts = (struct route_timeouts){.request_given = true, .request_ms = 100};
        harness_open(&h, get);
        harness_finish(&h);
        expect(&h, 503, 1, ""); /* that there is, rather than a 504 later */
}

static void a_body_is_sent_again_whole_whatever_the_method(void **state)
{
        static struct harness h;
        const struct step busy_body[] = {{"hello", BUSY_REPLY, true}};
        const struct step well_body[] = {{"hello", OK_REPLY, false}};
        const struct script scripts[] = {{busy_body, 1}, {well_body, 1}};
        (void)state;
        start(&h, scripts, 2, &twice);
        harness_open(&h, post);
        exchange_request_data(h.exchange, SLICE("hel"));
        exchange_request_data(h.exchange, SLICE("lo"));
        exchange_request_end(h.exchange, NULL);
        harness_finish(&h);
        assert_int_equal(h.consumed, 5);
        struct slice seen = buffer_slice(&h.backend.peers[1].seen);
        assert_true(slice_ends_with(seen, SLICE("\r\n\r\nhello")));
        expect(&h, 200, 2, "");
}

/* What came of the body while nobody was asked goes with the next try. */
static void a_body_goes_on_while_a_try_rests(void **state)
{
        static struct harness h;
        const struct route_retry slow = {codes, 2, 1, 100};
        const struct step well_body[] = {{"hello", OK_REPLY, false}};
        const struct script scripts[] = {{busy, 1}, {well_body, 1}};
        (void)state;
        start(&h, scripts, 2, &slow);
        harness_open(&h, post);
        exchange_request_data(h.exchange, SLICE("hel"));
        while (!h.backend.peers[0].ended && h.backend.peers[0].step == 0)
                uv_run(&h.loop, UV_RUN_ONCE);
        for (int i = 0; i < 3; i++)
                uv_run(&h.loop, UV_RUN_NOWAIT);
        exchange_request_data(h.exchange, SLICE("lo"));
        exchange_request_end(h.exchange, NULL);
        harness_finish(&h);
        expect(&h, 200, 2, "");
}

static void a_body_that_was_not_kept_is_not_sent_again(void **state)
{
        static struct harness h;
        static char big[90000];
        const struct script scripts[] = {{busy, 1}, {well, 1}};
        (void)state;
        memset(big, 'x', sizeof(big));
        const struct step busy_late[] = {{"xxxx!", BUSY_REPLY, true}};
        const struct script late[] = {{busy_late, 1}, scripts[1]};
        start(&h, late, 2, &twice);
        harness_open(&h, "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 90001\r\n\r\n");
        for (size_t at = 0; at < sizeof(big); at += 30000) {
                exchange_request_data(h.exchange, slice_from(big + at, 30000));
                harness_until(&h, &h.consumed, at + 30000);
        }
        exchange_request_data(h.exchange, SLICE("!"));
        exchange_request_end(h.exchange, NULL);
        harness_finish(&h);
        expect(&h, 503, 1, "");
}

static void nothing_is_tried_again_once_the_client_was_told_a_head(void **state)
{
        static struct harness h;
        const struct step hints[] = {
                {"\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n" BUSY_REPLY, true}};
        const struct step half[] = {
                {"\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", true}};
        const struct script hinted[] = {{hints, 1}, {well, 1}}, broken[] = {{half, 1}, {well, 1}};
        (void)state;
        run(&h, hinted, 2);
        expect(&h, 503, 1, "");
        run(&h, broken, 2);
        assert_true(h.aborted);
        assert_int_equal(h.backend.peer_count, 1);
        harness_close(&h);
        harness_done(&h);
}

/* The rule's number holds for kept connections that die as well, or a backend would be asked more
 * often than it says. */
static void a_kept_connection_that_dies_counts_as_a_try(void **state)
{
        static struct harness h;
        const struct step once[] = {{"\r\n\r\n", OK_REPLY, false}, {"\r\n\r\n", NULL, true}};
        const struct script scripts[] = {{once, 2}, {gone, 1}, {gone, 1}, {well, 1}};
        (void)state;
        run(&h, scripts, 4);
        harness_close(&h);
        harness_record(&h);
        harness_open(&h, get);
        harness_finish(&h);
        expect(&h, 503, 3, "retries_exhausted");
}

static void closing_while_a_try_rests_is_safe(void **state)
{
        static struct harness h;
        const struct route_retry slow = {codes, 2, 1, 60000};
        const struct script scripts[] = {{busy, 1}};
        (void)state;
        start(&h, scripts, 1, &slow);
        h.rules[0].timeouts = (struct route_timeouts){.request_given = true};
        harness_open(&h, get);
        harness_until(&h, &h.backend.peers[0].step, 1);
        for (int i = 0; i < 5; i++)
                uv_run(&h.loop, UV_RUN_NOWAIT);
        assert_int_equal(h.head_count, 0);
        harness_close(&h);
        arena_reset(&h.arena);
        harness_done(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_listed_code_is_tried_again_until_one_goes_well),
                cmocka_unit_test(the_last_code_is_passed_on_whole),
                cmocka_unit_test(another_code_is_passed_on_at_once),
                cmocka_unit_test(a_connection_is_kept_over_an_answer_that_nobody_sees),
                cmocka_unit_test(connection_errors_are_tried_again_and_503_at_the_end),
                cmocka_unit_test(garbage_is_tried_again_where_502_is_listed),
                cmocka_unit_test(timeouts_of_a_try_are_tried_again_and_504_at_the_end),
                cmocka_unit_test(the_whole_ends_all_tries),
                cmocka_unit_test(a_try_begins_no_sooner_than_its_backoff_and_not_behind_the_end),
                cmocka_unit_test(a_body_is_sent_again_whole_whatever_the_method),
                cmocka_unit_test(a_body_goes_on_while_a_try_rests),
                cmocka_unit_test(a_body_that_was_not_kept_is_not_sent_again),
                cmocka_unit_test(nothing_is_tried_again_once_the_client_was_told_a_head),
                cmocka_unit_test(a_kept_connection_that_dies_counts_as_a_try),
                cmocka_unit_test(closing_while_a_try_rests_is_safe),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
