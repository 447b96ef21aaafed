#include "h1_harness.h"

static enum h1_status read_response(struct h1_reader *reader, struct slice bytes, size_t *consumed,
                                    void *head)
{
        return h1_response_read(reader, bytes, (struct h1_asked){0}, consumed, head);
}

static enum h1_status read_upgraded(struct h1_reader *reader, struct slice bytes, size_t *consumed,
                                    void *head)
{
        return h1_response_read(reader, bytes, (struct h1_asked){.websocket = true}, consumed,
                                head);
}

static const struct row a_status_line_is_read_to_the_letter[] = {
        OK("HTTP/1.1 200 OK"),
        OK("HTTP/1.0 200 OK"),
        OK("HTTP/1.1 200 "),
        OK("HTTP/1.1 200"),
        OK("HTTP/1.1 599 a\tb \xc3\xa4"),
        OK("HTTP/1.1 100 Continue"),
        BAD("HTTP/1.1", 502, "status_line"),
        BAD("HTTP/1.1 ", 502, "status_line"),
        BAD("HTTP/1.1 20", 502, "status_line"),
        BAD("HTTP/1.1 2000", 502, "status_line"),
        BAD("HTTP/1.1 200OK", 502, "status_line"),
        BAD("HTTP/1.1  200 OK", 502, "status_line"),
        BAD("HTTP/1.1\t200 OK", 502, "status_line"),
        BAD("HTTP/1.1 200\tOK", 502, "status_line"),
        BAD("HTTP/1.1 099 x", 502, "status_line"),
        BAD("HTTP/1.1 600 x", 502, "status_line"),
        BAD("HTTP/1.1 000 x", 502, "status_line"),
        BAD("HTTP/1.1 +20 x", 502, "status_line"),
        BAD("HTTP/1.1 2e2 x", 502, "status_line"),
        BAD("HTTP/1.1 -20 x", 502, "status_line"),
        BAD("HTTP/2.0 200 OK", 502, "version_unsupported"),
        BAD("HTTP/1.2 200 OK", 502, "version_unsupported"),
        BAD("http/1.1 200 OK", 502, "version"),
        BAD("ICY 200 OK", 502, "version"),
        BAD(" HTTP/1.1 200 OK", 502, "version"),
        BAD("200 OK", 502, "version"),
        BAD("<html>", 502, "version"),
        BAD("\r\nHTTP/1.1 200 OK", 502, "empty_line"),
        BAD("HTTP/1.1 200 O\0K", 502, "control_character"),
        BAD("HTTP/1.1 200 O\nK", 502, "bare_lf"),
        BAD("HTTP/1.1 200 O\rK", 502, "bare_cr"),
};

