/* What an exchange does when everybody keeps to the rules, and at its gates. */
#include "exchange_harness.h"

#define SCRIPTS(...)                                                                               \
        (const struct script[]){__VA_ARGS__}, COUNT_OF(((const struct script[]){__VA_ARGS__}))
#define STEPS(...)                                                                                 \
        {                                                                                          \
                (const struct step[]){__VA_ARGS__}, COUNT_OF(((const struct step[]){__VA_ARGS__})) \
        }
#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static bool seen(const struct harness *h, size_t peer, const char *text)
{
        struct slice all = buffer_slice(&h->backend.peers[peer].seen);
        return all.len && memmem(all.data, all.len, text, strlen(text)) != NULL;
}

static void assert_body(const struct harness *h, const char *text)
{
        assert_true(slice_is(buffer_slice(&h->body), text));
}

static void head_and_body_pass_and_one_record_is_written(void **state)
{
        static struct harness h;
        (void)state;
        harness_init(&h, SCRIPTS(STEPS({"\r\n\r\n", OK_REPLY, false})));
        harness_open(&h, "GET /good/a?b=c HTTP/1.1\r\nHost: x.org\r\nAccept: y\r\n\r\n");
        harness_finish(&h);
        assert_false(h.aborted);
        assert_int_equal(h.final.status, 200);
        assert_int_equal(h.final.framing, FRAMING_LENGTH);
        assert_true(slice_is(header_value(&h.final.headers, SLICE("x-answer")), "filtered"));
        assert_body(&h, "ok");
        assert_true(seen(&h, 0, "GET /good/a?b=c HTTP/1.1\r\nhost: x.org\r\n"));
        assert_true(seen(&h, 0, "accept: y\r\n"));
        assert_true(seen(&h, 0, "x-set: by-route\r\n"));
        assert_true(seen(&h, 0, "x-forwarded-host: x.org\r\n"));
        assert_true(seen(&h, 0, "x-forwarded-port: 443\r\n"));
        harness_close(&h);
        struct request_facts facts = harness_record(&h);
        assert_int_equal(facts.status, 200);
        assert_int_equal(facts.bytes_out, 2);
        assert_int_equal(facts.generation, 7);
        assert_int_equal(facts.upstream.port, h.backend.port);
        assert_int_equal(facts.fault.len, 0);
        assert_int_equal(facts.request_id.len, 32);
        assert_true(slice_is(facts.path, "/good/a"));
        assert_true(event_ring_is_empty(event_hub_ring(h.hub, 0, false)));
        harness_done(&h);
}

static void identity_is_written_last_and_nobody_else_can(void **state)
{
        static struct harness h;
        static const struct client_policy asks;
        struct header_list identity;
        (void)state;
        harness_init(&h, SCRIPTS(STEPS({"\r\n\r\n", OK_REPLY, false})));
        header_list_init(&identity, &h.arena);
        header_append(&identity, SLICE("pingate-client-verify"), SLICE("SUCCESS"));
        h.client.identity = &identity;
        h.port->client = &asks;
        harness_open(&h,
                     "GET /good HTTP/1.1\r\nHost: a\r\nConnection: pingate-client-verify, x-b\r\n"
                     "Client_Cert: forged\r\nX-B: b\r\nPingate-Client-Verify: forged\r\n\r\n");
        harness_finish(&h);
        assert_true(seen(&h, 0, "pingate-client-verify: SUCCESS\r\n"));
        assert_false(seen(&h, 0, "forged"));
        assert_false(seen(&h, 0, "x-b:"));
        harness_done(&h);
}

static void a_connection_is_used_again_after_a_clean_end(void **state)
{
        static struct harness h;
        (void)state;
        harness_init(&h, SCRIPTS(STEPS({"\r\n\r\n", OK_REPLY, false}, {"\r\n\r\n", OK_REPLY, false},
                                       {"\r\n\r\n", OK_REPLY, false})));
        for (int i = 0; i < 3; i++) {
                harness_open(&h, "GET /good HTTP/1.1\r\nHost: a\r\n\r\n");
                harness_finish(&h);
                assert_int_equal(h.final.status, 200);
                harness_close(&h);
        }
        assert_int_equal(h.backend.peer_count, 1);
        assert_int_equal(counter_get(&event_sink_counters(h.sink)->upstream_reuses), 2);
        harness_done(&h);
}

