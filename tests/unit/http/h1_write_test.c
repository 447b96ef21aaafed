#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "http/body.h"
#include "http/h1.h"
#include "http/h1_write.h"

static struct arena arena;
static struct buffer out;

static int start(void **state)
{
        (void)state;
        arena_init(&arena, 4096);
        buffer_init(&out, 64 * 1024);
        return 0;
}

static int end(void **state)
{
        (void)state;
        arena_done(&arena);
        buffer_done(&out);
        return 0;
}

static void assert_out(const char *want)
{
        assert_true(buffer_append(&out, slice_from("", 1)));
        assert_string_equal(out.data, want);
        buffer_clear(&out);
}

static struct request_head request_of(const char *text)
{
        static struct http_limits limits;
        struct h1_reader reader;
        struct request_head head;
        size_t consumed;
        limits = http_limits_default();
        h1_reader_init(&reader, &limits, &arena);
        assert_int_equal(h1_request_read(&reader, slice_of(text), &consumed, &head), H1_DONE);
        return head;
}

static void a_request_is_written_from_its_head_alone(void **state)
{
        struct request_head head =
                request_of("\r\nPOST http://Ex.org/%61?b HTTP/1.1\r\nhost:EX.org\r\nX-A:  1\r\n"
                           "Connection: x-a\r\nContent-Length: 003\r\nTE: x\r\n\r\n");
        (void)state;
        assert_true(h1_write_request(&head, &out));
        assert_out("POST /a?b HTTP/1.1\r\nhost: ex.org\r\ncontent-length: 3\r\nx-a: 1\r\n\r\n");
        head = request_of("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
        assert_true(h1_write_request(&head, &out));
        assert_out("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        head = request_of("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_true(h1_write_request(&head, &out));
        assert_out("PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
        head = request_of("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n"
                          "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n");
        assert_true(h1_write_request(&head, &out));
        assert_out("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
                   "sec-websocket-version: 13\r\n\r\n");
}

static void framing_in_the_list_is_never_written(void **state)
{
        static const char *const names[] = {"host",       "content-length",  "transfer-encoding",
                                            "connection", "keep-alive",      "upgrade",
                                            "te",         "proxy-connection"};
        struct request_head head = request_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        (void)state;
        for (size_t i = 0; i < COUNT_OF(names); i++)
                header_append(&head.headers, slice_of(names[i]), SLICE("5"));
        assert_true(h1_write_request(&head, &out));
        assert_out("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
}

static void a_response_is_written_with_its_framing(void **state)
{
        struct response_head head = {.status = 200, .keep_alive = true};
        (void)state;
        header_list_init(&head.headers, &arena);
        header_append(&head.headers, SLICE("x"), SLICE("y"));
        head.framing = FRAMING_LENGTH;
        head.content_length = 12;
        assert_true(h1_write_response(&head, SLICE("now"), &out));
        assert_out("HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 12\r\nx: y\r\n\r\n");
        header_append(&head.headers, SLICE("date"), SLICE("then"));
        head.framing = FRAMING_CHUNKED;
        assert_true(h1_write_response(&head, SLICE("now"), &out));
        assert_out("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx: y\r\ndate: then\r\n\r\n");
        head.headers.count = 0;
        head.framing = FRAMING_UNTIL_CLOSE;
        head.keep_alive = false;
        assert_true(h1_write_response(&head, SLICE_NONE, &out));
        assert_out("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
        head = (struct response_head){.status = 304, .keep_alive = true};
        assert_true(h1_write_response(&head, SLICE_NONE, &out));
        assert_out("HTTP/1.1 304 Not Modified\r\n\r\n");
        head.content_length_known = true;
        head.content_length = 7;
        assert_true(h1_write_response(&head, SLICE_NONE, &out));
        assert_out("HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n");
        head = (struct response_head){.status = 101, .upgrade = SLICE("websocket")};
        assert_true(h1_write_response(&head, SLICE_NONE, &out));
        assert_out("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n"
                   "upgrade: websocket\r\n\r\n");
        head = (struct response_head){.status = 599, .keep_alive = true};
        assert_true(h1_write_response(&head, SLICE_NONE, &out));
        assert_out("HTTP/1.1 599 \r\n\r\n");
}

static void a_chunked_body_reads_back(void **state)
{
        struct http_limits limits = http_limits_default();
        struct header_list trailers;
        struct body_reader reader;
        char head[CHUNK_HEAD_MAX];
        struct slice data;
        size_t consumed;
        (void)state;
        header_list_init(&trailers, &arena);
        header_append(&trailers, SLICE("x-sum"), SLICE("1"));
        header_append(&trailers, SLICE("content-length"), SLICE("1"));
        assert_true(buffer_append(&out, chunk_head_print(5, head)));
        assert_true(buffer_append(&out, SLICE("hello\r\n")));
        assert_true(h1_write_last_chunk(&trailers, &out));
        body_reader_init(&reader, FRAMING_CHUNKED, 0, &limits, &arena);
        struct slice rest = buffer_slice(&out);
        assert_int_equal(body_read(&reader, rest, &consumed, &data), BODY_DATA);
        assert_true(slice_is(data, "hello"));
        rest = slice_skip(rest, consumed);
        assert_int_equal(body_read(&reader, rest, &consumed, &data), BODY_END);
        assert_int_equal(consumed, rest.len);
        assert_int_equal(reader.trailers.count, 1);
        buffer_clear(&out);
        assert_true(h1_write_last_chunk(NULL, &out));
        assert_out("0\r\n\r\n");
}

static void what_does_not_fit_is_not_begun(void **state)
{
        struct request_head head = request_of("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n");
        struct buffer small;
        (void)state;
        for (size_t max = 4; max < 4 + 33; max++) { /* the head has 33 bytes */
                buffer_init(&small, max);
                assert_true(buffer_append(&small, SLICE("abcd")));
                assert_false(h1_write_request(&head, &small));
                assert_true(slice_is(buffer_slice(&small), "abcd"));
                buffer_done(&small);
        }
        buffer_init(&small, 4 + 33);
        assert_true(buffer_append(&small, SLICE("abcd")));
        assert_true(h1_write_request(&head, &small));
        buffer_done(&small);
}

/* In a child, because a bug ends the process. */
static bool write_ends_the_process(struct slice name, struct slice value)
{
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                struct request_head head = request_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                header_append(&head.headers, name, value);
                signal(SIGABRT, SIG_DFL);
                close(STDERR_FILENO);
                h1_write_request(&head, &out);
                _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void a_message_is_never_split(void **state)
{
        (void)state;
        assert_false(write_ends_the_process(SLICE("x"), SLICE("y")));
        assert_true(write_ends_the_process(SLICE("x"), SLICE("a\r\nb: c")));
        assert_true(write_ends_the_process(SLICE("x"), SLICE("a\nb")));
        assert_true(write_ends_the_process(SLICE("x"), SLICE("a\0b")));
        assert_true(write_ends_the_process(SLICE("x\r\ny"), SLICE("a")));
        assert_true(write_ends_the_process(SLICE(""), SLICE("a")));
        assert_true(write_ends_the_process(SLICE("x:"), SLICE("a")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_request_is_written_from_its_head_alone),
                TEST(framing_in_the_list_is_never_written),
                TEST(a_response_is_written_with_its_framing),
                TEST(a_chunked_body_reads_back),
                TEST(what_does_not_fit_is_not_begun),
                TEST(a_message_is_never_split),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
