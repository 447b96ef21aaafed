/* What an exchange does when the backend, or the client, breaks off or breaks the rules. */
#include "exchange_harness.h"

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static const char get[] = "GET /good HTTP/1.1\r\nHost: a\r\n\r\n";

static void bad_responses_are_502_or_a_broken_body_never_a_clean_end(void **state)
{
        static const struct {
                const char *reply;
                unsigned status;
                bool aborted;
        } rows[] = {
                {"", 502, false},
                {"HTTP/1.1 200", 502, false},
                {"nonsense\r\n\r\n", 502, false},
                {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 502, false},
                {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 502,
                 false},
                {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
                 502, false},
                {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", 200, true},
                {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n", 200, true},
                {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcdefg", 200, true},
                {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 200, true},
        };
        (void)state;
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                static struct harness h;
                const struct step steps[] = {{"\r\n\r\n", rows[i].reply, true}};
                const struct script scripts[] = {{steps, 1}, {steps, 1}};
                harness_init(&h, scripts, 2);
                harness_open(&h, get);
                harness_finish(&h);
                if (h.final.status != rows[i].status || h.aborted != rows[i].aborted)
                        fail_msg("row %zu: %u %d", i, h.final.status, h.aborted);
                assert_int_equal(h.backend.peer_count, 1);
                harness_close(&h);
                assert_true(harness_record(&h).fault.len > 0);
                assert_int_equal(counter_get(&event_sink_counters(h.sink)->upstream_idle), 0);
                harness_done(&h);
        }
}

static void bytes_behind_a_response_end_the_connection(void **state)
{
        static struct harness h;
        const struct step steps[] = {{"\r\n\r\n", OK_REPLY "HTTP/1.1 200 OK\r\n", false}};
        const struct script scripts[] = {{steps, 1}, {steps, 1}};
        (void)state;
        harness_init(&h, scripts, 2);
        for (size_t i = 1; i <= 2; i++) {
                harness_open(&h, get);
                harness_finish(&h);
                assert_int_equal(h.final.status, 200);
                harness_close(&h);
                assert_int_equal(h.backend.peer_count, i);
        }
        harness_done(&h);
}

/* The first connection answers once, and dies on its second request without a byte. */
static void reuse_then_die(struct harness *h, const char *second, size_t peers, unsigned status)
{
        static const struct step dying[] = {{"\r\n\r\n", OK_REPLY, false},
                                            {"\r\n\r\n", NULL, true}};
        static const struct step well[] = {{"\r\n\r\n", OK_REPLY, false}};
        const struct script scripts[] = {{dying, 2}, {well, 1}};
        harness_init(h, scripts, 2);
        harness_open(h, get);
        harness_finish(h);
        harness_close(h);
        harness_record(h);
        harness_open(h, second);
        harness_finish(h);
        assert_int_equal(h->final.status, status);
        assert_int_equal(h->backend.peer_count, peers);
        harness_close(h);
        assert_int_equal(harness_record(h).retries, peers - 1);
        harness_done(h);
}

static void a_kept_connection_that_dies_gets_one_more_try_if_the_method_allows(void **state)
{
        static struct harness h;
        (void)state;
        reuse_then_die(&h, get, 2, 200);
        reuse_then_die(&h, "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 1, 502);
}

static void a_kept_connection_closed_meanwhile_is_not_used(void **state)
{
        static struct harness h;
        static const struct step closing[] = {{"\r\n\r\n", OK_REPLY, true}};
        const struct script scripts[] = {{closing, 1}, {closing, 1}};
        (void)state;
        harness_init(&h, scripts, 2);
        for (int i = 0; i < 2; i++) {
                harness_open(&h, "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
                harness_finish(&h);
                assert_int_equal(h.final.status, 200);
                harness_close(&h);
                assert_int_equal(harness_record(&h).retries, 0);
        }
        harness_done(&h);
}

static void a_silent_backend_is_504_before_the_head_and_an_abort_behind_it(void **state)
{
        static struct harness h;
        const struct step silent[] = {{"\r\n\r\n", "", false}};
        const struct step stalls[] = {
                {"\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", false}};
        const struct script scripts[] = {{silent, 1}, {stalls, 1}};
        (void)state;
        harness_init(&h, scripts, 2);
        harness_open(&h, get);
        harness_finish(&h);
        assert_int_equal(h.final.status, 504);
        harness_close(&h);
        harness_open(&h, get);
        harness_finish(&h);
        assert_int_equal(h.final.status, 200);
        assert_true(h.aborted);
        harness_done(&h);
}

static void a_client_whose_body_does_not_come_is_408(void **state)
{
        static struct harness h;
        const struct step silent[] = {{"\r\n\r\n", "", false}};
        const struct script scripts[] = {{silent, 1}};
        (void)state;
        harness_init(&h, scripts, 1);
        /* It is the client who is waited for, however patient we are with backends. */
        h.env.response_ms_max = h.env.request_ms_max = 10 * LOOP_MS_MAX;
        harness_open(&h, "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
        harness_finish(&h);
        assert_int_equal(h.final.status, 408);
        assert_true(exchange_request_unread(h.exchange));
        harness_done(&h);
}

static void an_answer_while_the_body_still_comes_reaches_the_client(void **state)
{
        static struct harness h;
        static char data[30000];
        const struct step early[] = {
                {"\r\n\r\n", "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig",
                 true}};
        const struct script scripts[] = {{early, 1}};
        (void)state;
        harness_init(&h, scripts, 1);
        harness_open(&h, "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n");
        harness_finish(&h);
        assert_int_equal(h.final.status, 413);
        assert_false(h.aborted);
        assert_true(slice_is(buffer_slice(&h.body), "big"));
        assert_true(exchange_request_unread(h.exchange));
        exchange_request_data(h.exchange, slice_from(data, sizeof(data)));
        harness_until(&h, &h.consumed, sizeof(data)); /* dropped, and acknowledged */
        harness_done(&h);
}

static void a_body_unlike_its_length_never_ends_as_a_message(void **state)
{
        static struct harness h;
        const struct step silent[] = {{"\r\n\r\n", "", false}};
        (void)state;
        for (int longer = 0; longer < 2; longer++) {
                const struct script scripts[] = {{silent, 1}};
                harness_init(&h, scripts, 1);
                harness_open(&h, "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
                harness_until(&h, &h.backend.peers[0].step, 1);
                exchange_request_data(h.exchange, longer ? SLICE("123456") : SLICE("1234"));
                exchange_request_end(h.exchange, NULL);
                harness_finish(&h);
                assert_int_equal(h.final.status, 400);
                while (!h.backend.peers[0].ended)
                        uv_run(&h.loop, UV_RUN_ONCE);
                harness_done(&h);
        }
}

static void a_request_that_breaks_off_is_never_sent_as_complete(void **state)
{
        static struct harness h;
        const struct http_fault fault = {400, "chunk_size"};
        const struct step silent[] = {{"abc\r\n", "", false}};
        const struct script scripts[] = {{silent, 1}};
        (void)state;
        harness_init(&h, scripts, 1);
        harness_open(&h, "POST /good HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        exchange_request_data(h.exchange, SLICE("abc"));
        harness_until(&h, &h.backend.peers[0].step, 1);
        exchange_request_broken(h.exchange, &fault);
        harness_finish(&h);
        assert_int_equal(h.final.status, 400);
        while (!h.backend.peers[0].ended)
                uv_run(&h.loop, UV_RUN_ONCE);
        struct slice seen = buffer_slice(&h.backend.peers[0].seen);
        assert_null(memmem(seen.data, seen.len, "\r\n0\r\n", 5));
        harness_close(&h);
        assert_true(slice_is(harness_record(&h).fault, "chunk_size"));
        assert_true(event_ring_is_empty(event_hub_ring(h.hub, 0, false)));
        harness_done(&h);
}

static void a_backend_that_drips_is_cut_when_the_whole_is_late(void **state)
{
        static struct harness h;
        const struct step head[] = {{"\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", false}};
        const struct script scripts[] = {{head, 1}};
        (void)state;
        harness_init(&h, scripts, 1);
        /* far more than a busy machine lets the loop wait, less than the whole */
        h.env.response_ms_max = h.env.body_progress_ms_max = 2000;
        harness_open(&h, get);
        while (!h.aborted && !h.end) {
                uv_run(&h.loop, UV_RUN_ONCE);
                if (h.head_count > 0 && h.backend.peers[0].open)
                        send(h.backend.peers[0].fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        assert_true(h.aborted);
        assert_true(h.now_ms - h.started_ms >= h.env.request_ms_max);
        harness_close(&h);
        assert_true(slice_is(harness_record(&h).fault, "request_timeout"));
        harness_done(&h);
}

static void a_client_that_goes_takes_the_backend_connection_along(void **state)
{
        static struct harness h;
        const struct step silent[] = {{"\r\n\r\n", "", false}};
        const struct script scripts[] = {{silent, 1}};
        (void)state;
        harness_init(&h, scripts, 1);
        harness_open(&h, get);
        harness_until(&h, &h.backend.peers[0].step, 1);
        harness_close(&h);
        while (!h.backend.peers[0].ended)
                uv_run(&h.loop, UV_RUN_ONCE);
        struct request_facts facts = harness_record(&h);
        assert_int_equal(facts.status, 499);
        assert_true(slice_is(facts.fault, "client_gone"));
        harness_done(&h);
}

static void closing_is_safe_at_every_moment(void **state)
{
        static struct harness h;
        const struct step well[] = {{"\r\n\r\n", OK_REPLY, false}};
        (void)state;
        for (int turns = 0; turns < 12; turns++) {
                const struct script scripts[] = {{well, 1}};
                harness_init(&h, scripts, 1);
                harness_open(&h, turns % 2 ? get : "GET /name HTTP/1.1\r\nHost: a\r\n\r\n");
                for (int i = 0; i < turns && !h.end; i++)
                        uv_run(&h.loop, UV_RUN_NOWAIT);
                harness_close(&h);
                arena_reset(&h.arena);
                harness_done(&h);
        }
}

static void closing_inside_a_callback_is_safe(void **state)
{
        static struct harness h;
        const struct step well[] = {{"\r\n\r\n", OK_REPLY, false}};
        const struct script scripts[] = {{well, 1}};
        (void)state;
        harness_init(&h, scripts, 1);
        h.close_on_head = true;
        harness_open(&h, get);
        harness_finish(&h);
        assert_null(h.exchange);
        harness_done(&h);
}

static void a_name_for_this_machine_is_refused_unless_allowed(void **state)
{
        static struct harness h = {.no_local_names = true};
        (void)state;
        harness_init(&h, NULL, 0);
        harness_open(&h, "GET /name HTTP/1.1\r\nHost: a\r\n\r\n");
        harness_finish(&h);
        assert_int_equal(h.final.status, 503);
        assert_int_equal(h.backend.peer_count, 0);
        harness_close(&h);
        assert_true(slice_is(harness_record(&h).fault, "backend_name_unresolved"));
        harness_done(&h);
}

static void a_kept_connection_ends_when_nobody_uses_it(void **state)
{
        static struct harness h = {.idle_ms_max = 100};
        const struct step well[] = {{"\r\n\r\n", OK_REPLY, false}};
        const struct script scripts[] = {{well, 1}};
        (void)state;
        harness_init(&h, scripts, 1);
        harness_open(&h, get);
        harness_finish(&h);
        harness_close(&h);
        assert_int_equal(counter_get(&event_sink_counters(h.sink)->upstream_idle), 1);
        while (!h.backend.peers[0].ended)
                uv_run(&h.loop, UV_RUN_ONCE);
        assert_int_equal(counter_get(&event_sink_counters(h.sink)->upstream_idle), 0);
        harness_done(&h);
}

static void a_message_that_could_not_be_read_is_answered_and_logged(void **state)
{
        static struct harness h;
        const struct http_fault fault = {431, "head_too_big"};
        (void)state;
        harness_init(&h, NULL, 0);
        harness_open_fault(&h, &fault);
        harness_finish(&h);
        assert_int_equal(h.final.status, 431);
        harness_close(&h);
        assert_true(slice_is(harness_record(&h).fault, "head_too_big"));
        harness_done(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(bad_responses_are_502_or_a_broken_body_never_a_clean_end),
                cmocka_unit_test(bytes_behind_a_response_end_the_connection),
                cmocka_unit_test(
                        a_kept_connection_that_dies_gets_one_more_try_if_the_method_allows),
                cmocka_unit_test(a_kept_connection_closed_meanwhile_is_not_used),
                cmocka_unit_test(a_silent_backend_is_504_before_the_head_and_an_abort_behind_it),
                cmocka_unit_test(a_client_whose_body_does_not_come_is_408),
                cmocka_unit_test(an_answer_while_the_body_still_comes_reaches_the_client),
                cmocka_unit_test(a_body_unlike_its_length_never_ends_as_a_message),
                cmocka_unit_test(a_request_that_breaks_off_is_never_sent_as_complete),
                cmocka_unit_test(a_backend_that_drips_is_cut_when_the_whole_is_late),
                cmocka_unit_test(a_client_that_goes_takes_the_backend_connection_along),
                cmocka_unit_test(closing_is_safe_at_every_moment),
                cmocka_unit_test(closing_inside_a_callback_is_safe),
                cmocka_unit_test(a_name_for_this_machine_is_refused_unless_allowed),
                cmocka_unit_test(a_kept_connection_ends_when_nobody_uses_it),
                cmocka_unit_test(a_message_that_could_not_be_read_is_answered_and_logged),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
