#include "h2_client_harness.h"

/* ---- good backends ---- */

static void response_with_body_and_trailers_is_told(void **state)
{
        struct world w;
        (void)state;
        world_init(&w);
        world_start(&w);
        struct told *told = get(&w, 0);
        raw_headers(&w.backend, 1, 0, SLICE(":status: 103\nlink: x\n"));
        raw_headers(&w.backend, 1, 0, SLICE(":status: 200\nserver: s\n"));
        raw_frame(&w.backend, NGHTTP2_DATA, 0, 1, SLICE("hello"));
        raw_headers(&w.backend, 1, NGHTTP2_FLAG_END_STREAM, SLICE("grpc-status: 0\n"));
        assert_true(say(&w));
        assert_int_equal(told->heads, 2);
        assert_int_equal(told->head.status, 200);
        assert_int_equal(told->head.framing, FRAMING_CHUNKED);
        assert_true(slice_is(header_value(&told->head.headers, SLICE("server")), "s"));
        assert_true(slice_is(buffer_slice(&told->data), "hello"));
        assert_true(slice_is(header_value(told->trailers, SLICE("grpc-status")), "0"));
        assert_true(told->ended && told->closed);
        assert_int_equal(told->end, H2_CALL_WHOLE);
        assert_int_equal(h2_client_calls(w.client), 0);
        world_done(&w);
}

static void response_without_a_body_says_so_in_its_head(void **state)
{
        struct world w;
        (void)state;
        world_init(&w);
        world_start(&w);
        struct told *told = get(&w, 0);
        raw_headers(&w.backend, 1, NGHTTP2_FLAG_END_STREAM,
                    SLICE(":status: 200\ngrpc-status: 5\n"));
        assert_true(say(&w));
        assert_int_equal(told->head.framing, FRAMING_LENGTH);
        assert_int_equal(told->head.content_length, 0);
        assert_false(told->head.content_length_known);
        assert_int_equal(told->end, H2_CALL_WHOLE);
        world_done(&w);
}

static void calls_share_the_connection(void **state)
{
        struct world w;
        (void)state;
        world_init(&w);
        world_start(&w);
        struct told *first = get(&w, 0), *second = get(&w, 1);
        assert_int_equal(h2_client_calls(w.client), 2);
        raw_headers(&w.backend, 3, NGHTTP2_FLAG_END_STREAM, SLICE(":status: 202\n"));
        raw_headers(&w.backend, 1, NGHTTP2_FLAG_END_STREAM, SLICE(":status: 201\n"));
        assert_true(say(&w));
        assert_int_equal(first->head.status, 201);
        assert_int_equal(second->head.status, 202);
        world_done(&w);
}

static void request_body_goes_as_the_backend_opens_its_window(void **state)
{
        static char body[100000];
        struct world w;
        (void)state;
        world_init(&w);
        world_start(&w);
        struct told *told = &w.told[0];
        told->body = slice_from(body, sizeof(body));
        ask(&w, 0, SLICE("POST"), false);
        assert_int_equal(told->sent, 65535);
        raw_frame(&w.backend, NGHTTP2_WINDOW_UPDATE, 0, 0, SLICE("\0\1\0\0"));
        raw_frame(&w.backend, NGHTTP2_WINDOW_UPDATE, 0, 1, SLICE("\0\0\0\1"));
        assert_true(say(&w));
        assert_int_equal(told->sent, 65536);
        raw_frame(&w.backend, NGHTTP2_WINDOW_UPDATE, 0, 1, SLICE("\0\1\0\0"));
        assert_true(say(&w));
        assert_int_equal(told->sent, sizeof(body));
        world_done(&w);
}

/* ---- flow control ---- */

/* Whether the backend was given credit for that stream. */
static bool credited(struct world *w, uint32_t id)
{
        return said_code(w, NGHTTP2_WINDOW_UPDATE, id) > 0;
}

static void response_that_nobody_takes_holds_one_window(void **state)
{
        static char data[16384];
        struct world w;
        (void)state;
        world_init(&w);
        world_start(&w);
        struct told *told = get(&w, 0), *other = get(&w, 1);
        raw_headers(&w.backend, 1, 0, SLICE(":status: 200\n"));
        for (int i = 0; i < 4; i++)
                raw_frame(&w.backend, NGHTTP2_DATA, 0, 1, slice_from(data, sizeof(data)));
        assert_true(say(&w));
        assert_int_equal(told->data.len, 64 * 1024);
        assert_false(credited(&w, 1));
        /* it does not hold back another's */
        raw_headers(&w.backend, 3, 0, SLICE(":status: 200\n"));
        raw_frame(&w.backend, NGHTTP2_DATA, 1, 3, slice_from(data, sizeof(data)));
        assert_true(say(&w));
        assert_true(other->ended);
        h2_call_consume(&told->call, 64 * 1024);
        flush(&w);
        assert_true(credited(&w, 1));
        /* over the window: the backend's fault, and only this call's end */
        for (int i = 0; i < 5; i++)
                raw_frame(&w.backend, NGHTTP2_DATA, 0, 1, slice_from(data, sizeof(data)));
        say(&w);
        assert_true(told->closed);
        assert_int_not_equal(told->end, H2_CALL_WHOLE);
        world_done(&w);
}

