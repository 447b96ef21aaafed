#include "harness.h"

#include <stdlib.h>
#include <time.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "text/yaml.h"

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

static struct yaml_docs parse(struct slice text)
{
        struct yaml_docs docs;
        struct error err;
        if (!yaml_parse(&arena, text, "f", &docs, &err))
                fail_msg("%s", err.text);
        return docs;
}

static void scalars_are_what_yaml_1_2_says(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                enum node_kind kind;
                int64_t integer;
        } rows[] = {
                {"~", NODE_NULL, 0},
                {"null", NODE_NULL, 0},
                {"NULL", NODE_NULL, 0},
                {"nULL", NODE_STRING, 0},
                {"", NODE_NULL, 0},
                {"'null'", NODE_STRING, 0},
                {"true", NODE_BOOL, 0},
                {"False", NODE_BOOL, 0},
                {"\"true\"", NODE_STRING, 0},
                {"yes", NODE_STRING, 0},
                {"no", NODE_STRING, 0},
                {"on", NODE_STRING, 0},
                {"Off", NODE_STRING, 0},
                {"y", NODE_STRING, 0},
                {"0", NODE_INTEGER, 0},
                {"-12", NODE_INTEGER, -12},
                {"+7", NODE_INTEGER, 7},
                {"0777", NODE_INTEGER, 777},
                {"0o17", NODE_INTEGER, 15},
                {"0x1F", NODE_INTEGER, 31},
                {"-0x1", NODE_STRING, 0},
                {"0x", NODE_STRING, 0},
                {"0o8", NODE_STRING, 0},
                {"1_000", NODE_STRING, 0},
                {"'1'", NODE_STRING, 0},
                {"1.5", NODE_FLOAT, 0},
                {".5", NODE_FLOAT, 0},
                {"1.", NODE_FLOAT, 0},
                {"1e3", NODE_FLOAT, 0},
                {"-.inf", NODE_FLOAT, 0},
                {".nan", NODE_FLOAT, 0},
                {".", NODE_STRING, 0},
                {"1e", NODE_STRING, 0},
                {"10.0.0.1", NODE_STRING, 0},
                {"12:30", NODE_STRING, 0},
                {"-", NODE_LIST, 0},
                {"9223372036854775807", NODE_INTEGER, INT64_MAX},
                {"-9223372036854775808", NODE_INTEGER, INT64_MIN},
                {"9223372036854775808", NODE_FLOAT, 0},
                {"2026-11-01T00:00:00Z", NODE_STRING, 0},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct slice text = arena_printf(&arena, "a:\n  %s\n", rows[i].text);
                const struct node *node = parse(text).items[0]->children[0];
                if (node->kind != rows[i].kind || node->integer != rows[i].integer)
                        fail_msg("%s is %s", rows[i].text, node_kind_name(node->kind));
        }
}

static void documents_come_in_order_without_the_empty_ones(void **state)
{
        (void)state;
        struct yaml_docs docs = parse(SLICE("# c\n---\n---\na: 1\n---\nnull\n---\n- b\n...\n"));
        assert_int_equal(docs.count, 2);
        assert_int_equal(docs.items[0]->line, 4);
        assert_int_equal(docs.items[0]->kind, NODE_MAP);
        assert_int_equal(docs.items[1]->kind, NODE_LIST);
        assert_int_equal(docs.items[1]->children[0]->line, 8);
        assert_int_equal(parse(SLICE("")).count, 0);
        assert_int_equal(parse(SLICE_NONE).count, 0);
        assert_int_equal(parse(SLICE("# nothing\n")).count, 0);
        assert_int_equal(parse(SLICE("\xef\xbb\xbf"
                                     "a: 1\n"))
                                 .count,
                         1);
}

static void an_alias_is_a_copy_with_a_parent_of_its_own(void **state)
{
        (void)state;
        const struct node *root = parse(SLICE("a: &x {b: [1]}\nc: *x\nd: &x 5\ne: *x\n")).items[0];
        const struct node *a = node_find(root, "a"), *c = node_find(root, "c");
        assert_true(node_equal(a, c));
        assert_ptr_not_equal(a, c);
        assert_true(slice_is(node_path(c->children[0]->children[0], &arena), "c.b[0]"));
        assert_int_equal(node_find(root, "e")->integer, 5);
}

