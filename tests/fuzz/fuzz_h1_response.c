#include "fuzz.h"

#include "base/buffer.h"
#include "http/h1.h"
#include "http/h1_write.h"
#include "http/header_rules.h"

/* What goes to a client reads back with the same status and framing. */
static void check_written(struct response_head *head, struct h1_asked asked)
{
        struct http_limits limits = http_limits_default();
        struct arena arena;
        struct buffer out;
        struct h1_reader reader;
        struct response_head again;
        size_t consumed;
        limits.head_bytes *= 2;
        limits.headers += 8; /* what is added on the way */
        arena_init(&arena, 4096);
        buffer_init(&out, 1 << 20);
        response_headers_clean(&head->headers);
        must(h1_write_response(head, SLICE_NONE, &out));
        h1_reader_init(&reader, &limits, &arena);
        must(h1_response_read(&reader, buffer_slice(&out), asked, &consumed, &again) == H1_DONE);
        must(consumed == out.len && again.status == head->status);
        must(again.framing == head->framing && again.content_length == head->content_length);
        must(again.informational == head->informational);
        buffer_done(&out);
        arena_done(&arena);
}

/* The first byte says what was asked. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct http_limits limits = http_limits_default();
        struct arena arena;
        struct h1_reader reader;
        struct response_head head;
        size_t consumed = 0;
        if (size == 0)
                return 0;
        struct h1_asked asked = {.head = data[0] == 'H', .websocket = data[0] == 'W'};
        struct slice bytes = slice_from(data + 1, size - 1);
        arena_init(&arena, 4096);
        h1_reader_init(&reader, &limits, &arena);
        enum h1_status status = h1_response_read(&reader, bytes, asked, &consumed, &head);
        must(status != H1_BAD || reader.fault.status == 502);
        if (status == H1_DONE) {
                must(consumed <= bytes.len && head.status >= 100 && head.status <= 599);
                must(head.status != 101 || (asked.websocket && head.upgrade.len > 0));
                check_written(&head, asked);
        }
        arena_done(&arena);
        return 0;
}