/* ---- what may be asked again ---- */

static void refused_stream_is_unseen(void **state)
{
        struct world w;
        (void)state;
        world_init(&w);
        world_start(&w);
        struct told *told = get(&w, 0), *late = get(&w, 1);
        raw_frame(&w.backend, NGHTTP2_RST_STREAM, 0, 1, SLICE("\0\0\0\7"));
        raw_headers(&w.backend, 3, 0, SLICE(":status: 200\n"));
        raw_frame(&w.backend, NGHTTP2_RST_STREAM, 0, 3, SLICE("\0\0\0\7"));
        assert_true(say(&w));
        assert_int_equal(told->end, H2_CALL_UNSEEN);
        assert_int_equal(late->end, H2_CALL_RESET); /* it had answered */
        world_done(&w);
}

static void goaway_leaves_later_calls_unseen(void **state)
{
        struct world w;
        (void)state;
        world_init(&w);
        world_start(&w);
        struct told *first = get(&w, 0), *second = get(&w, 1);
        raw_frame(&w.backend, NGHTTP2_GOAWAY, 0, 0, SLICE("\0\0\0\1\0\0\0\0"));
        assert_true(say(&w));
        assert_false(first->closed);
        assert_true(second->closed);
        assert_int_equal(second->end, H2_CALL_UNSEEN);
        assert_int_equal(h2_client_room(w.client), 0);
        raw_headers(&w.backend, 1, NGHTTP2_FLAG_END_STREAM, SLICE(":status: 200\n"));
        say(&w);
        assert_int_equal(first->end, H2_CALL_WHOLE);
        assert_true(h2_client_finished(w.client));
        world_done(&w);
}

static void calls_over_the_backends_limit_wait_and_are_unseen(void **state)
{
        struct world w;
        (void)state;
        world_init(&w);
        world_start(&w);
        buffer_clear(&w.backend.bytes);
        raw_frame(&w.backend, NGHTTP2_SETTINGS, 0, 0, SLICE("\0\3\0\0\0\1"));
        struct told *first = get(&w, 0);
        assert_true(say(&w));
        assert_int_equal(h2_client_room(w.client), 0);
        struct request_head head = head_of(SLICE("GET"));
        struct told *second = &w.told[1];
        const struct h2_request request = {
                .head = &head,
                .scheme = SLICE("http"),
                .end = true,
                .arena = &second->arena,
                .callbacks = &callbacks,
                .self = second,
        };
        assert_true(h2_call_begin(&second->call, w.client, &request));
        flush(&w);
        assert_false(second->call.sent);
        raw_frame(&w.backend, NGHTTP2_GOAWAY, 0, 0, SLICE("\0\0\0\1\0\0\0\0"));
        raw_headers(&w.backend, 1, NGHTTP2_FLAG_END_STREAM, SLICE(":status: 200\n"));
        say(&w);
        assert_int_equal(first->end, H2_CALL_WHOLE);
        h2_client_free(w.client);
        w.client = NULL;
        assert_true(second->closed);
        assert_int_equal(second->end, H2_CALL_UNSEEN);
        world_done(&w);
}

static void connection_that_ends_breaks_its_calls(void **state)
{
        struct world w;
        (void)state;
        world_init(&w);
        world_start(&w);
        struct told *told = get(&w, 0);
        assert_true(say(&w));
        h2_client_free(w.client);
        w.client = NULL;
        assert_int_equal(told->end, H2_CALL_BROKEN);
        world_done(&w);
}

static void cancelled_call_is_told_nothing(void **state)
{
        struct world w;
        (void)state;
        world_init(&w);
        world_start(&w);
        struct told *told = get(&w, 0);
        h2_call_cancel(&told->call);
        flush(&w);
        assert_int_equal(said_code(&w, NGHTTP2_RST_STREAM, 1), NGHTTP2_CANCEL);
        raw_headers(&w.backend, 1, 0, SLICE(":status: 200\n"));
        raw_frame(&w.backend, NGHTTP2_DATA, 1, 1, SLICE("late"));
        assert_true(say(&w));
        assert_int_equal(told->heads, 0);
        assert_false(told->closed);
        world_done(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(response_with_body_and_trailers_is_told),
                cmocka_unit_test(response_without_a_body_says_so_in_its_head),
                cmocka_unit_test(calls_share_the_connection),
                cmocka_unit_test(request_body_goes_as_the_backend_opens_its_window),
                cmocka_unit_test(response_that_nobody_takes_holds_one_window),
                cmocka_unit_test(refused_stream_is_unseen),
                cmocka_unit_test(goaway_leaves_later_calls_unseen),
                cmocka_unit_test(calls_over_the_backends_limit_wait_and_are_unseen),
                cmocka_unit_test(connection_that_ends_breaks_its_calls),
                cmocka_unit_test(cancelled_call_is_told_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
