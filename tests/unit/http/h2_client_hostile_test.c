/* Backends that break rules, and backends that flood. */
#include "h2_client_harness.h"

/* ---- responses that break a rule end their own call ---- */

struct bad {
        const char *lines; /* of the first field block */
        uint8_t flags;
        const char *data;
        const char *trailers;
        const char *token;
};

static const struct bad bads[] = {
        {":status: 101\n", 0, NULL, NULL, NULL},
        {":status: 103\n", NGHTTP2_FLAG_END_STREAM, NULL, NULL, NULL},
        {":status: 99\n", 1, NULL, NULL, NULL},
        {":status: 2000\n", 1, NULL, NULL, NULL},
        {":status: 600\n", 1, NULL, NULL, "status"},
        {":status: 20x\n", 1, NULL, NULL, NULL},
        {":status: 200\n:status: 200\n", 1, NULL, NULL, NULL},
        {"server: s\n", 1, NULL, NULL, NULL},
        {":status: 200\n:path: /\n", 1, NULL, NULL, NULL},
        {"server: s\n:status: 200\n", 1, NULL, NULL, NULL},
        {":status: 200\nconnection: close\n", 1, NULL, NULL, NULL},
        {":status: 200\ntransfer-encoding: chunked\n", 1, NULL, NULL, NULL},
        {":status: 200\nServer: s\n", 1, NULL, NULL, NULL},
        {":status: 200\nx: a\rb\n", 1, NULL, NULL, NULL},
        {":status: 200\nx y: a\n", 1, NULL, NULL, NULL},
        {":status: 200\ncontent-length: 3\n", 1, NULL, NULL, NULL},
        {":status: 200\ncontent-length: 3\n", 0, "ab", NULL, NULL},
        {":status: 200\ncontent-length: 1\n", 0, "ab", NULL, NULL},
        {":status: 200\ncontent-length: +2\n", 0, "ab", NULL, NULL},
        {":status: 200\ncontent-length: 2\ncontent-length: 2\n", 0, "ab", NULL, NULL},
        {":status: 204\n", 0, "ab", NULL, NULL},
        {":status: 200\n", 0, NULL, ":status: 200\n", NULL},
        {":status: 200\n", 0, NULL, "x: a\rb\n", NULL},
};

static void response_that_breaks_a_rule_ends_its_call_alone(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT_OF(bads); i++) {
                const struct bad *bad = &bads[i];
                struct world w;
                world_init(&w);
                world_start(&w);
                struct told *told = get(&w, 0), *other = get(&w, 1);
                raw_headers(&w.backend, 1, bad->flags, slice_of(bad->lines));
                if (bad->data)
                        raw_frame(&w.backend, NGHTTP2_DATA, 1, 1, slice_of(bad->data));
                if (bad->trailers)
                        raw_headers(&w.backend, 1, 1, slice_of(bad->trailers));
                raw_headers(&w.backend, 3, 1, SLICE(":status: 200\n"));
                assert_true(say(&w));
                if (!told->closed || told->end != H2_CALL_BAD)
                        fail_msg("%s: not refused", bad->lines);
                assert_int_equal(told->call.fault.status, 502);
                assert_non_null(told->call.fault.token);
                if (bad->token)
                        assert_string_equal(told->call.fault.token, bad->token);
                assert_false(told->ended);
                assert_int_equal(other->end, H2_CALL_WHOLE);
                world_done(&w);
        }
}

static void response_to_head_has_no_body(void **state)
{
        struct world w;
        (void)state;
        world_init(&w);
        world_start(&w);
        struct told *told = ask(&w, 0, SLICE("HEAD"), true);
        struct told *bad = ask(&w, 1, SLICE("HEAD"), true);
        raw_headers(&w.backend, 1, 1, SLICE(":status: 200\ncontent-length: 7\n"));
        raw_headers(&w.backend, 3, 0, SLICE(":status: 200\n"));
        raw_frame(&w.backend, NGHTTP2_DATA, 1, 3, SLICE("x"));
        assert_true(say(&w));
        assert_int_equal(told->end, H2_CALL_WHOLE);
        assert_int_equal(told->head.framing, FRAMING_NONE);
        assert_int_equal(told->head.content_length, 7);
        assert_int_equal(bad->end, H2_CALL_BAD);
        world_done(&w);
}

