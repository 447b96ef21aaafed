/* Mirrors: what they get, and that nobody but the metrics knows of them. The mirror of a request
 * asks for its connection first, so it is peer 0 and the request itself peer 1. */
#include "exchange_harness.h"

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static const char get[] =
        "GET /good?q=1 HTTP/1.1\r\nHost: a\r\nX-Old: 1\r\nClient-Cert: :forged:\r\n\r\n";

static const struct route_mirror to_good = {0, 1, 1}, to_dead = {3, 1, 1}, to_other = {2, 1, 1};
static const struct step main_reply[] = {{"\r\n\r\n", OK_REPLY, false}};
static const struct step mirror_reply[] = {
        {"\r\n\r\n", "HTTP/1.1 500 Mirror\r\nContent-Length: 6\r\n\r\nmirror", false}};
static const struct step silent[] = {{"\r\n\r\n", NULL, false}};

static void start(struct harness *h, const struct script *scripts,
                  const struct route_mirror *mirror)
{
        harness_init(h, scripts, 2);
        h->rules[0].filters.mirrors = mirror;
        h->rules[0].filters.mirror_count = 1;
}

static const struct worker_counters *counters(struct harness *h)
{
        return event_sink_counters(h->sink);
}

static void until_counted(struct harness *h, const struct counter *counter)
{
        while (counter_get(counter) == 0)
                uv_run(&h->loop, UV_RUN_ONCE);
        assert_int_equal(h->mirrors.count, 0);
}

static bool peer_saw(struct harness *h, size_t peer, const char *text)
{
        struct slice seen = buffer_slice(&h->backend.peers[peer].seen);
        return seen.len > 0 && memmem(seen.data, seen.len, text, strlen(text)) != NULL;
}

static void a_mirror_gets_the_request_without_identity_and_its_answer_is_ignored(void **state)
{
        static struct harness h;
        const struct script scripts[] = {{mirror_reply, 1}, {main_reply, 1}};
        struct header_list identity = {0};
        (void)state;
        start(&h, scripts, &to_good);
        header_list_init(&identity, &h.arena);
        header_append(&identity, SLICE("client-cert"), SLICE(":AAAA:"));
        header_append(&identity, SLICE("pingate-client-name"), SLICE("robot"));
        struct client_policy client = {0};
        h.port->client = &client;
        h.client.identity = &identity;
        harness_open(&h, get);
        harness_finish(&h);
        assert_int_equal(h.final.status, 200);
        assert_true(slice_is(buffer_slice(&h.body), "ok"));
        until_counted(&h, &counters(&h)->mirrors_answered);
        for (size_t i = 0; i < 2; i++) {
                assert_true(peer_saw(&h, i, "GET /good?q=1 HTTP/1.1\r\n"));
                assert_true(peer_saw(&h, i, "x-old: 1\r\n"));
                assert_true(peer_saw(&h, i, "x-set: by-route\r\n"));
                assert_false(peer_saw(&h, i, "forged"));
                assert_int_equal(peer_saw(&h, i, "client-cert"), i == 1);
                assert_int_equal(peer_saw(&h, i, "pingate-"), i == 1);
        }
        harness_close(&h);
        assert_int_equal(counter_get(&counters(&h)->upstream_idle), 2); /* both were kept */
        harness_done(&h);
}

