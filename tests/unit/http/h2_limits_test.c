#include "h2_harness.h"

static const unsigned char ping[8];

static void put_ping(struct raw *raw, uint32_t i)
{
        (void)i;
        raw_frame(raw, NGHTTP2_PING, 0, 0, slice_from(ping, 8));
}

static void put_settings(struct raw *raw, uint32_t i)
{
        (void)i;
        raw_frame(raw, NGHTTP2_SETTINGS, 0, 0, SLICE_NONE);
}

static void put_priority(struct raw *raw, uint32_t i)
{
        (void)i;
        raw_frame(raw, NGHTTP2_PRIORITY, 0, 1, SLICE("\0\0\0\0\x10"));
}

static void put_empty_data(struct raw *raw, uint32_t i)
{
        if (i == 0)
                raw_headers(raw, 1, 0, SLICE(GET_LINES));
        raw_frame(raw, NGHTTP2_DATA, 0, 1, SLICE_NONE);
}

static void put_padding(struct raw *raw, uint32_t i)
{
        if (i == 0)
                raw_headers(raw, 1, 0, SLICE(GET_LINES));
        raw_frame(raw, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, SLICE("\3\0\0\0"));
}

/* Rapid reset, CVE-2023-44487. */
static void put_rapid_reset(struct raw *raw, uint32_t i)
{
        raw_get(raw, 2 * i + 1);
        raw_frame(raw, NGHTTP2_RST_STREAM, 0, 2 * i + 1, SLICE("\0\0\0\x08"));
}

/* The forms of MadeYouReset, CVE-2025-8671: each makes the server send the reset.
 * (A window update of 0 and a PRIORITY of a wrong length end the session in nghttp2 at once.) */
static void put_window_overflow(struct raw *raw, uint32_t i)
{
        raw_get(raw, 2 * i + 1);
        raw_frame(raw, NGHTTP2_WINDOW_UPDATE, 0, 2 * i + 1, SLICE("\x7f\xff\xff\xff"));
}

static void put_data_over_length(struct raw *raw, uint32_t i)
{
        raw_headers(raw, 2 * i + 1, 0, SLICE(GET_LINES "content-length: 1\n"));
        raw_frame(raw, NGHTTP2_DATA, 0, 2 * i + 1, SLICE("xy"));
}

static void put_malformed(struct raw *raw, uint32_t i)
{
        raw_headers(raw, 2 * i + 1, NGHTTP2_FLAG_END_STREAM, SLICE(GET_LINES "connection: x\n"));
}

typedef void put_fn(struct raw *raw, uint32_t i);

struct flood {
        const char *budget;
        put_fn *put;
        size_t offset; /* of the limit in h2_limits */
};

#define FLOOD(name, put)                                                                           \
        {                                                                                          \
#name, put, offsetof(struct h2_limits, name)                                       \
        }

static const struct flood floods[] = {
        FLOOD(pings, put_ping),
        FLOOD(settings, put_settings),
        FLOOD(priorities, put_priority),
        FLOOD(empty_data, put_empty_data),
        FLOOD(empty_data, put_padding),
        FLOOD(client_resets, put_rapid_reset),
        FLOOD(server_resets, put_window_overflow),
        FLOOD(server_resets, put_data_over_length),
        FLOOD(server_resets, put_malformed),
};

/* Sends `count` of them, one a turn, with the server's output read. True: the session lives. */
static bool flood_run(struct app *app, struct raw *raw, put_fn *put, uint32_t from, uint32_t count)
{
        for (uint32_t i = from; i < from + count; i++) {
                put(raw, i);
                bool alive = raw_send(raw, app);
                app_send_all(app);
                if (!alive || h2_over_budget(app->session) != NULL)
                        return false;
        }
        return true;
}