static const struct row a_backends_framing_is_trusted_no_more_than_a_clients[] = {
        OK("Content-Length: 5"),
        OK("Transfer-Encoding: chunked"),
        OK("X: y"),
        BAD("Content-Length: 5\r\nContent-Length: 5", 502, "content_length_repeated"),
        BAD("Content-Length: 5\r\nContent-Length: 6", 502, "content_length_repeated"),
        BAD("Content-Length: 5, 5", 502, "content_length"),
        BAD("Content-Length: +5", 502, "content_length"),
        BAD("Content-Length: 5x", 502, "content_length"),
        BAD("Content-Length: -1", 502, "content_length"),
        BAD("Content-Length:", 502, "content_length"),
        BAD("Content-Length: 5\r\nTransfer-Encoding: chunked", 502,
            "content_length_and_transfer_encoding"),
        BAD("Transfer-Encoding: gzip", 502, "transfer_encoding"),
        BAD("Transfer-Encoding: gzip, chunked", 502, "transfer_encoding"),
        BAD("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 502, "transfer_encoding"),
        BAD("Transfer-Encoding: identity", 502, "transfer_encoding"),
        BAD("X : y", 502, "field_space_before_colon"),
        BAD(" X: y", 502, "field_folded"),
        BAD("X: y\r\n z", 502, "field_folded"),
        BAD(": y", 502, "field_name_empty"),
        BAD("X", 502, "field_without_colon"),
        BAD("X: \0", 502, "control_character"),
        BAD("X: a\nb", 502, "bare_lf"),
};

static const struct {
        const char *text;
        struct h1_asked asked;
        bool right;
        enum framing framing;
        uint64_t length;
        bool known, keep_alive, informational;
} heads[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
         {0},
         true,
         FRAMING_LENGTH,
         5,
         true,
         true,
         false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
         {0},
         true,
         FRAMING_LENGTH,
         0,
         true,
         true,
         false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
         {0},
         true,
         FRAMING_CHUNKED,
         0,
         false,
         true,
         false},
        {"HTTP/1.1 200 OK\r\n\r\n", {0}, true, FRAMING_UNTIL_CLOSE, 0, false, false, false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n",
         {0},
         true,
         FRAMING_LENGTH,
         5,
         true,
         false,
         false},
        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", {0}, false, 0, 0, 0, 0, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
         {0},
         true,
         FRAMING_LENGTH,
         5,
         true,
         false,
         false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
         {.head = true},
         true,
         FRAMING_NONE,
         5,
         true,
         true,
         false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
         {.head = true},
         true,
         FRAMING_NONE,
         0,
         false,
         true,
         false},
        {"HTTP/1.1 200 OK\r\n\r\n", {.head = true}, true, FRAMING_NONE, 0, false, true, false},
        {"HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n",
         {0},
         true,
         FRAMING_NONE,
         9,
         true,
         true,
         false},
        {"HTTP/1.1 204 x\r\n\r\n", {0}, true, FRAMING_NONE, 0, false, true, false},
        {"HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n",
         {0},
         true,
         FRAMING_NONE,
         0,
         false,
         true,
         false},
        {"HTTP/1.1 204 x\r\nContent-Length: 3\r\n\r\n", {0}, false, 0, 0, 0, 0, 0},
        {"HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n", {0}, false, 0, 0, 0, 0, 0},
        {"HTTP/1.1 103 x\r\n\r\n", {0}, true, FRAMING_NONE, 0, false, true, true},
        {"HTTP/1.1 100 x\r\nContent-Length: 3\r\n\r\n", {0}, false, 0, 0, 0, 0, 0},
        {"HTTP/1.1 100 x\r\nTransfer-Encoding: chunked\r\n\r\n", {0}, false, 0, 0, 0, 0, 0},
};

static void a_response_is_framed_by_rule(void **state)
{
        struct http_limits limits = http_limits_default();
        (void)state;
        for (size_t i = 0; i < COUNT_OF(heads); i++) {
                struct arena arena;
                struct h1_reader reader;
                struct response_head head;
                size_t consumed;
                arena_init(&arena, 1024);
                h1_reader_init(&reader, &limits, &arena);
                enum h1_status status = h1_response_read(&reader, slice_of(heads[i].text),
                                                         heads[i].asked, &consumed, &head);
                if (status != (heads[i].right ? H1_DONE : H1_BAD))
                        fail_msg("%s -> %d", heads[i].text, status);
                if (heads[i].right &&
                    (head.framing != heads[i].framing || head.content_length != heads[i].length ||
                     head.content_length_known != heads[i].known ||
                     head.keep_alive != heads[i].keep_alive ||
                     head.informational != heads[i].informational))
                        fail_msg("%s -> framing %d, keep_alive %d", heads[i].text, head.framing,
                                 head.keep_alive);
                arena_done(&arena);
        }
}

static const struct row a_tunnel_starts_only_by_a_whole_101[] = {
        OK("HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
        BAD("HTTP/1.1 101 x\r\n\r\n", 502, "switching_protocols"),
        BAD("HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n", 502, "switching_protocols"),
        BAD("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", 502,
            "switching_protocols"),
        BAD("HTTP/1.0 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 502,
            "switching_protocols"),
        BAD("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
            "Content-Length: 1\r\n\r\n",
            502, "body_not_allowed"),
};

static const struct row a_tunnel_starts_only_where_one_was_asked_for[] = {
        BAD("HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 502,
            "switching_protocols"),
};

int main(void)
{
        const struct CMUnitTest tests[] = {
                TABLE(a_status_line_is_read_to_the_letter, read_response, "", "\r\n\r\n"),
                TABLE(a_backends_framing_is_trusted_no_more_than_a_clients, read_response,
                      "HTTP/1.1 200 OK\r\n", "\r\n\r\n"),
                cmocka_unit_test(a_response_is_framed_by_rule),
                TABLE(a_tunnel_starts_only_by_a_whole_101, read_upgraded, "", ""),
                TABLE(a_tunnel_starts_only_where_one_was_asked_for, read_response, "", ""),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
