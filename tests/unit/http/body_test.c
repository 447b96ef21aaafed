#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "http/body.h"

struct result {
        enum body_status status;
        struct buffer data;
        size_t consumed, trailers;
        char token[64];
};

/* In pieces of `step` bytes, each a heap copy of its own. */
static void run(enum framing framing, uint64_t length, struct slice bytes, size_t step,
                struct result *result)
{
        struct http_limits limits = http_limits_default();
        struct arena arena;
        struct body_reader reader;
        arena_init(&arena, 1024);
        body_reader_init(&reader, framing, length, &limits, &arena);
        *result = (struct result){.status = BODY_MORE};
        buffer_init(&result->data, 1 << 20);
        for (size_t at = 0; result->status == BODY_MORE; at += step) {
                struct slice piece = slice_sub(bytes, at < bytes.len ? at : bytes.len, step);
                char *copy = memory_dup(piece.data, piece.len);
                struct slice rest = slice_from(copy, piece.len), data;
                do {
                        size_t consumed;
                        result->status = body_read(&reader, rest, &consumed, &data);
                        assert_true(buffer_append(&result->data, data));
                        rest = slice_skip(rest, consumed);
                        result->consumed += consumed;
                } while (result->status == BODY_DATA);
                free(copy);
                if (at >= bytes.len)
                        break;
        }
        result->trailers = reader.trailers.count;
        if (result->status == BODY_BAD)
                strncpy(result->token, reader.fault.token, sizeof(result->token) - 1);
        arena_done(&arena);
}

static const struct {
        const char *text;
        size_t len;
        const char *data;  /* of what comes before the fault too, when there is one */
        const char *fault; /* NULL: it ends well; "": it wants more */
        size_t left;       /* bytes of the next message */
} rows[] = {
#define ROW(text, data, fault, left)                                                               \
        {                                                                                          \
                text, sizeof(text) - 1, data, fault, left                                          \
        }
        ROW("0\r\n\r\n", "", NULL, 0),
        ROW("5\r\nhello\r\n0\r\n\r\n", "hello", NULL, 0),
        ROW("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", NULL, 0),
        ROW("a\r\n0123456789\r\n0\r\n\r\nGET ", "0123456789", NULL, 4),
        ROW("A\r\n0123456789\r\n000\r\n\r\n", "0123456789", NULL, 0),
        ROW("0000000000000005\r\nhello\r\n0\r\n\r\n", "hello", NULL, 0),
        ROW("2;x\r\n\r\n\r\n0;y=\"z\"\r\n\r\n", "\r\n", NULL, 0),
        ROW("1;\r\na\r\n0\r\n\r\n", "a", NULL, 0),
        ROW("0\r\nX: y\r\nZ: \r\n\r\n", "", NULL, 0),
        ROW("5\r\nhel", "hel", "", 0),
        ROW("5\r\nhello\r\n", "hello", "", 0),
        ROW("0\r\n", "", "", 0),
        ROW("0\r\nX: y\r\n", "", "", 0),
        ROW("\r\n", "", "chunk_size", 0),
        ROW("\n", "", "chunk_size", 0),
        ROW(" 5\r\nhello", "", "chunk_size", 0),
        ROW("\t5\r\nhello", "", "chunk_size", 0),
        ROW("5 \r\nhello", "", "chunk_size", 0),
        ROW("5\t\r\nhello", "", "chunk_size", 0),
        ROW("5 ;x\r\nhello", "", "chunk_size", 0),
        ROW("+5\r\nhello", "", "chunk_size", 0),
        ROW("-5\r\nhello", "", "chunk_size", 0),
        ROW("-0\r\n\r\n", "", "chunk_size", 0),
        ROW("0x5\r\nhello", "", "chunk_size", 0),
        ROW("0X5\r\nhello", "", "chunk_size", 0),
        ROW("5h\r\nhello", "", "chunk_size", 0),
        ROW("g\r\n", "", "chunk_size", 0),
        ROW("5_0\r\n", "", "chunk_size", 0),
        ROW("5.\r\n", "", "chunk_size", 0),
        ROW("5,\r\n", "", "chunk_size", 0),
        ROW("\"5\"\r\n", "", "chunk_size", 0),
        ROW(";x\r\n", "", "chunk_size", 0),
        ROW("5\0\r\nhello", "", "chunk_size", 0),
        ROW("5\x0b\r\nhello", "", "chunk_size", 0),
        ROW("\xd9\xa5\r\nhello", "", "chunk_size", 0),
        ROW("5\nhello\n0\n\n", "", "chunk_size", 0),
        ROW("5\rhello", "", "bare_cr", 0),
        ROW("5\r\rhello", "", "bare_cr", 0),
        ROW("00000000000000005\r\nhello", "", "chunk_size_overflow", 0),
        ROW("8000000000000000\r\n", "", "chunk_size_overflow", 0),
        ROW("ffffffffffffffff\r\n", "", "chunk_size_overflow", 0),
        ROW("10000000000000000\r\n", "", "chunk_size_overflow", 0),
        ROW("10000000000000005\r\nhello", "", "chunk_size_overflow", 0),
        ROW("100000005\r\nhello", "hello", "", 0),
        ROW("5;x\nhello\r\n0\r\n\r\n", "", "chunk_extension", 0),
        ROW("5;x\n\r\nhello", "", "chunk_extension", 0),
        ROW("5;\0\r\nhello", "", "chunk_extension", 0),
        ROW("5;\x7f\r\nhello", "", "chunk_extension", 0),
        ROW("5;x\rhello", "", "bare_cr", 0),
        ROW("5;\"\r\n\"\r\nhello\r\n0\r\n\r\n", "\"\r\nhe", "chunk_end", 0),
        ROW("5\r\nhelloX", "hello", "chunk_end", 0),
        ROW("5\r\nhello\n0\r\n\r\n", "hello", "chunk_end", 0),
        ROW("5\r\nhello\r0\r\n\r\n", "hello", "chunk_end", 0),
        ROW("5\r\nhello0\r\n\r\n", "hello", "chunk_end", 0),
        ROW("5\r\nhello\r\n\r\n0\r\n\r\n", "hello", "chunk_size", 0),
        ROW("4\r\nhello\r\n0\r\n\r\n", "hell", "chunk_end", 0),
        ROW("6\r\nhello\r\n0\r\n\r\n", "hello\r", "chunk_end", 0),
        ROW("0\r\n\n", "", "bare_lf", 0),
        ROW("0\r\n\rX", "", "bare_cr", 0),
        ROW("0\r\nX: y\n\r\n", "", "bare_lf", 0),
        ROW("0\r\nX : y\r\n\r\n", "", "field_space_before_colon", 0),
        ROW("0\r\n: y\r\n\r\n", "", "field_name_empty", 0),
        ROW("0\r\n X: y\r\n\r\n", "", "field_folded", 0),
        ROW("0\r\nX: y\r\n z\r\n\r\n", "", "field_folded", 0),
        ROW("0\r\nGET / HTTP/1.1\r\n\r\n", "", "field_without_colon", 0),
        ROW("0\r\nX: \0\r\n\r\n", "", "control_character", 0),
#undef ROW
};

