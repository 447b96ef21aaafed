#include "fuzz.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "http/h1.h"
#include "http/h1_write.h"
#include "http/header_rules.h"
#include "http/target.h"

/* What a head that was let in has to keep, whatever it was read from. */
static void check_head(const struct request_head *head)
{
        must(token_valid(head->method) && head->authority.len > 0 && head->host.len > 0);
        must(head->target.len > 0 && (head->target.data[0] == '/' || slice_is(head->target, "*")));
        must(head->framing == FRAMING_NONE || head->framing == FRAMING_LENGTH ||
             head->framing == FRAMING_CHUNKED);
        must(header_find(&head->headers, SLICE("content-length")) == NULL);
        must(header_find(&head->headers, SLICE("transfer-encoding")) == NULL);
        must(header_find(&head->headers, SLICE("host")) == NULL);
        for (size_t i = 0; i < head->headers.count; i++)
                must(token_valid(head->headers.items[i].name) &&
                     field_value_valid(head->headers.items[i].value));
}

/* What is sent to a backend must be read back as the same request: a fixed point. */
static void check_written(struct request_head *head, const struct http_limits *limits)
{
        struct http_limits wide = *limits;
        struct arena arena;
        struct buffer out;
        struct h1_reader reader;
        struct request_head again;
        struct forwarded nothing = {0};
        size_t consumed;
        wide.head_bytes *= 2;
        wide.headers += 8; /* what is added on the way */
        arena_init(&arena, 4096);
        buffer_init(&out, 1 << 20);
        request_headers_clean(&head->headers, &nothing);
        must(h1_write_request(head, &out));
        h1_reader_init(&reader, &wide, &arena);
        must(h1_request_read(&reader, buffer_slice(&out), &consumed, &again) == H1_DONE);
        must(consumed == out.len);
        must(slice_equal(again.target, head->target) && slice_equal(again.method, head->method));
        must(slice_equal(again.authority, head->authority));
        must(again.framing == head->framing && again.content_length == head->content_length);
        buffer_done(&out);
        arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct http_limits limits = http_limits_default();
        struct slice bytes = slice_from(data, size);
        struct h1_reader whole, cut;
        struct request_head head;
        struct arena arena;
        size_t consumed = 0;
        arena_init(&arena, 4096);
        h1_reader_init(&whole, &limits, &arena);
        enum h1_status status = h1_request_read(&whole, bytes, &consumed, &head);
        if (status == H1_DONE) {
                must(consumed <= size);
                check_head(&head);
                check_written(&head, &limits);
        }
        h1_reader_init(&cut, &limits, &arena); /* cut in two, at a place that the input chooses */
        size_t half = size > 0 ? (size_t)data[size - 1] * size / 256 : 0;
        size_t consumed_cut = 0;
        enum h1_status first =
                h1_request_read(&cut, slice_sub(bytes, 0, half), &consumed_cut, &head);
        if (first == H1_MORE)
                first = h1_request_read(&cut, bytes, &consumed_cut, &head);
        must(first == status && consumed == consumed_cut);
        must(status != H1_BAD ||
             (whole.fault.status == cut.fault.status && whole.fault.token == cut.fault.token));
        arena_done(&arena);
        return 0;
}