static void each_flood_has_a_budget_and_ends_in_enhance_your_calm(void **state)
{
        (void)state;
        for (size_t f = 0; f < COUNT_OF(floods); f++) {
                struct app *app = app_new();
                struct raw raw;
                uint32_t limit = 20;
                memcpy((char *)&app->limits + floods[f].offset, &limit, sizeof(limit));
                app_start(app);
                raw_init(&raw);
                assert_true(raw_send(&raw, app));
                uint32_t spent = strcmp(floods[f].budget, "settings") == 0 ? 1 : 0;
                if (!flood_run(app, &raw, floods[f].put, 0, limit - spent))
                        fail_msg("flood %zu: too early, %s", f, h2_over_budget(app->session));
                if (flood_run(app, &raw, floods[f].put, limit - spent, 1))
                        fail_msg("flood %zu: not noticed", f);
                assert_string_equal(h2_over_budget(app->session), floods[f].budget);
                assert_int_equal(sent_code(app, NGHTTP2_GOAWAY, 0), NGHTTP2_ENHANCE_YOUR_CALM);
                assert_false(h2_receive(app->session, SLICE("x"), app->now_ms));
                assert_true(h2_finished(app->session));
                raw_done(&raw);
                app_free(app);
        }
}

static void a_budget_comes_back_with_time(void **state)
{
        struct app *app = app_new();
        struct raw raw;
        (void)state;
        app->limits.pings = 10;
        app_start(app);
        raw_init(&raw);
        assert_true(flood_run(app, &raw, put_ping, 0, 10));
        app->now_ms += app->limits.budget_ms / 2;
        assert_true(flood_run(app, &raw, put_ping, 0, 5));
        app->now_ms += app->limits.budget_ms * 100; /* never more than full */
        assert_true(flood_run(app, &raw, put_ping, 0, 10));
        app->now_ms = 0; /* a clock that goes back gives nothing */
        assert_false(flood_run(app, &raw, put_ping, 0, 1));
        raw_done(&raw);
        app_free(app);
}

/* All in one read, from a peer that reads nothing. */
static void a_peer_that_does_not_read_cannot_pile_up_answers(void **state)
{
        struct app *app = app_new();
        struct raw raw;
        (void)state;
        app->limits.pings = UINT32_MAX;
        app->limits.queued_frames = 50;
        app_start(app);
        raw_init(&raw);
        for (uint32_t i = 0; i < 1000; i++)
                put_ping(&raw, i);
        assert_false(raw_send(&raw, app));
        assert_string_equal(h2_over_budget(app->session), "queued_frames");
        app_send_all(app);
        assert_int_equal(sent_code(app, NGHTTP2_GOAWAY, 0), NGHTTP2_ENHANCE_YOUR_CALM);
        raw_done(&raw);
        app_free(app);
}

static bool continuations_pass(uint32_t count)
{
        struct app *app = app_new();
        struct raw raw;
        app_start(app);
        raw_init(&raw);
        raw_frame(&raw, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, SLICE("\x82\x86\x84\x41\x01"));
        for (uint32_t i = 1; i < count; i++)
                raw_frame(&raw, NGHTTP2_CONTINUATION, 0, 1, SLICE_NONE);
        raw_frame(&raw, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 1, SLICE("a"));
        bool alive = raw_send(&raw, app);
        app_send_all(app);
        assert_int_equal(app->requests, alive ? 1 : 0);
        if (!alive) {
                assert_string_equal(h2_over_budget(app->session), "continuations");
                assert_int_equal(sent_code(app, NGHTTP2_GOAWAY, 0), NGHTTP2_ENHANCE_YOUR_CALM);
        }
        raw_done(&raw);
        app_free(app);
        return alive;
}

static void a_field_block_has_at_most_eight_continuations(void **state)
{
        (void)state;
        assert_true(continuations_pass(1));
        assert_true(continuations_pass(8));
        assert_false(continuations_pass(9));
        assert_false(continuations_pass(10000));
}

