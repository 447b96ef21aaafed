#include "h1_harness.h"

#include "base/buffer.h"

struct read {
        struct arena arena;
        struct request_head head;
        size_t consumed;
};

static void read_ok(struct read *read, struct slice bytes)
{
        static struct http_limits limits;
        struct h1_reader reader;
        limits = http_limits_default();
        arena_init(&read->arena, 1024);
        h1_reader_init(&reader, &limits, &read->arena);
        enum h1_status status = h1_request_read(&reader, bytes, &read->consumed, &read->head);
        if (status != H1_DONE)
                fail_msg("%d %s", status, status == H1_BAD ? reader.fault.token : "more");
}

static void a_head_outlives_the_bytes_it_was_read_from(void **state)
{
        struct slice text = SLICE("POST /a%62?q HTTP/1.1\r\nHost: EX.org:81\r\nX-A:  1 \r\n"
                                  "x-b: 2\r\nx-a: 3\r\nContent-Length: 4\r\n\r\nbody");
        char *copy = memory_dup(text.data, text.len);
        struct read read;
        (void)state;
        read_ok(&read, slice_from(copy, text.len));
        memset(copy, 'z', text.len);
        free(copy);
        const struct request_head *head = &read.head;
        assert_int_equal(read.consumed, text.len - 4);
        assert_true(slice_is(head->method, "POST"));
        assert_true(slice_is(head->target, "/ab?q"));
        assert_true(slice_is(head->path, "/ab"));
        assert_true(slice_is(head->authority, "ex.org:81"));
        assert_true(slice_is(head->host, "ex.org"));
        assert_int_equal(head->port, 81);
        assert_int_equal(head->scheme.len, 0);
        assert_int_equal(head->headers.count, 3);
        assert_true(slice_is(head->headers.items[0].name, "x-a"));
        assert_true(slice_is(head->headers.items[0].value, "1"));
        assert_int_equal(head->framing, FRAMING_LENGTH);
        assert_int_equal(head->content_length, 4);
        assert_true(head->keep_alive);
        arena_done(&read.arena);
}