static void heads_have_limits(void **state)
{
        static char line[40000];
        struct world w;
        (void)state;
        world_init(&w);
        world_start(&w);
        struct told *told = get(&w, 0), *many = get(&w, 1);
        struct buffer lines;
        buffer_init(&lines, 1 << 20);
        memset(line, 'v', sizeof(line));
        assert_true(buffer_append(&lines, SLICE(":status: 200\n")));
        for (int i = 0; i < 2; i++) {
                assert_true(buffer_append(&lines, SLICE("x: ")));
                assert_true(buffer_append(&lines, slice_from(line, sizeof(line))));
                assert_true(buffer_append(&lines, SLICE("\n")));
        }
        struct raw *raw = &w.backend;
        nghttp2_hd_deflate_change_table_size(raw->deflater, 0);
        /* one frame holds 16 KiB: the peer's frames are cut here */
        struct raw whole = {.deflater = raw->deflater};
        buffer_init(&whole.bytes, RAW_MAX);
        raw_headers(&whole, 1, 0, buffer_slice(&lines));
        struct slice block = slice_skip(buffer_slice(&whole.bytes), 9);
        for (size_t at = 0; at < block.len; at += 16000)
                raw_frame(raw, at == 0 ? NGHTTP2_HEADERS : NGHTTP2_CONTINUATION,
                          at + 16000 >= block.len ? NGHTTP2_FLAG_END_HEADERS : 0, 1,
                          slice_sub(block, at, 16000));
        for (int i = 0; i < 17; i++)
                raw_headers(raw, 3, 0, SLICE(":status: 103\n"));
        assert_true(say(&w));
        assert_int_equal(told->end, H2_CALL_BAD);
        assert_string_equal(told->call.fault.token, "header_list");
        assert_int_equal(many->end, H2_CALL_BAD);
        assert_string_equal(many->call.fault.token, "informational_flood");
        buffer_done(&lines);
        buffer_done(&whole.bytes);
        world_done(&w);
}

/* ---- floods ---- */

static void put_ping(struct raw *raw, uint32_t i)
{
        (void)i;
        raw_frame(raw, NGHTTP2_PING, 0, 0, SLICE("01234567"));
}

static void put_settings(struct raw *raw, uint32_t i)
{
        (void)i;
        raw_frame(raw, NGHTTP2_SETTINGS, 0, 0, SLICE_NONE);
}

static void put_reset(struct raw *raw, uint32_t i)
{
        (void)i;
        raw_frame(raw, NGHTTP2_RST_STREAM, 0, 1, SLICE("\0\0\0\x08"));
}

static void put_empty_data(struct raw *raw, uint32_t i)
{
        if (i == 0)
                raw_headers(raw, 1, 0, SLICE(":status: 200\n"));
        raw_frame(raw, NGHTTP2_DATA, 0, 1, SLICE_NONE);
}

static void put_priority(struct raw *raw, uint32_t i)
{
        (void)i;
        raw_frame(raw, NGHTTP2_PRIORITY, 0, 1, SLICE("\0\0\0\0\x10"));
}

struct flood {
        const char *over;
        void (*put)(struct raw *raw, uint32_t i);
        size_t offset; /* of the limit */
};

static const struct flood floods[] = {
        {"pings", put_ping, offsetof(struct h2_client_limits, pings)},
        {"settings", put_settings, offsetof(struct h2_client_limits, settings)},
        {"backend_resets", put_reset, offsetof(struct h2_client_limits, peer_resets)},
        {"empty_data", put_empty_data, offsetof(struct h2_client_limits, empty_data)},
        {"priorities", put_priority, offsetof(struct h2_client_limits, priorities)},
};

static void flood_ends_the_connection_with_enhance_your_calm(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT_OF(floods); i++) {
                struct world w;
                world_init(&w);
                *(uint32_t *)(void *)((char *)&w.limits + floods[i].offset) = 10;
                world_start(&w);
                buffer_clear(&w.backend.bytes);
                get(&w, 0);
                raw_frame(&w.backend, NGHTTP2_SETTINGS, 0, 0, SLICE_NONE);
                for (uint32_t n = 0; n < 9; n++)
                        floods[i].put(&w.backend, n);
                assert_true(say(&w));
                for (uint32_t n = 9; n < 12; n++) /* one reset is the request's own */
                        floods[i].put(&w.backend, n);
                assert_false(say(&w));
                assert_string_equal(h2_client_over_budget(w.client), floods[i].over);
                assert_int_equal(said_code(&w, NGHTTP2_GOAWAY, 0), NGHTTP2_ENHANCE_YOUR_CALM);
                assert_int_equal(h2_client_room(w.client), 0);
                world_done(&w);
        }
}