static void what_could_mean_two_things_is_refused_with_its_line(void **state)
{
        (void)state;
        static const struct {
                struct slice text;
                const char *error;
        } rows[] = {
                {SLICE("a: 1\nb: 2\n\"a\": 3\n"),
                 "f:3: the key \"a\" stands twice in one map (first in line 1)"},
                {SLICE("x:\n- {a: 1, b: 2, a: 1}\n"),
                 "f:2: the key \"a\" stands twice in one map (first in line 2)"},
                {SLICE("a: &x {b: 1}\nc:\n  <<: *x\n"),
                 "f:3: a merge key '<<' (write the fields out)"},
                {SLICE("a: !!str 1\n"), "f:1: a tag (\"tag:yaml.org,2002:str\"; values need none "
                                        "here, quote what must be a string)"},
                {SLICE("\n- !x {}\n"),
                 "f:2: a tag (\"!x\"; values need none here, quote what must be a string)"},
                {SLICE("a: *x\n"), "f:1: the alias \"*x\" has no anchor before it"},
                {SLICE("a: &x 1\n---\nb: *x\n"), "f:3: the alias \"*x\" has no anchor before it"},
                {SLICE("a: &x\n  b: [*x]\n"), "f:2: the alias \"*x\" stands within its own anchor"},
                {SLICE("a: &x b\n*x : c\n"), "f:2: an alias as a key (write the key out)"},
                {SLICE("&x a: b\n"), "f:1: an anchor at a key"},
                {SLICE("? [a]\n: b\n"), "f:1: a key that is a list (keys are strings)"},
                {SLICE("{a: 1}: b\n"), "f:1: a key that is a map (keys are strings)"},
                {SLICE("?\n: b\n"), "f:1: a key is missing before ':'"},
                {SLICE("a: 1\nb: \0\n"), "f:2: a NUL byte (this is no text file)"},
                {SLICE("a:\n  \"x\\0y\"\n"), "f:2: a NUL character in a string"},
                {SLICE("a: caf\xc3\xa9\nb: \xff\n"), "f:2: not UTF-8 (byte 0xff)"},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct yaml_docs docs;
                struct error err = {.text = ""};
                assert_false(yaml_parse(&arena, rows[i].text, "f", &docs, &err));
                assert_string_equal(err.text, rows[i].error);
        }
}

static void broken_syntax_is_refused_with_its_line(void **state)
{
        (void)state;
        static const struct {
                const char *text, *says;
        } rows[] = {
                {"a: [1\n", "f:2: not YAML ("},
                {"a: 1\n b: 2\n", "f:2: not YAML ("},
                {"a: 1\n\tb: 2\n", "f:2: not YAML ("},
                {"\n\n\"a", "f:3: not YAML ("},
                {"a: 1\n\x01\n", "f:2: not YAML (control characters"},
                {"%YAML 3.0\n---\na\n", "f:1: not YAML ("},
                {"a: @x\n", "f:1: not YAML ("},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct yaml_docs docs;
                struct error err = {.text = ""};
                assert_false(yaml_parse(&arena, slice_of(rows[i].text), "f", &docs, &err));
                if (!slice_starts_with(slice_of(err.text), slice_of(rows[i].says)))
                        fail_msg("row %zu: %s", i, err.text);
        }
}

static void duplicate_keys_are_found_in_large_maps_too(void **state)
{
        (void)state;
        CLEANUP(buffer_done) struct buffer text;
        struct yaml_docs docs;
        struct error err;
        buffer_init(&text, 1 << 20);
        for (int i = 0; i < 10000; i++)
                buffer_printf(&text, "key%d: {x: 1}\n", i);
        assert_int_equal(parse(buffer_slice(&text)).items[0]->child_count, 10000);
        buffer_append(&text, SLICE("key5000: 1\n"));
        assert_false(yaml_parse(&arena, buffer_slice(&text), "f", &docs, &err));
        assert_string_equal(
                err.text,
                "f:10001: the key \"key5000\" stands twice in one map (first in line 5001)");
}

static bool nested(int depth, struct error *err)
{
        char text[1000];
        struct yaml_docs docs;
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        return yaml_parse(&arena, slice_from(text, 2 * (size_t)depth), "f", &docs, err);
}

static void depth_is_bounded_through_aliases_too(void **state)
{
        (void)state;
        struct error err;
        struct yaml_docs docs;
        CLEANUP(buffer_done) struct buffer text;
        assert_true(nested(YAML_DEPTH_MAX, &err));
        assert_false(nested(YAML_DEPTH_MAX + 1, &err));
        assert_string_equal(err.text, "f:1: deeper than 64 levels");
        buffer_init(&text, 4096);
        buffer_append(&text, SLICE("- &a0 x\n"));
        for (int i = 1; i < 70; i++)
                buffer_printf(&text, "- &a%d [*a%d]\n", i, i - 1);
        assert_false(yaml_parse(&arena, buffer_slice(&text), "f", &docs, &err));
        assert_string_equal(err.text, "f:64: deeper than 64 levels");
}