static void an_absolute_target_is_split_into_its_parts(void **state)
{
        struct read read;
        (void)state;
        read_ok(&read, SLICE("GET HTTPS://A:1?x HTTP/1.1\r\nHost: a:1\r\n\r\n"));
        assert_true(slice_is(read.head.scheme, "https"));
        assert_true(slice_is(read.head.authority, "a:1"));
        assert_true(slice_is(read.head.target, "/?x"));
        arena_done(&read.arena);
        read_ok(&read, SLICE("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_true(slice_is(read.head.target, "*"));
        arena_done(&read.arena);
}

static void a_connection_stays_open_only_by_http_1_1_without_close(void **state)
{
        static const struct {
                const char *text;
                bool keep_alive;
        } rows[] = {
                {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
                {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
                {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n", false},
                {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n", false},
                {"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true},
                {"GET / HTTP/1.0\r\nHost: a\r\n\r\n", false},
                {"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", false},
        };
        (void)state;
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct read read;
                read_ok(&read, slice_of(rows[i].text));
                assert_int_equal(read.head.keep_alive, rows[i].keep_alive);
                arena_done(&read.arena);
        }
}

static void the_only_upgrade_is_a_websocket(void **state)
{
        static const struct {
                const char *text;
                bool asked;
        } rows[] = {
                {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n",
                 true},
                {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, upgrade\r\nUpgrade: "
                 "websocket\r\n\r\n",
                 true},
                {"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", false},
                {"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", false},
                {"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c, "
                 "websocket\r\n\r\n",
                 false},
                {"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                 "Upgrade: h2c\r\n\r\n",
                 false},
                {"GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
                 false},
                {"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: "
                 "websocket\r\n\r\n",
                 false},
                {"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                 "Content-Length: 1\r\n\r\n",
                 false},
        };
        (void)state;
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct read read;
                read_ok(&read, slice_of(rows[i].text));
                assert_int_equal(read.head.upgrade.len > 0, rows[i].asked);
                arena_done(&read.arena);
        }
}

static void an_expectation_counts_only_before_a_body(void **state)
{
        struct read read;
        (void)state;
        read_ok(&read, SLICE("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                             "Content-Length: 1\r\n\r\n"));
        assert_true(read.head.expect_continue);
        assert_non_null(header_find(&read.head.headers, SLICE("expect")));
        arena_done(&read.arena);
        read_ok(&read, SLICE("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"));
        assert_false(read.head.expect_continue);
        assert_null(header_find(&read.head.headers, SLICE("expect")));
        arena_done(&read.arena);
        read_ok(&read, SLICE("PUT / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n"
                             "Content-Length: 1\r\n\r\n"));
        assert_false(read.head.expect_continue);
        assert_null(header_find(&read.head.headers, SLICE("expect")));
        arena_done(&read.arena);
}

/* ---- limits ---- */

static void filled(struct buffer *out, const char *before, size_t fill, const char *after)
{
        buffer_init(out, 1 << 20);
        assert_true(buffer_append(out, slice_of(before)));
        memset(buffer_reserve(out, fill), 'x', fill);
        out->len += fill;
        assert_true(buffer_append(out, slice_of(after)));
}

static const struct {
        const char *before;
        size_t fill;
        const char *after;
        int status;
        const char *token;
} limit_rows[] = {
        {"GET /", 8 * 1024 - 1, " HTTP/1.1\r\nHost: a\r\n\r\n", 0, NULL},
        {"GET /", 8 * 1024, " HTTP/1.1\r\nHost: a\r\n\r\n", 414, "target_too_long"},
        {"GET /", 200 * 1024, "", 414, "target_too_long"},
        {"", 200 * 1024, "", 414, "target_too_long"},
        {"GET / HTTP/1.1\r\nHost: a\r\n", 256, ": y\r\n\r\n", 0, NULL},
        {"GET / HTTP/1.1\r\nHost: a\r\n", 257, ": y\r\n\r\n", 431, "field_name_too_long"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: ", 60 * 1024, "\r\n\r\n", 0, NULL},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: ", 64 * 1024 - 32, "\r\n\r\n", 0, NULL},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: ", 64 * 1024 - 31, "\r\n\r\n", 431, "head_too_big"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: ", 200 * 1024, "", 431, "head_too_big"},
};

static void each_limit_has_its_status(void **state)
{
        struct http_limits limits = http_limits_default();
        (void)state;
        for (size_t i = 0; i < COUNT_OF(limit_rows); i++) {
                struct buffer text;
                struct arena arena;
                struct h1_reader reader;
                struct request_head head;
                size_t consumed;
                arena_init(&arena, 1024);
                filled(&text, limit_rows[i].before, limit_rows[i].fill, limit_rows[i].after);
                h1_reader_init(&reader, &limits, &arena);
                enum h1_status status =
                        h1_request_read(&reader, buffer_slice(&text), &consumed, &head);
                if (status != (limit_rows[i].status ? H1_BAD : H1_DONE) ||
                    reader.fault.status != limit_rows[i].status)
                        fail_msg("row %zu: %d %d", i, status, reader.fault.status);
                if (status == H1_BAD)
                        assert_string_equal(reader.fault.token, limit_rows[i].token);
                buffer_done(&text);
                arena_done(&arena);
        }
}

static void a_hundred_fields_pass_and_one_more_does_not(void **state)
{
        struct http_limits limits = http_limits_default();
        (void)state;
        for (int count = 99; count <= 100; count++) {
                struct buffer text;
                struct arena arena;
                struct h1_reader reader;
                struct request_head head;
                size_t consumed;
                arena_init(&arena, 1024);
                filled(&text, "GET / HTTP/1.1\r\nHost: a\r\n", 0, "");
                for (int i = 0; i < count; i++)
                        assert_true(buffer_append(&text, SLICE("x: y\r\n")));
                assert_true(buffer_append(&text, SLICE("\r\n")));
                h1_reader_init(&reader, &limits, &arena);
                assert_int_equal(h1_request_read(&reader, buffer_slice(&text), &consumed, &head),
                                 count == 99 ? H1_DONE : H1_BAD);
                assert_int_equal(reader.fault.status, count == 99 ? 0 : 431);
                buffer_done(&text);
                arena_done(&arena);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_head_outlives_the_bytes_it_was_read_from),
                cmocka_unit_test(an_absolute_target_is_split_into_its_parts),
                cmocka_unit_test(a_connection_stays_open_only_by_http_1_1_without_close),
                cmocka_unit_test(the_only_upgrade_is_a_websocket),
                cmocka_unit_test(an_expectation_counts_only_before_a_body),
                cmocka_unit_test(each_limit_has_its_status),
                cmocka_unit_test(a_hundred_fields_pass_and_one_more_does_not),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
