#include "harness.h"

#include "base/memory.h"
#include "text/json.h"

static struct arena arena;

static int set_up(void **state)
{
        (void)state;
        arena_init(&arena, 4096);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        arena_done(&arena);
        return 0;
}

static void a_document_becomes_a_tree_in_the_order_written(void **state)
{
        (void)state;
        struct node *root;
        struct error err;
        assert_true(json_parse(&arena,
                               SLICE(" {\"b\": [1, -2.5, true, null, \"x\\n\"], \"a\": {}} "),
                               "f.json", &root, &err));
        assert_int_equal(root->kind, NODE_MAP);
        assert_true(slice_is(root->children[0]->key, "b"));
        const struct node *list = node_find(root, "b");
        static const enum node_kind kinds[] = {NODE_INTEGER, NODE_FLOAT, NODE_BOOL, NODE_NULL,
                                               NODE_STRING};
        static const char *const texts[] = {"1", "-2.5", "true", "null", "x\n"};
        assert_int_equal(list->child_count, COUNT_OF(kinds));
        for (size_t i = 0; i < COUNT_OF(kinds); i++) {
                assert_int_equal(list->children[i]->kind, kinds[i]);
                assert_true(slice_is(list->children[i]->text, texts[i]));
        }
        assert_string_equal(list->file, "f.json");
        assert_int_equal(node_find(root, "a")->kind, NODE_MAP);
}

static void what_is_no_json_is_refused_with_file_and_line(void **state)
{
        (void)state;
        static const struct {
                struct slice text;
                const char *says;
        } rows[] = {
                {SLICE(""), "f:1: not JSON ("},
                {SLICE("{"), "f:1: not JSON ("},
                {SLICE("{\"a\": 1,\n \"a\": 2}"), "f:2: not JSON (duplicate object key"},
                {SLICE("[1,]"), "f:1: not JSON ("},
                {SLICE("[1] x"), "f:1: not JSON (end of file expected"},
                {SLICE("[01]"), "f:1: not JSON ("},
                {SLICE("[99999999999999999999]"), "f:1: not JSON (too big integer"},
                {SLICE("\"\\u0000\""), "f:1: not JSON ("},
                {SLICE("{\"a\\u0000\": 1}"), "f:1: not JSON ("},
                {SLICE("[\"\0\"]"), "f:1: not JSON ("},
                {SLICE("\"\xff\""), "f:1: not JSON ("},
                {SLICE("\"\x1b[31m"), "f:1: not JSON ("},
                {SLICE("'a'"), "f:1: not JSON ("},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct node *root = NULL;
                struct error err = {.text = ""};
                if (json_parse(&arena, rows[i].text, "f", &root, &err))
                        fail_msg("row %zu was taken", i);
                assert_null(root);
                assert_memory_equal(err.text, rows[i].says, strlen(rows[i].says));
                assert_null(strchr(err.text, '\x1b'));
        }
}

static void depth_and_count_are_bounded_before_anything_is_built(void **state)
{
        (void)state;
        static char text[2 * JSON_NODES_MAX + 100];
        struct node *root;
        struct error err;
        memset(text, '[', JSON_DEPTH_MAX);
        memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
        assert_true(json_parse(&arena, slice_from(text, 2 * JSON_DEPTH_MAX), "f", &root, &err));
        memset(text, '[', JSON_DEPTH_MAX + 1);
        assert_false(json_parse(&arena, slice_from(text, JSON_DEPTH_MAX + 1), "f", &root, &err));
        assert_string_equal(err.text, "f: deeper than 64 levels");
        for (size_t i = 0; i + 1 < sizeof(text); i += 2)
                memcpy(text + i, "1,", 2);
        text[0] = '[';
        assert_false(json_parse(&arena, slice_from(text, sizeof(text)), "f", &root, &err));
        assert_string_equal(err.text, "f: more than 2000000 values");
        assert_true(json_parse(&arena, SLICE("\"[[[[,,,,\\\"[[\""), "f", &root, &err));
}