/* A 4 KiB value put into HPACK's table, then named by one byte again and again. */
static void a_header_bomb_ends_the_session(void **state)
{
        struct app *app = app_new();
        struct raw raw;
        /* x: 3000 v's, into the table: a length of 127 + 57 + 22 * 128 in HPACK's integers */
        static const char start[] = "\x82\x86\x84\x41\x01"
                                    "a"
                                    "\x40\x01x\x7f\xb9\x16";
        static char block[sizeof(start) + 3000 + 30];
        size_t at = sizeof(start) - 1;
        (void)state;
        app_start(app);
        raw_init(&raw);
        memcpy(block, start, at);
        memset(block + at, 'v', 3000);
        memset(block + at + 3000, 0xbe, 30);
        at += 3000;
        raw_frame(&raw, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1,
                  slice_from(block, at + 30));
        assert_false(raw_send(&raw, app));
        assert_string_equal(h2_over_budget(app->session), "header_list");
        assert_int_equal(app->requests, 0);
        app_send_all(app);
        assert_int_equal(sent_code(app, NGHTTP2_GOAWAY, 0), NGHTTP2_ENHANCE_YOUR_CALM);
        raw_done(&raw);
        app_free(app);
}

static void more_streams_than_allowed_are_refused(void **state)
{
        struct app *app = app_new();
        struct raw raw;
        (void)state;
        app->limits.streams = 3;
        app_start(app);
        raw_init(&raw);
        app_send_all(app);
        raw_frame(&raw, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, SLICE_NONE);
        for (uint32_t i = 0; i < 4; i++)
                raw_get(&raw, 2 * i + 1);
        raw_send(&raw, app);
        app_send_all(app);
        assert_int_equal(app->requests, 3);
        assert_int_equal(app->opens, 3);
        raw_done(&raw);
        app_free(app);
}

/* Requests without an end, each answered at once. */
static struct app *app_lingering(struct raw *raw, uint32_t streams, uint32_t asked)
{
        struct app *app = app_new();
        app->limits.streams = streams;
        app->limits.client_resets = app->limits.server_resets = 0;
        app->respond_status = 403;
        app_start(app);
        raw_init(raw);
        app_send_all(app);
        raw_frame(raw, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, SLICE_NONE);
        for (uint32_t i = 0; i < asked; i++)
                raw_headers(raw, 2 * i + 1, 0, SLICE(GET_LINES));
        assert_true(raw_send(raw, app));
        app_send_all(app);
        return app;
}

static void a_request_that_was_answered_early_has_its_time_to_end(void **state)
{
        struct raw raw;
        struct app *app = app_lingering(&raw, 10, 1);
        uint64_t until_ms, begin_ms = app->now_ms;
        (void)state;
        assert_int_equal(app->closes, 1); /* the caller is done with it */
        assert_true(h2_lingers(app->session, &until_ms));
        assert_int_equal(until_ms, begin_ms + app->limits.linger_ms);
        app->now_ms = until_ms - 1;
        raw_headers(&raw, 3, 0, SLICE(GET_LINES)); /* a later one has its own */
        assert_true(raw_send(&raw, app));
        app_send_all(app);
        assert_int_equal(sent_code(app, NGHTTP2_RST_STREAM, 1), -1);
        app->now_ms = until_ms;
        app_send_all(app);
        assert_int_equal(sent_code(app, NGHTTP2_RST_STREAM, 1), NGHTTP2_NO_ERROR);
        assert_true(h2_lingers(app->session, &until_ms));
        app->now_ms = until_ms - 1;
        app_send_all(app);
        assert_int_equal(sent_code(app, NGHTTP2_RST_STREAM, 3), -1);
        app->now_ms = until_ms;
        app_send_all(app);
        assert_int_equal(sent_code(app, NGHTTP2_RST_STREAM, 3), NGHTTP2_NO_ERROR);
        assert_false(h2_lingers(app->session, &until_ms));
        assert_int_equal(sent_code(app, NGHTTP2_GOAWAY, 0), -1);
        raw_done(&raw);
        app_free(app);
}