static void a_billion_laughs_stop_at_two_million_values(void **state)
{
        (void)state;
        CLEANUP(buffer_done) struct buffer text;
        struct yaml_docs docs;
        struct error err;
        buffer_init(&text, 4096);
        buffer_append(&text, SLICE("- &a0 [x,x,x,x,x,x,x,x,x,x]\n"));
        for (int i = 1; i < 9; i++) {
                buffer_printf(&text, "- &a%d [", i);
                for (int copy = 0; copy < 10; copy++)
                        buffer_printf(&text, "*a%d,", i - 1);
                buffer_append(&text, SLICE("]\n"));
        }
        assert_false(yaml_parse(&arena, buffer_slice(&text), "f", &docs, &err));
        assert_non_null(strstr(err.text, "more than 2000000 values"));
        assert_true(arena.total_bytes < (size_t)1 << 30);
}

/* libyaml alone would need minutes for the second text: see BLANK_RUN_MAX in yaml.c. */
static void long_texts_take_time_by_their_length_only(void **state)
{
        (void)state;
        CLEANUP(buffer_done) struct buffer text;
        struct yaml_docs docs;
        struct error err;
        buffer_init(&text, 1 << 26);
        clock_t start = clock();
        buffer_append(&text, SLICE("data:\n  pins.txt: |\n"));
        for (int i = 0; i < 100000; i++)
                buffer_printf(&text, "    spki:%044d name=device-%d\n", i, i);
        const struct node *data = parse(buffer_slice(&text)).items[0]->children[0];
        assert_true(data->children[0]->text.len > 100000 * 60);
        buffer_clear(&text);
        buffer_printf(&text, "a: b%4000000s", "");
        for (int i = 0; i < 1000000; i++)
                buffer_append(&text, SLICE("x "));
        assert_false(yaml_parse(&arena, buffer_slice(&text), "f", &docs, &err));
        assert_string_equal(err.text, "f:1: more than 8192 blanks in a row");
        assert_true((clock() - start) / CLOCKS_PER_SEC < 20);
}

