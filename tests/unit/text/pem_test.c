#include "harness.h"

#include "text/pem.h"

#define BLOCK(label, body) "-----BEGIN " label "-----\n" body "-----END " label "-----\n"

static void blocks_come_in_order_with_label_bytes_and_line(void **state)
{
        (void)state;
        struct arena arena;
        struct pem_reader reader;
        struct pem_block block;
        struct error err;
        arena_init(&arena, 256);
        pem_reader_init(&reader,
                        SLICE("subject=CN = x\n" BLOCK("CERTIFICATE", "TW\nFu\n") "\nnoise\n" BLOCK(
                                "X509 CRL", "  TQ==  \r\n\n")),
                        0);
        assert_int_equal(pem_next(&reader, &arena, &block, &err), PEM_BLOCK);
        assert_true(slice_is(block.label, "CERTIFICATE") && slice_is(block.der, "Man"));
        assert_int_equal(block.line, 2);
        assert_int_equal(block.ordinal, 1);
        assert_false(block.private_key);
        assert_int_equal(pem_next(&reader, &arena, &block, &err), PEM_BLOCK);
        assert_true(slice_is(block.label, "X509 CRL") && slice_is(block.der, "M"));
        assert_int_equal(block.line, 8);
        assert_int_equal(block.ordinal, 2);
        assert_int_equal(pem_next(&reader, &arena, &block, &err), PEM_END);
        assert_int_equal(pem_next(&reader, &arena, &block, &err), PEM_END);
        arena_done(&arena);
}

static void a_broken_block_is_named_and_ends_the_walk(void **state)
{
        (void)state;
        static const struct {
                const char *text, *error;
        } rows[] = {
                {BLOCK("A", "TWF*\n"), "PEM block 1 (A, line 1): not base64 (character 4 is '*')"},
                {BLOCK("A", "TR==\n"),
                 "PEM block 1 (A, line 1): not base64 (bits behind the last byte are not zero)"},
                {BLOCK("A", "TQ==\nTWFu\n"),
                 "PEM block 1 (A, line 1): not base64 (character 5 is 'T')"},
                {BLOCK("A", ""), "PEM block 1 (A, line 1): it is empty"},
                {"-----BEGIN A-----\nTWFu\n", "PEM block 1 (A, line 1): it has no END"},
                {"-----BEGIN A-----\nTWFu\n-----END B-----\n",
                 "PEM block 1 (A, line 1): it ends with another label"},
                {"-----BEGIN A-----\nTWFu\n-----END A----- x\n",
                 "PEM block 1 (A, line 1): a line in it has dashes but is no END"},
                {"-----BEGIN A-----\nTWFu-----END A-----\n",
                 "PEM block 1 (A, line 1): a line in it has dashes but is no END"},
                {"-----BEGIN A-----\n" BLOCK("B", "TWFu\n"),
                 "PEM block 1 (A, line 1): another block begins inside it"},
                {"-----BEGIN A----- x\nTWFu\n-----END A-----\n",
                 "PEM block 1 (line 1): its BEGIN line is malformed"},
                {"\n  -----BEGIN A-----\nTWFu\n-----END A-----\n",
                 "PEM block 1 (line 2): its BEGIN is not at the line's start"},
                {"-----END A-----\n", "PEM block 1 (line 1): END without BEGIN"},
                {BLOCK("EC PRIVATE KEY", "DEK-Info: x\n\nTWFu\n"),
                 "PEM block 1 (EC PRIVATE KEY, line 1): headers (an encrypted key's?) are not read"},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct arena arena;
                struct pem_reader reader;
                struct pem_block block;
                struct error err;
                arena_init(&arena, 256);
                pem_reader_init(&reader, slice_of(rows[i].text), 0);
                assert_int_equal(pem_next(&reader, &arena, &block, &err), PEM_BROKEN);
                assert_string_equal(err.text, rows[i].error);
                assert_int_equal(pem_next(&reader, &arena, &block, &err), PEM_END);
                arena_done(&arena);
        }
}

static void private_keys_are_passed_over_undecoded_when_asked(void **state)
{
        (void)state;
        struct arena arena;
        struct pem_reader reader;
        struct pem_block block;
        arena_init(&arena, 256);
        pem_reader_init(&reader,
                        SLICE(BLOCK("EC PRIVATE KEY", "DEK-Info: x\n\n!!\n")
                                      BLOCK("CERTIFICATE", "TWFu\n")),
                        PEM_SKIP_KEYS);
        assert_int_equal(pem_next(&reader, &arena, &block, NULL), PEM_BLOCK);
        assert_true(block.private_key);
        assert_int_equal(block.der.len, 0);
        assert_int_equal(arena.total_bytes, 0);
        assert_int_equal(pem_next(&reader, &arena, &block, NULL), PEM_BLOCK);
        assert_true(slice_is(block.der, "Man"));
        arena_done(&arena);
}

static void a_text_without_blocks_is_no_error(void **state)
{
        (void)state;
        struct arena arena;
        struct pem_reader reader;
        struct pem_block block;
        arena_init(&arena, 256);
        pem_reader_init(&reader, SLICE_NONE, 0);
        assert_int_equal(pem_next(&reader, &arena, &block, NULL), PEM_END);
        pem_reader_init(&reader, SLICE("hello\n----\n"), 0);
        assert_int_equal(pem_next(&reader, &arena, &block, NULL), PEM_END);
        arena_done(&arena);
}

static void printed_lines_have_64_characters(void **state)
{
        (void)state;
        struct arena arena;
        char bytes[50] = {0};
        arena_init(&arena, 256);
        struct slice text = pem_print(&arena, "A", slice_from(bytes, sizeof(bytes)));
        assert_true(slice_is(text,
                             "-----BEGIN A-----\n"
                             "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
                             "AAA=\n-----END A-----\n"));
        arena_done(&arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(blocks_come_in_order_with_label_bytes_and_line),
                cmocka_unit_test(a_broken_block_is_named_and_ends_the_walk),
                cmocka_unit_test(private_keys_are_passed_over_undecoded_when_asked),
                cmocka_unit_test(a_text_without_blocks_is_no_error),
                cmocka_unit_test(printed_lines_have_64_characters),
        };
        return RUN(tests);
}