static void bodies_are_framed_anew_both_ways(void **state)
{
        static struct harness h;
        struct header_list trailers;
        (void)state;
        harness_init(
                &h,
                SCRIPTS(STEPS({"\r\nx-sum: 5\r\n\r\n",
                               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "3;ext\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\nClient-Cert: z\r\n\r\n",
                               false})));
        harness_open(&h, "POST /good HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        exchange_request_data(h.exchange, SLICE("hel"));
        exchange_request_data(h.exchange, SLICE("lo"));
        header_list_init(&trailers, &h.arena);
        header_append(&trailers, SLICE("x-sum"), SLICE("5"));
        header_append(&trailers, SLICE("client-cert"), SLICE("forged"));
        exchange_request_end(h.exchange, &trailers);
        harness_finish(&h);
        assert_true(seen(&h, 0, "transfer-encoding: chunked\r\n"));
        assert_true(seen(&h, 0, "\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 5\r\n\r\n"));
        assert_false(seen(&h, 0, "forged"));
        assert_int_equal(h.final.framing, FRAMING_CHUNKED);
        assert_body(&h, "abcde");
        assert_int_equal(h.trailers.count, 1);
        assert_int_equal(h.consumed, 5);
        harness_close(&h);
        assert_int_equal(harness_record(&h).bytes_in, 5);
        harness_done(&h);
}

static void head_requests_and_bodyless_statuses_end_with_their_head(void **state)
{
        static const char *const methods[] = {"HEAD", "GET", "GET"};
        static struct harness h;
        (void)state;
        harness_init(&h,
                     SCRIPTS(STEPS(
                             {"\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", false},
                             {"\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", false},
                             {"\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false})));
        for (int i = 0; i < 3; i++) {
                char text[64];
                snprintf(text, sizeof(text), "%s /good HTTP/1.1\r\nHost: a\r\n\r\n", methods[i]);
                harness_open(&h, text);
                harness_finish(&h);
                assert_int_equal(h.body.len, 0);
                assert_false(h.aborted);
                harness_close(&h);
        }
        assert_int_equal(h.backend.peer_count, 1);
        harness_done(&h);
}

static void a_body_until_close_ends_cleanly_and_is_not_reused(void **state)
{
        static struct harness h;
        (void)state;
        harness_init(&h, SCRIPTS(STEPS({"\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nall", true})));
        harness_open(&h, "GET /good HTTP/1.1\r\nHost: a\r\n\r\n");
        harness_finish(&h);
        assert_false(h.aborted);
        assert_int_equal(h.final.framing, FRAMING_CHUNKED);
        assert_body(&h, "all");
        assert_int_equal(counter_get(&event_sink_counters(h.sink)->upstream_idle), 0);
        harness_done(&h);
}

static void informational_heads_pass_and_100_is_ours(void **state)
{
        static struct harness h;
        (void)state;
        harness_init(
                &h,
                SCRIPTS(STEPS(
                        {"\r\n\r\n",
                         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
                         false},
                        {"body", OK_REPLY, false})));
        harness_open(&h, "PUT /good HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
                         "Expect: 100-continue\r\n\r\n");
        harness_until(&h, &h.continues, 1);
        exchange_request_data(h.exchange, SLICE("body"));
        exchange_request_end(h.exchange, NULL);
        harness_finish(&h);
        assert_false(seen(&h, 0, "expect"));
        assert_int_equal(h.head_count, 2);
        assert_int_equal(h.statuses[0], 103);
        assert_int_equal(h.statuses[1], 200);
        assert_int_equal(h.continues, 1);
        harness_done(&h);
}

static void large_bodies_stream_within_bounds_both_ways(void **state)
{
        static struct harness h;
        static char big[40000], reply[60000 + 100];
        size_t sent = 0;
        (void)state;
        memset(big, 'u', sizeof(big));
        int at = snprintf(reply, sizeof(reply), "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n");
        memset(reply + at, 'd', 60000);
        const struct step steps[] = {{"END", reply, false}};
        const struct script script = {steps, 1};
        harness_init(&h, &script, 1);
        harness_open(&h, "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 4000003\r\n\r\n");
        while (sent < 4000000) {
                exchange_request_data(h.exchange, slice_from(big, sizeof(big)));
                sent += sizeof(big);
                while (sent - h.consumed > EXCHANGE_WINDOW_BYTES - sizeof(big))
                        uv_run(&h.loop, UV_RUN_ONCE);
        }
        exchange_request_data(h.exchange, SLICE("END"));
        exchange_request_end(h.exchange, NULL);
        harness_finish(&h);
        assert_int_equal(h.body.len, 60000);
        assert_int_equal(h.consumed, 4000003);
        harness_done(&h);
}

static void a_client_that_does_not_pull_holds_at_most_a_window(void **state)
{
        static struct harness h;
        static char reply[8 << 20];
        (void)state;
        int at = snprintf(reply, sizeof(reply), "HTTP/1.1 200 OK\r\n\r\n");
        memset(reply + at, 'd', sizeof(reply) - (size_t)at - 1);
        const struct step steps[] = {{"\r\n\r\n", NULL, false}};
        const struct script script = {steps, 1};
        harness_init(&h, &script, 1);
        h.hold = true;
        harness_open(&h, "GET /good HTTP/1.1\r\nHost: a\r\n\r\n");
        harness_until(&h, &h.backend.peers[0].step, 1);
        /* A writer that fills the pipe as far as it goes, again and again. */
        size_t wrote = 0, idle_turns = 0;
        while (idle_turns < 20) {
                ssize_t n = send(h.backend.peers[0].fd, reply + wrote, sizeof(reply) - 1 - wrote,
                                 MSG_NOSIGNAL | MSG_DONTWAIT);
                wrote += n > 0 ? (size_t)n : 0;
                idle_turns = n > 0 ? 0 : idle_turns + 1;
                uv_run(&h.loop, UV_RUN_ONCE);
        }
        assert_true(wrote < sizeof(reply) - 1); /* it was stopped */
        assert_false(h.end || h.aborted);
        h.hold = false;
        harness_pull(&h);
        while (wrote < sizeof(reply) - 1) {
                ssize_t n = send(h.backend.peers[0].fd, reply + wrote, sizeof(reply) - 1 - wrote,
                                 MSG_NOSIGNAL | MSG_DONTWAIT);
                wrote += n > 0 ? (size_t)n : 0;
                uv_run(&h.loop, UV_RUN_ONCE);
        }
        shutdown(h.backend.peers[0].fd, SHUT_WR);
        harness_finish(&h);
        assert_false(h.aborted);
        assert_int_equal(h.body.len, sizeof(reply) - 1 - (size_t)at);
        harness_done(&h);
}

static void gates_answer_in_their_order(void **state)
{
        static const struct {
                const char *sni, *host, *path;
                unsigned status;
                const char *fault;
        } rows[] = {
                {NULL, "any", "/nowhere", 404, "no_route"},
                {NULL, "any", "/invalid", 500, "backend_invalid"},
                {NULL, "any", "/refuses", 500, "rule_unusable"},
                {NULL, "any", "/none", 503, "no_endpoints"},
                {NULL, "any", "/dead", 502, "backend_connect_failed"},
                {NULL, "any", "/dead/a;x=1/b;y?c;d", 502, "backend_connect_failed"},
                {NULL, "any", "/dead/a%3bx", 502, "backend_connect_failed"},
                {NULL, "any", "/nowhere;x", 404, "no_route"},
                {NULL, "any", "/good;x/a", 400, "path_parameters"},
                {NULL, "any", "/good%3Bx", 400, "path_parameters"},
                {NULL, "any", "/good;", 400, "path_parameters"},
                {"exact.org", "a.wild.org", "/nowhere", 421, "misdirected"},
                {"exact.org", "other", "/good", 421, "misdirected"},
                {"a.wild.org", "exact.org", "/good", 421, "misdirected"},
                {"other", "exact.org", "/good", 421, "misdirected"},
                {"a.wild.org", "b.wild.org", "/nowhere", 404, "no_route"},
                {"exact.org", "EXACT.org.", "/nowhere", 404, "no_route"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                static struct harness h;
                char text[128];
                harness_init(&h, NULL, 0);
                h.client.tls_server_name = slice_of(rows[i].sni);
                h.port->protocol = rows[i].sni ? PORT_TLS : PORT_HTTP;
                snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", rows[i].path,
                         rows[i].host);
                harness_open(&h, text);
                harness_finish(&h);
                if (h.final.status != rows[i].status)
                        fail_msg("row %zu: %u", i, h.final.status);
                harness_close(&h);
                struct request_facts facts = harness_record(&h);
                assert_true(slice_is(facts.fault, rows[i].fault));
                assert_int_equal(facts.status, rows[i].status);
                assert_int_equal(h.backend.peer_count, 0);
                harness_done(&h);
        }
}

static void options_asterisk_is_answered_by_us_under_the_rule_of_the_listener(void **state)
{
        static const struct {
                const char *sni, *host;
                unsigned status;
        } rows[] = {
                {NULL, "any", 200}, {"exact.org", "exact.org", 200}, {"exact.org", "other", 421}};
        (void)state;
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                static struct harness h;
                char text[128];
                harness_init(&h, NULL, 0);
                h.client.tls_server_name = slice_of(rows[i].sni);
                h.port->protocol = rows[i].sni ? PORT_TLS : PORT_HTTP;
                snprintf(text, sizeof(text), "OPTIONS * HTTP/1.1\r\nHost: %s\r\n\r\n",
                         rows[i].host);
                harness_open(&h, text);
                harness_finish(&h);
                assert_int_equal(h.final.status, rows[i].status);
                assert_int_equal(h.final.framing, FRAMING_LENGTH);
                assert_int_equal(h.final.content_length == 0, rows[i].status == 200);
                assert_int_equal(h.backend.peer_count, 0);
                harness_close(&h);
                assert_int_equal(harness_record(&h).fault.len == 0, rows[i].status == 200);
                harness_done(&h);
        }
}

static void https_without_a_listener_serves_nothing(void **state)
{
        static struct harness h;
        (void)state;
        harness_init(&h, NULL, 0);
        h.port->protocol = PORT_TLS;
        harness_open(&h, "GET /good HTTP/1.1\r\nHost: any\r\n\r\n");
        harness_finish(&h);
        assert_int_equal(h.final.status, 421);
        assert_int_equal(h.backend.peer_count, 0);
        harness_done(&h);
}

static void our_own_answers_say_status_and_request_id_only(void **state)
{
        static struct harness h;
        char text[128];
        (void)state;
        harness_init(&h, NULL, 0);
        harness_open(&h, "GET /nowhere HTTP/1.1\r\nHost: any\r\n\r\n");
        harness_finish(&h);
        harness_close(&h);
        struct slice id = harness_record(&h).request_id;
        snprintf(text, sizeof(text), "404 Not Found\nrequest %.*s\n", SLICE_ARG(id));
        assert_body(&h, text);
        assert_int_equal(h.final.content_length, strlen(text));
        harness_open(&h, "HEAD /nowhere HTTP/1.1\r\nHost: any\r\n\r\n");
        harness_finish(&h);
        assert_int_equal(h.final.framing, FRAMING_NONE);
        assert_int_equal(h.body.len, 0);
        harness_done(&h);
}

static void another_endpoint_and_a_name_are_tried(void **state)
{
        static struct harness h;
        (void)state;
        harness_init(&h, SCRIPTS(STEPS({"\r\n\r\n", OK_REPLY, true}),
                                 STEPS({"\r\n\r\n", OK_REPLY, true}),
                                 STEPS({"\r\n\r\n", OK_REPLY, true}),
                                 STEPS({"\r\n\r\n", OK_REPLY, true}),
                                 STEPS({"\r\n\r\n", OK_REPLY, true})));
        for (int i = 0; i < 4; i++) {
                harness_open(&h, "POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
                harness_finish(&h);
                assert_int_equal(h.final.status, 200);
                harness_close(&h);
        }
        harness_open(&h, "GET /name HTTP/1.1\r\nHost: a\r\n\r\n");
        harness_finish(&h);
        assert_int_equal(h.final.status, 200);
        harness_done(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(head_and_body_pass_and_one_record_is_written),
                cmocka_unit_test(identity_is_written_last_and_nobody_else_can),
                cmocka_unit_test(a_connection_is_used_again_after_a_clean_end),
                cmocka_unit_test(bodies_are_framed_anew_both_ways),
                cmocka_unit_test(head_requests_and_bodyless_statuses_end_with_their_head),
                cmocka_unit_test(a_body_until_close_ends_cleanly_and_is_not_reused),
                cmocka_unit_test(informational_heads_pass_and_100_is_ours),
                cmocka_unit_test(large_bodies_stream_within_bounds_both_ways),
                cmocka_unit_test(a_client_that_does_not_pull_holds_at_most_a_window),
                cmocka_unit_test(gates_answer_in_their_order),
                cmocka_unit_test(options_asterisk_is_answered_by_us_under_the_rule_of_the_listener),
                cmocka_unit_test(https_without_a_listener_serves_nothing),
                cmocka_unit_test(our_own_answers_say_status_and_request_id_only),
                cmocka_unit_test(another_endpoint_and_a_name_are_tried),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