/* Who answers before the request is whole says so by a reset, at every request. */
static void a_backend_may_reset_as_often_as_it_is_asked(void **state)
{
        (void)state;
        struct world w;
        world_init(&w);
        w.limits.peer_resets = 1;
        world_start(&w);
        for (uint32_t i = 0; i < CALLS_MAX; i++) {
                struct told *told = get(&w, i);
                raw_headers(&w.backend, 2 * i + 1, NGHTTP2_FLAG_END_STREAM,
                            SLICE(":status: 200\n"));
                raw_frame(&w.backend, NGHTTP2_RST_STREAM, 0, 2 * i + 1, slice_from("\0\0\0\0", 4));
                assert_true(say(&w));
                assert_true(told->closed);
                assert_int_equal(told->end, H2_CALL_WHOLE);
        }
        raw_frame(&w.backend, NGHTTP2_RST_STREAM, 0, 1, slice_from("\0\0\0\0", 4));
        assert_true(say(&w));
        raw_frame(&w.backend, NGHTTP2_RST_STREAM, 0, 1, slice_from("\0\0\0\0", 4));
        assert_false(say(&w));
        world_done(&w);
}

static void continuation_flood_ends_the_connection(void **state)
{
        struct world w;
        (void)state;
        world_init(&w);
        world_start(&w);
        struct told *told = get(&w, 0);
        raw_frame(&w.backend, NGHTTP2_HEADERS, 0, 1, SLICE("\x88"));
        for (int i = 0; i < 20; i++)
                raw_frame(&w.backend, NGHTTP2_CONTINUATION, 0, 1, SLICE_NONE);
        assert_false(say(&w));
        assert_int_equal(h2_client_room(w.client), 0);
        h2_client_free(w.client);
        w.client = NULL;
        assert_true(told->closed);
        world_done(&w);
}

/* A byte of HPACK is a field of 4 KiB. */
static void header_bomb_ends_the_connection(void **state)
{
        static char block[5000];
        struct world w;
        (void)state;
        world_init(&w);
        world_start(&w);
        get(&w, 0);
        /* :status 200; a new entry of the table, name "x", 4,000 bytes; then again and again */
        struct buffer bytes;
        buffer_init(&bytes, 16384);
        assert_true(buffer_append(&bytes, SLICE("\x88\x40\x01x\x7f\xa1\x1e")));
        memset(block, 'v', sizeof(block));
        assert_true(buffer_append(&bytes, slice_from(block, 4000)));
        memset(block, 0xbe, sizeof(block));
        assert_true(buffer_append(&bytes, slice_from(block, 5000)));
        raw_frame(&w.backend, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, buffer_slice(&bytes));
        assert_false(say(&w));
        assert_string_equal(h2_client_over_budget(w.client), "header_list");
        buffer_done(&bytes);
        world_done(&w);
}

static void pushed_responses_end_the_connection(void **state)
{
        struct world w;
        (void)state;
        world_init(&w);
        world_start(&w);
        get(&w, 0);
        raw_frame(&w.backend, NGHTTP2_PUSH_PROMISE, NGHTTP2_FLAG_END_HEADERS, 1,
                  SLICE("\0\0\0\2\x82\x84\x86"));
        say(&w);
        assert_int_equal(h2_client_room(w.client), 0);
        assert_int_equal(said_code(&w, NGHTTP2_GOAWAY, 0), NGHTTP2_PROTOCOL_ERROR);
        world_done(&w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(response_that_breaks_a_rule_ends_its_call_alone),
                cmocka_unit_test(response_to_head_has_no_body),
                cmocka_unit_test(heads_have_limits),
                cmocka_unit_test(flood_ends_the_connection_with_enhance_your_calm),
                cmocka_unit_test(a_backend_may_reset_as_often_as_it_is_asked),
                cmocka_unit_test(continuation_flood_ends_the_connection),
                cmocka_unit_test(header_bomb_ends_the_connection),
                cmocka_unit_test(pushed_responses_end_the_connection),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