static void the_writer_puts_commas_and_colons_where_they_belong(void **state)
{
        (void)state;
        CLEANUP(buffer_done) struct buffer out;
        struct json_writer w;
        buffer_init(&out, 1000);
        json_writer_init(&w, &out);
        json_begin_object(&w);
        json_field_text(&w, "a", "b");
        json_key(&w, SLICE("list"));
        json_begin_array(&w);
        json_write_integer(&w, -1);
        json_begin_object(&w);
        json_end_object(&w);
        json_begin_array(&w);
        json_end_array(&w);
        json_write_null(&w);
        json_end_array(&w);
        json_field_unsigned(&w, "u", UINT64_MAX);
        json_field_integer(&w, "i", INT64_MIN);
        json_field_bool(&w, "no", false);
        json_end_object(&w);
        assert_true(json_writer_done(&w));
        assert_true(slice_is(buffer_slice(&out), "{\"a\":\"b\",\"list\":[-1,{},[],null],"
                                                 "\"u\":18446744073709551615,"
                                                 "\"i\":-9223372036854775808,\"no\":false}"));
}

static void strings_of_any_bytes_are_one_line_of_json(void **state)
{
        (void)state;
        static const struct {
                struct slice text;
                const char *written;
        } rows[] = {
                {SLICE(""), "\"\""},
                {SLICE("caf\xc3\xa9"), "\"caf\xc3\xa9\""},
                {SLICE("\"\\/\b\f\n\r\t"), "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
                {SLICE("a\0b\x1f\x7f"), "\"a\\u0000b\\u001f\\u007f\""},
                {SLICE("\xc2\x85\xe2\x80\xa8\xe2\x80\xae"), "\"\\u0085\\u2028\\u202e\""},
                {SLICE("\xff\xc3(\xed\xa0\x80"), "\"\\ufffd\\ufffd(\\ufffd\\ufffd\\ufffd\""},
                {SLICE("\xf3\xa0\x80\x81"), "\"\\udb40\\udc01\""},
                {SLICE("\xf0\x9f\x98\x80"), "\"\xf0\x9f\x98\x80\""},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                CLEANUP(buffer_done) struct buffer out;
                struct json_writer w;
                buffer_init(&out, 1000);
                json_writer_init(&w, &out);
                json_write_string(&w, rows[i].text);
                assert_true(json_writer_done(&w));
                assert_true(slice_is(buffer_slice(&out), rows[i].written));
        }
}

static void a_record_that_does_not_fit_leaves_no_trace(void **state)
{
        (void)state;
        for (size_t max = 4; max < 24; max++) {
                CLEANUP(buffer_done) struct buffer out;
                struct json_writer w;
                buffer_init(&out, max);
                assert_true(buffer_append(&out, SLICE("old\n")));
                json_writer_init(&w, &out);
                json_begin_object(&w);
                json_field_text(&w, "key", "a\nvalue");
                json_end_object(&w);
                bool fits = max >= 4 + strlen("{\"key\":\"a\\nvalue\"}");
                assert_int_equal(json_writer_done(&w), fits);
                if (!fits)
                        assert_true(slice_is(buffer_slice(&out), "old\n"));
        }
}

static void a_tree_prints_plain_and_pretty(void **state)
{
        (void)state;
        static const char text[] = "{\"a\":[1,{}],\"b\":{\"c\":null}}";
        CLEANUP(buffer_done) struct buffer plain, pretty, none;
        struct node *root;
        buffer_init(&plain, 1000);
        buffer_init(&pretty, 1000);
        buffer_init(&none, 20);
        assert_true(json_parse(&arena, slice_of(text), "f", &root, NULL));
        assert_true(node_print_json(root, &plain, false));
        assert_true(slice_is(buffer_slice(&plain), text));
        assert_true(node_print_json(root, &pretty, true));
        assert_true(slice_is(buffer_slice(&pretty),
                             "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {\n    \"c\": null\n"
                             "  }\n}\n"));
        assert_false(node_print_json(root, &none, false));
        assert_int_equal(none.len, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_document_becomes_a_tree_in_the_order_written),
                TEST(what_is_no_json_is_refused_with_file_and_line),
                TEST(depth_and_count_are_bounded_before_anything_is_built),
                TEST(the_writer_puts_commas_and_colons_where_they_belong),
                TEST(strings_of_any_bytes_are_one_line_of_json),
                TEST(a_record_that_does_not_fit_leaves_no_trace),
                TEST(a_tree_prints_plain_and_pretty),
        };
        return RUN(tests);
}
