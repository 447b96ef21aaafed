#include "harness.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "text/yaml.h"
#include "text/yaml_print.h"

static struct arena arena;

static int set_up(void **state)
{
        (void)state;
        arena_init(&arena, 65536);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        arena_done(&arena);
        return 0;
}

static const struct node *parse(struct slice text)
{
        struct yaml_docs docs;
        struct error err;
        if (!yaml_parse(&arena, text, "printed", &docs, &err))
                fail_msg("%s in:\n%.*s", err.text, SLICE_ARG(text));
        assert_int_equal(docs.count, 1);
        return docs.items[0];
}

static void lists_stand_under_their_key_and_maps_are_indented(void **state)
{
        (void)state;
        static const char text[] = "a:\n"
                                   "  b: 1\n"
                                   "  c:\n"
                                   "  - x: true\n"
                                   "    w:\n"
                                   "    - z\n"
                                   "  - - 1\n"
                                   "    - - 2\n"
                                   "  - {}\n"
                                   "d: []\n"
                                   "e: null\n"
                                   "f: 1.50\n"
                                   "g: |\n"
                                   "  one\n"
                                   "   two\n"
                                   "h:\n"
                                   "- |-\n"
                                   "  x\n"
                                   "\n"
                                   "  y\n";
        CLEANUP(buffer_done) struct buffer out;
        buffer_init(&out, 4096);
        assert_true(node_print_yaml(parse(slice_of(text)), &out));
        assert_true(slice_is(buffer_slice(&out), text));
}

static void a_string_is_quoted_when_plain_would_mean_something_else(void **state)
{
        (void)state;
        static const struct {
                struct slice text;
                const char *printed;
        } rows[] = {
                {SLICE("plain"), "plain\n"},
                {SLICE("two words"), "two words\n"},
                {SLICE("https://x/y#z"), "https://x/y#z\n"},
                {SLICE("df6ff7"), "df6ff7\n"},
                {SLICE(""), "\"\"\n"},
                {SLICE("true"), "\"true\"\n"},
                {SLICE("Null"), "\"Null\"\n"},
                {SLICE("no"), "\"no\"\n"},
                {SLICE("OFF"), "\"OFF\"\n"},
                {SLICE("on"), "\"on\"\n"},
                {SLICE("yes"), "\"yes\"\n"},
                {SLICE("N"), "\"N\"\n"},
                {SLICE("y"), "\"y\"\n"},
                {SLICE("12"), "\"12\"\n"},
                {SLICE("0x1f"), "\"0x1f\"\n"},
                {SLICE(".5"), "\".5\"\n"},
                {SLICE("2026-11-01"), "\"2026-11-01\"\n"},
                {SLICE("<<"), "\"<<\"\n"},
                {SLICE("*a"), "\"*a\"\n"},
                {SLICE("- a"), "\"- a\"\n"},
                {SLICE("a: b"), "\"a: b\"\n"},
                {SLICE("a:"), "\"a:\"\n"},
                {SLICE("a #b"), "\"a #b\"\n"},
                {SLICE("a "), "\"a \"\n"},
                {SLICE("a\tb"), "\"a\\tb\"\n"},
                {SLICE("\x1b[31m"), "\"\\x1B[31m\"\n"},
                {SLICE("\xe2\x80\xae"), "\"\\u202E\"\n"},
                {SLICE("caf\xc3\xa9"), "\"caf\xc3\xa9\"\n"},
                {SLICE("\xff"), "\"\\uFFFD\"\n"},
                {SLICE("a\rb\nc"), "\"a\\rb\\nc\"\n"},
                {SLICE("\na"), "\"\\na\"\n"},
                {SLICE(" a\nb"), "\" a\\nb\"\n"},
                {SLICE("a\nb"), "|-\n  a\n  b\n"},
                {SLICE("a\nb\n"), "|\n  a\n  b\n"},
                {SLICE("a\n\n"), "|+\n  a\n\n"},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                CLEANUP(buffer_done) struct buffer out;
                buffer_init(&out, 4096);
                assert_true(node_print_yaml(node_new_string(&arena, rows[i].text), &out));
                if (!slice_is(buffer_slice(&out), rows[i].printed))
                        fail_msg("row %zu: %.*s", i, SLICE_ARG(buffer_slice(&out)));
        }
}

/* Pieces that mean something to YAML, in every order of four, as a value, a key and an item. */
static void every_string_reads_back_as_it_was(void **state)
{
        (void)state;
        static const char *const pieces[] = {"",  "a", " ",  "\n",       "\t",           ":",
                                             "#", "-", "\"", "\xc2\x85", "\xe2\x80\xa8", "1"};
        const size_t count = COUNT_OF(pieces);
        for (size_t n = 0; n < count * count * count * count; n++) {
                CLEANUP(buffer_done) struct buffer out;
                struct slice text = arena_printf(
                        &arena, "%s%s%s%s", pieces[n % count], pieces[n / count % count],
                        pieces[n / count / count % count], pieces[n / count / count / count]);
                struct node *root = node_new(&arena, NODE_MAP, NULL, 0);
                struct node *list = node_new(&arena, NODE_LIST, NULL, 0);
                node_add(&arena, root, text, node_new_string(&arena, text));
                node_add(&arena, list, SLICE_NONE, node_new_string(&arena, text));
                node_add(&arena, list, SLICE_NONE, node_new_string(&arena, SLICE("after")));
                node_add(&arena, root, SLICE("a list"), list);
                buffer_init(&out, 4096);
                assert_true(node_print_yaml(root, &out));
                if (!node_equal(root, parse(buffer_slice(&out))))
                        fail_msg("%.*s", SLICE_ARG(buffer_slice(&out)));
                arena_reset(&arena);
        }
}

static void a_key_of_any_length_reads_back(void **state)
{
        (void)state;
        static const size_t lengths[] = {1, 225, 226, 899, 900, 901, 1023, 1024, 1025, 5000};
        for (size_t i = 0; i < 2 * COUNT_OF(lengths); i++) {
                CLEANUP(buffer_done) struct buffer out;
                char key[5000];
                memset(key, i % 2 ? 'k' : '\x01', sizeof(key));
                struct node *root = node_new(&arena, NODE_MAP, NULL, 0);
                struct node *inner = node_new(&arena, NODE_MAP, NULL, 0);
                node_add(&arena, inner, slice_from(key, lengths[i / 2]),
                         node_new_integer(&arena, 7));
                node_add(&arena, root, slice_from(key, lengths[i / 2]), inner);
                buffer_init(&out, 1 << 20);
                assert_true(node_print_yaml(root, &out));
                assert_true(node_equal(root, parse(buffer_slice(&out))));
        }
}

static void printing_over_a_buffers_maximum_adds_nothing(void **state)
{
        (void)state;
        const struct node *root = parse(SLICE("abc: [def, ghi]\n"));
        for (size_t max = 2; max < 22; max++) {
                CLEANUP(buffer_done) struct buffer out;
                buffer_init(&out, max);
                buffer_append(&out, SLICE("x\n"));
                bool fits = max >= 2 + strlen("abc:\n- def\n- ghi\n");
                assert_int_equal(node_print_yaml(root, &out), fits);
                if (!fits)
                        assert_true(slice_is(buffer_slice(&out), "x\n"));
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(lists_stand_under_their_key_and_maps_are_indented),
                TEST(a_string_is_quoted_when_plain_would_mean_something_else),
                TEST(every_string_reads_back_as_it_was),
                TEST(a_key_of_any_length_reads_back),
                TEST(printing_over_a_buffers_maximum_adds_nothing),
        };
        return RUN(tests);
}
