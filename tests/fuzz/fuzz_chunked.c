#include "fuzz.h"

#include "base/buffer.h"
#include "http/body.h"
#include "http/h1_write.h"

static enum body_status read_all(struct body_reader *reader, struct slice bytes, size_t step,
                                 struct buffer *out)
{
        enum body_status status = BODY_MORE;
        for (size_t at = 0; at < bytes.len && status == BODY_MORE; at += step) {
                struct slice rest = slice_sub(bytes, at, step), data;
                do {
                        size_t consumed;
                        status = body_read(reader, rest, &consumed, &data);
                        must(consumed <= rest.len && data.len <= consumed);
                        must(buffer_append(out, data));
                        rest = slice_skip(rest, consumed);
                } while (status == BODY_DATA);
        }
        return status;
}

/* A body that ended well is framed anew, and reads back as the same data. */
static void check_again(struct slice body, const struct http_limits *limits)
{
        struct buffer framed, out;
        struct arena arena;
        struct body_reader reader;
        char head[CHUNK_HEAD_MAX];
        arena_init(&arena, 4096);
        buffer_init(&framed, body.len + 64);
        buffer_init(&out, body.len + 1);
        if (body.len > 0)
                must(buffer_append(&framed, chunk_head_print(body.len, head)) &&
                     buffer_append(&framed, body) && buffer_append(&framed, SLICE("\r\n")));
        must(h1_write_last_chunk(NULL, &framed));
        body_reader_init(&reader, FRAMING_CHUNKED, 0, limits, &arena);
        must(read_all(&reader, buffer_slice(&framed), 4096, &out) == BODY_END);
        must(slice_equal(buffer_slice(&out), body));
        buffer_done(&framed);
        buffer_done(&out);
        arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct http_limits limits = http_limits_default();
        struct slice bytes = slice_from(data, size);
        struct arena arena;
        struct body_reader whole, cut;
        struct buffer a, b;
        if (size == 0)
                return 0;
        arena_init(&arena, 4096);
        buffer_init(&a, size + 1);
        buffer_init(&b, size + 1);
        body_reader_init(&whole, FRAMING_CHUNKED, 0, &limits, &arena);
        body_reader_init(&cut, FRAMING_CHUNKED, 0, &limits, &arena);
        enum body_status status = read_all(&whole, bytes, size, &a);
        must(read_all(&cut, bytes, 1 + data[size - 1] % 7, &b) == status);
        must(slice_equal(buffer_slice(&a), buffer_slice(&b)));
        must(whole.trailers.count == cut.trailers.count);
        must(status != BODY_BAD || whole.fault.token == cut.fault.token);
        if (status == BODY_END)
                check_again(buffer_slice(&a), &limits);
        buffer_done(&a);
        buffer_done(&b);
        arena_done(&arena);
        return 0;
}