static void who_lingers_counts_as_a_stream(void **state)
{
        struct raw raw;
        struct app *app = app_lingering(&raw, 3, 3);
        (void)state;
        assert_int_equal(app->closes, 3);
        raw_get(&raw, 7);
        raw_send(&raw, app);
        assert_int_equal(app->requests, 3);
        raw_done(&raw);
        app_free(app);
}

/* Whatever it is: bytes, trailers, a reset, which costs nothing. */
static void what_comes_behind_an_early_answer_is_dropped(void **state)
{
        struct raw raw;
        struct app *app = app_lingering(&raw, 10, 3);
        uint64_t until_ms;
        (void)state;
        raw_frame(&raw, NGHTTP2_DATA, 0, 1, SLICE("xyz"));
        raw_headers(&raw, 1, NGHTTP2_FLAG_END_STREAM, SLICE("x-a: b\n"));
        raw_frame(&raw, NGHTTP2_RST_STREAM, 0, 3, SLICE("\0\0\0\0"));
        assert_int_equal(sent_code(app, NGHTTP2_PING, 0), -1);
        assert_true(raw_send(&raw, app));
        app_send_all(app);
        assert_int_equal(sent_code(app, NGHTTP2_PING, 0), 0); /* it wakes who ended its request */
        assert_true(h2_lingers(app->session, &until_ms));
        raw_frame(&raw, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 5, SLICE("xyz"));
        assert_true(raw_send(&raw, app));
        assert_false(h2_lingers(app->session, &until_ms));
        app->now_ms = until_ms;
        app_send_all(app);
        for (uint32_t id = 1; id < 6; id += 2)
                assert_int_equal(sent_code(app, NGHTTP2_RST_STREAM, id), -1);
        assert_int_equal(sent_code(app, NGHTTP2_GOAWAY, 0), -1);
        raw_done(&raw);
        app_free(app);
}

static void a_caller_may_refuse_a_stream(void **state)
{
        struct app *app = app_new();
        struct raw raw;
        (void)state;
        app_start(app);
        app->refuse_streams = true;
        raw_init(&raw);
        raw_headers(&raw, 1, 0, SLICE(GET_LINES));
        raw_frame(&raw, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, SLICE("x"));
        assert_true(raw_send(&raw, app));
        app_send_all(app);
        assert_int_equal(app->requests, 0);
        assert_int_equal(sent_code(app, NGHTTP2_RST_STREAM, 1), NGHTTP2_REFUSED_STREAM);
        raw_done(&raw);
        app_free(app);
}

static void what_is_no_h2_ends_the_session(void **state)
{
        static const struct {
                const char *bytes;
                size_t len;
        } rows[] = {
                {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27},
                {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", 24},
                {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\6\0\0\0\0\0", 33}, /* no SETTINGS first */
                {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\1\4\0\0\0\0\0x", 34},
        };
        (void)state;
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct app *app = app_new();
                app_start(app);
                h2_receive(app->session, slice_from(rows[i].bytes, rows[i].len), 1);
                app_send_all(app);
                assert_int_not_equal(sent_code(app, NGHTTP2_GOAWAY, 0), 0);
                assert_true(h2_finished(app->session));
                assert_false(h2_receive(app->session, SLICE("x"), 1));
                app_free(app);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_flood_has_a_budget_and_ends_in_enhance_your_calm),
                cmocka_unit_test(a_budget_comes_back_with_time),
                cmocka_unit_test(a_peer_that_does_not_read_cannot_pile_up_answers),
                cmocka_unit_test(a_field_block_has_at_most_eight_continuations),
                cmocka_unit_test(a_header_bomb_ends_the_session),
                cmocka_unit_test(more_streams_than_allowed_are_refused),
                cmocka_unit_test(a_request_that_was_answered_early_has_its_time_to_end),
                cmocka_unit_test(who_lingers_counts_as_a_stream),
                cmocka_unit_test(what_comes_behind_an_early_answer_is_dropped),
                cmocka_unit_test(a_caller_may_refuse_a_stream),
                cmocka_unit_test(what_is_no_h2_ends_the_session),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