static void chunked_is_read_to_the_letter_however_it_is_cut(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                for (size_t step = 1; step <= rows[i].len; step++) {
                        struct result result;
                        run(FRAMING_CHUNKED, 0, slice_from(rows[i].text, rows[i].len), step,
                            &result);
                        enum body_status want = BODY_END;
                        if (rows[i].fault != NULL)
                                want = rows[i].fault[0] ? BODY_BAD : BODY_MORE;
                        bool right = result.status == want &&
                                     slice_is(buffer_slice(&result.data), rows[i].data);
                        if (want == BODY_BAD)
                                right = right && strcmp(result.token, rows[i].fault) == 0;
                        else
                                right = right && result.consumed == rows[i].len - rows[i].left;
                        if (!right)
                                fail_msg("%s by %zu -> %d %s, %zu data, %zu consumed", rows[i].text,
                                         step, result.status, result.token, result.data.len,
                                         result.consumed);
                        buffer_done(&result.data);
                }
        }
}

static void trailers_are_fields(void **state)
{
        struct http_limits limits = http_limits_default();
        struct slice text = SLICE("0\r\nX-Sum: 1 \r\ny: 2\r\n\r\nrest"), data;
        struct arena arena;
        struct body_reader reader;
        size_t consumed;
        (void)state;
        arena_init(&arena, 1024);
        body_reader_init(&reader, FRAMING_CHUNKED, 0, &limits, &arena);
        assert_int_equal(body_read(&reader, text, &consumed, &data), BODY_END);
        assert_int_equal(consumed, text.len - 4);
        assert_int_equal(reader.trailers.count, 2);
        assert_true(slice_is(reader.trailers.items[0].name, "x-sum"));
        assert_true(slice_is(reader.trailers.items[0].value, "1"));
        assert_int_equal(body_read(&reader, text, &consumed, &data), BODY_END);
        assert_int_equal(consumed, 0);
        arena_done(&arena);
}