/* A comment, a run of blanks wherever it may lie, and a value. */
static void too_long_a_run_of_blanks_is_found_wherever_it_lies(void **state)
{
        (void)state;
        static const int starts[] = {0, 1, 100, 8190, 8191, 8192, 8193, 16383, 16384, 16385, 20000};
        static const int runs[] = {1, 4096, 8191, 8192, 8193, 8194, 12000, 16384, 30000};
        CLEANUP(buffer_done) struct buffer text;
        buffer_init(&text, 1 << 20);
        for (size_t i = 0; i < COUNT_OF(starts); i++) {
                for (size_t j = 0; j < COUNT_OF(runs); j++) {
                        struct yaml_docs docs;
                        struct error err = {.text = ""};
                        buffer_clear(&text);
                        for (int n = 0; n < starts[i]; n++)
                                buffer_append(&text, SLICE("#"));
                        buffer_printf(&text, "%*s#\nb: c", runs[j], "");
                        bool good = yaml_parse(&arena, buffer_slice(&text), "f", &docs, &err);
                        if (good != (runs[j] <= 8192) ||
                            (!good && !strstr(err.text, "f:1: more than 8192 blanks in a row")))
                                fail_msg("%d blanks at %d: %s", runs[j], starts[i], err.text);
                }
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

enum {
        MANY_DOCUMENTS = 1000
};

/* How many of the pieces are there in both texts, and of how many. */
static size_t pieces_shared(struct slice a, struct slice b, size_t *count)
{
        struct yaml_pieces as, bs;
        struct slice piece, other;
        int line;
        size_t shared = 0;
        *count = 0;
        yaml_pieces_init(&as, a);
        while (yaml_pieces_next(&as, &piece, &line)) {
                (*count)++;
                yaml_pieces_init(&bs, b);
                while (yaml_pieces_next(&bs, &other, &line))
                        shared += slice_equal(piece, other);
        }
        return shared;
}

static void documents_print(struct buffer *out, int changed, const char *to)
{
        buffer_init(out, 1 << 20);
        for (int i = 0; i < MANY_DOCUMENTS; i++)
                assert_true(buffer_printf(out, "---\nname: document-%d\n%s", i,
                                          i == changed ? to : ""));
}

static void a_changed_document_changes_no_other_piece(void **state)
{
        (void)state;
        CLEANUP(buffer_done) struct buffer former, now;
        size_t count, shared;
        documents_print(&former, -1, "");
        documents_print(&now, 500, "more: of it\nand: more\n");
        shared = pieces_shared(buffer_slice(&former), buffer_slice(&now), &count);
        /* Its own, and the next, should it no longer be where a cut is. */
        assert_true(count > 20 && shared >= count - 2 && shared < count);
}

static void pieces_say_what_the_text_says_at_its_lines(void **state)
{
        (void)state;
        CLEANUP(buffer_done) struct buffer text;
        struct yaml_pieces pieces;
        struct slice piece;
        struct error err;
        struct yaml_place place = {.file = "f"};
        size_t at = 0;
        documents_print(&text, 300, "text: |\n  ---\n  --- is no start\n# nor\n #---\n");
        struct yaml_docs whole = parse(buffer_slice(&text));
        assert_int_equal(whole.count, MANY_DOCUMENTS);
        yaml_pieces_init(&pieces, buffer_slice(&text));
        while (yaml_pieces_next(&pieces, &piece, &place.lines_before)) {
                struct yaml_docs docs;
                assert_true(yaml_parse_at(&arena, piece, &place, &docs, &err));
                for (size_t i = 0; i < docs.count; i++, at++) {
                        assert_true(node_equal(docs.items[i], whole.items[at]));
                        assert_int_equal(docs.items[i]->line, whole.items[at]->line);
                }
        }
        assert_int_equal(at, MANY_DOCUMENTS);
}

static void a_text_with_directives_or_other_line_ends_is_one_piece(void **state)
{
        (void)state;
        static const char *const odd[] = {"...\n%YAML 1.2\n", "a: b\r\n", "a: \"\xe2\x80\xa8\"\n",
                                          "%TAG ! x\n"};
        for (size_t i = 0; i < COUNT_OF(odd); i++) {
                CLEANUP(buffer_done) struct buffer text;
                struct yaml_pieces pieces;
                struct slice piece;
                struct yaml_place place = {.file = "f"};
                documents_print(&text, 300, odd[i]);
                yaml_pieces_init(&pieces, buffer_slice(&text));
                assert_true(yaml_pieces_next(&pieces, &piece, &place.lines_before));
                assert_true(slice_equal(piece, buffer_slice(&text)));
                assert_false(yaml_pieces_next(&pieces, &piece, &place.lines_before));
        }
}

static void a_fault_of_a_piece_names_the_line_of_the_text(void **state)
{
        (void)state;
        static const char *const faults[] = {"a: [\n", "a: 1\na: 2\n", "a: \xff\n", "a: !x y\n"};
        for (size_t i = 0; i < COUNT_OF(faults); i++) {
                CLEANUP(buffer_done) struct buffer text;
                struct yaml_pieces pieces;
                struct slice piece;
                struct yaml_docs docs;
                struct error whole, err = {.text = ""};
                struct yaml_place place = {.file = "f"};
                documents_print(&text, 300, faults[i]);
                assert_false(yaml_parse(&arena, buffer_slice(&text), "f", &docs, &whole));
                yaml_pieces_init(&pieces, buffer_slice(&text));
                while (yaml_pieces_next(&pieces, &piece, &place.lines_before))
                        if (!yaml_parse_at(&arena, piece, &place, &docs, &err))
                                break;
                assert_int_equal(strtol(whole.text + 2, NULL, 10), strtol(err.text + 2, NULL, 10));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(scalars_are_what_yaml_1_2_says),
                TEST(documents_come_in_order_without_the_empty_ones),
                TEST(an_alias_is_a_copy_with_a_parent_of_its_own),
                TEST(what_could_mean_two_things_is_refused_with_its_line),
                TEST(broken_syntax_is_refused_with_its_line),
                TEST(duplicate_keys_are_found_in_large_maps_too),
                TEST(depth_is_bounded_through_aliases_too),
                TEST(a_billion_laughs_stop_at_two_million_values),
                TEST(long_texts_take_time_by_their_length_only),
                TEST(too_long_a_run_of_blanks_is_found_wherever_it_lies),
                TEST(a_changed_document_changes_no_other_piece),
                TEST(pieces_say_what_the_text_says_at_its_lines),
                TEST(a_text_with_directives_or_other_line_ends_is_one_piece),
                TEST(a_fault_of_a_piece_names_the_line_of_the_text),
        };
        return RUN(tests);
}