static void a_body_goes_to_both_whole(void **state)
{
        static struct harness h;
        const struct step hello[] = {{"hello", OK_REPLY, false}};
        const struct script scripts[] = {{hello, 1}, {hello, 1}};
        (void)state;
        start(&h, scripts, &to_good);
        harness_open(&h, "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
        exchange_request_data(h.exchange, SLICE("hel"));
        exchange_request_data(h.exchange, SLICE("lo"));
        exchange_request_end(h.exchange, NULL);
        harness_finish(&h);
        harness_close(&h); /* a mirror outlives it */
        arena_reset(&h.arena);
        until_counted(&h, &counters(&h)->mirrors_answered);
        assert_true(peer_saw(&h, 0, "\r\n\r\nhello") && peer_saw(&h, 1, "\r\n\r\nhello"));
        harness_done(&h);
}

static void a_mirror_that_fails_is_invisible(void **state)
{
        static struct harness h;
        const struct script dead[] = {{main_reply, 1}};
        const struct step garbage[] = {{"\r\n\r\n", "garbage\r\n\r\n", true}};
        const struct script bad[] = {{garbage, 1}, {main_reply, 1}};
        (void)state;
        start(&h, dead, &to_dead);
        harness_open(&h, get);
        harness_finish(&h);
        assert_int_equal(h.final.status, 200);
        until_counted(&h, &counters(&h)->mirrors_failed);
        harness_done(&h);
        start(&h, bad, &to_good);
        harness_open(&h, get);
        harness_finish(&h);
        assert_int_equal(h.final.status, 200);
        until_counted(&h, &counters(&h)->mirrors_failed);
        harness_done(&h);
}

static void a_mirror_that_never_answers_ends_by_itself(void **state)
{
        static struct harness h;
        const struct script scripts[] = {{silent, 1}, {main_reply, 1}};
        (void)state;
        start(&h, scripts, &to_good);
        harness_open(&h, get);
        harness_finish(&h);
        assert_in_range(h.now_ms - h.started_ms, 0, 300);
        harness_close(&h);
        until_counted(&h, &counters(&h)->mirrors_failed);
        assert_in_range(h.now_ms - h.started_ms, 499, 900);
        harness_done(&h);
}

/* Accepts in the kernel alone, and reads nothing. */
static int deaf_open(in_port_t *port)
{
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(address);
        const int small = 4096;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
        assert_int_equal(bind(fd, (const void *)&address, len), 0);
        assert_int_equal(listen(fd, 4), 0);
        assert_int_equal(getsockname(fd, (void *)&address, &len), 0);
        *port = ntohs(address.sin_port);
        return fd;
}

static void the_request_waits_for_no_mirror_and_who_falls_behind_is_dropped(void **state)
{
        static struct harness h;
        static char piece[30000];
        const size_t size = 30000 * 400;
        const struct script scripts[] = {{NULL, 0}};
        struct endpoint endpoint = {0};
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        in_port_t port;
        int fd = deaf_open(&port);
        (void)state;
        address.sin_port = htons(port);
        memcpy(&endpoint.address, &address, sizeof(address));
        start(&h, scripts, &to_other);
        h.backends[2].endpoints = &endpoint;
        h.backends[2].endpoint_count = 1;
        harness_open(&h, "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 12000000\r\n\r\n");
        for (size_t at = 0; at < size; at += sizeof(piece)) {
                exchange_request_data(h.exchange, slice_from(piece, sizeof(piece)));
                harness_until(&h, &h.consumed, at + sizeof(piece));
        }
        assert_int_equal(counter_get(&counters(&h)->mirrors_dropped), 1);
        assert_int_equal(h.mirrors.count, 0);
        harness_done(&h);
        close(fd);
}

static void a_request_that_breaks_off_is_complete_for_no_mirror(void **state)
{
        static struct harness h;
        const struct http_fault fault = {400, "chunk_size"};
        const struct step abc[] = {{"abc", NULL, false}};
        const struct script scripts[] = {{abc, 1}, {abc, 1}};
        (void)state;
        for (int close_it = 0; close_it < 2; close_it++) {
                start(&h, scripts, &to_good);
                harness_open(
                        &h, "POST /good HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
                exchange_request_data(h.exchange, SLICE("abc"));
                harness_until(&h, &h.backend.peers[0].step, 1);
                if (close_it)
                        harness_close(&h);
                else
                        exchange_request_broken(h.exchange, &fault);
                until_counted(&h, &counters(&h)->mirrors_dropped);
                while (!h.backend.peers[0].ended)
                        uv_run(&h.loop, UV_RUN_ONCE);
                assert_false(peer_saw(&h, 0, "\r\n0\r\n"));
                harness_done(&h);
        }
}

static void a_body_over_its_length_is_no_mirrors_either(void **state)
{
        static struct harness h;
        const struct script scripts[] = {{silent, 1}, {silent, 1}};
        (void)state;
        start(&h, scripts, &to_good);
        harness_open(&h, "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
        harness_until(&h, &h.backend.peers[0].step, 1);
        exchange_request_data(h.exchange, SLICE("abc"));
        until_counted(&h, &counters(&h)->mirrors_dropped);
        assert_false(peer_saw(&h, 0, "\r\n\r\nab"));
        harness_done(&h);
}

static void over_their_number_none_begins(void **state)
{
        static struct harness h;
        const struct script scripts[] = {{main_reply, 1}};
        (void)state;
        start(&h, scripts, &to_good);
        h.mirrors.count_max = 0;
        harness_open(&h, get);
        harness_finish(&h);
        assert_int_equal(h.final.status, 200);
        assert_int_equal(h.backend.peer_count, 1);
        assert_int_equal(counter_get(&counters(&h)->mirrors_dropped), 1);
        harness_done(&h);
}

static void a_request_for_another_protocol_is_not_mirrored(void **state)
{
        static struct harness h;
        const struct script scripts[] = {{main_reply, 1}};
        (void)state;
        start(&h, scripts, &to_good);
        harness_open(&h, "GET /good HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                         "Upgrade: websocket\r\n\r\n");
        harness_finish(&h);
        assert_int_equal(h.backend.peer_count, 1);
        harness_done(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(
                        a_mirror_gets_the_request_without_identity_and_its_answer_is_ignored),
                cmocka_unit_test(a_body_goes_to_both_whole),
                cmocka_unit_test(a_mirror_that_fails_is_invisible),
                cmocka_unit_test(a_mirror_that_never_answers_ends_by_itself),
                cmocka_unit_test(the_request_waits_for_no_mirror_and_who_falls_behind_is_dropped),
                cmocka_unit_test(a_request_that_breaks_off_is_complete_for_no_mirror),
                cmocka_unit_test(a_body_over_its_length_is_no_mirrors_either),
                cmocka_unit_test(over_their_number_none_begins),
                cmocka_unit_test(a_request_for_another_protocol_is_not_mirrored),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