static const char *fault_of(const char *start, char fill, size_t count)
{
        struct http_limits limits = http_limits_default();
        struct buffer text;
        struct arena arena;
        struct body_reader reader;
        struct slice data;
        size_t consumed;
        buffer_init(&text, 1 << 20);
        arena_init(&arena, 1024);
        assert_true(buffer_append(&text, slice_of(start)));
        memset(buffer_reserve(&text, count), fill, count);
        text.len += count;
        body_reader_init(&reader, FRAMING_CHUNKED, 0, &limits, &arena);
        enum body_status status = body_read(&reader, buffer_slice(&text), &consumed, &data);
        buffer_done(&text);
        arena_done(&arena);
        return status == BODY_BAD ? reader.fault.token : "none";
}

static void extensions_and_trailers_have_limits(void **state)
{
        (void)state;
        assert_string_equal(fault_of("5;", 'x', 256), "none");
        assert_string_equal(fault_of("5;", 'x', 257), "chunk_extension_too_long");
        assert_string_equal(fault_of("0\r\nX: ", 'x', 8 * 1024 - 3), "none");
        assert_string_equal(fault_of("0\r\nX: ", 'x', 8 * 1024 - 2), "trailers_too_big");
}

static void a_length_ends_the_body_and_leaves_the_rest(void **state)
{
        struct result result;
        (void)state;
        for (size_t step = 1; step < 10; step++) {
                run(FRAMING_LENGTH, 5, SLICE("helloGET"), step, &result);
                assert_int_equal(result.status, BODY_END);
                assert_true(slice_is(buffer_slice(&result.data), "hello"));
                assert_int_equal(result.consumed, 5);
                buffer_done(&result.data);
        }
        run(FRAMING_LENGTH, 0, SLICE("GET"), 3, &result);
        assert_int_equal(result.status, BODY_END);
        assert_int_equal(result.consumed, 0);
        run(FRAMING_NONE, 0, SLICE("GET"), 3, &result);
        assert_int_equal(result.status, BODY_END);
        assert_int_equal(result.consumed, 0);
}

static void the_end_of_the_connection_ends_only_one_kind_of_body(void **state)
{
        static const struct {
                enum framing framing;
                const char *text;
                enum body_status status;
        } ends[] = {
                {FRAMING_NONE, "", BODY_END},
                {FRAMING_UNTIL_CLOSE, "hello", BODY_END},
                {FRAMING_LENGTH, "hello", BODY_BAD}, /* of 6 */
                {FRAMING_LENGTH, "hello!", BODY_END},
                {FRAMING_CHUNKED, "5\r\nhello\r\n", BODY_BAD},
                {FRAMING_CHUNKED, "5\r\nhello\r\n0\r\n", BODY_BAD},
                {FRAMING_CHUNKED, "5\r\nhello\r\n0\r\n\r\n", BODY_END},
        };
        struct http_limits limits = http_limits_default();
        (void)state;
        for (size_t i = 0; i < COUNT_OF(ends); i++) {
                struct arena arena;
                struct body_reader reader;
                struct slice rest = slice_of(ends[i].text), data;
                size_t consumed;
                arena_init(&arena, 1024);
                body_reader_init(&reader, ends[i].framing, 6, &limits, &arena);
                while (body_read(&reader, rest, &consumed, &data) == BODY_DATA)
                        rest = slice_skip(rest, consumed);
                assert_int_equal(body_read_eof(&reader), ends[i].status);
                arena_done(&arena);
        }
}

static void a_chunk_head_is_hex(void **state)
{
        char out[CHUNK_HEAD_MAX];
        (void)state;
        assert_true(slice_is(chunk_head_print(1, out), "1\r\n"));
        assert_true(slice_is(chunk_head_print(0xabc0, out), "abc0\r\n"));
        assert_true(slice_is(chunk_head_print(UINT64_MAX, out), "ffffffffffffffff\r\n"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(chunked_is_read_to_the_letter_however_it_is_cut),
                cmocka_unit_test(trailers_are_fields),
                cmocka_unit_test(extensions_and_trailers_have_limits),
                cmocka_unit_test(a_length_ends_the_body_and_leaves_the_rest),
                cmocka_unit_test(the_end_of_the_connection_ends_only_one_kind_of_body),
                cmocka_unit_test(a_chunk_head_is_hex),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
