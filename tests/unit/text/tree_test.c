#include "harness.h"

#include "base/memory.h"
#include "text/tree.h"
#include "text/yaml.h"

static struct arena arena;

static const struct node *parse(const char *text)
{
        struct yaml_docs docs;
        struct error err;
        if (!yaml_parse(&arena, slice_of(text), "edge.yaml", &docs, &err))
                fail_msg("%s", err.text);
        assert_int_equal(docs.count, 1);
        return docs.items[0];
}

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

static void a_path_names_fields_items_and_odd_keys(void **state)
{
        (void)state;
        const struct node *root =
                parse("spec:\n  listeners:\n  - tls: {mode: x}\ndata: {ca.crt: y, \"a\\n\": z}\n");
        const struct node *tls = node_find(root, "spec");
        tls = node_find(node_find(tls, "listeners")->children[0], "tls");
        const struct node *data = node_find(root, "data");
        assert_true(slice_is(node_path(root, &arena), ""));
        assert_true(
                slice_is(node_path(node_find(tls, "mode"), &arena), "spec.listeners[0].tls.mode"));
        assert_true(slice_is(node_path(data->children[0], &arena), "data[\"ca.crt\"]"));
        assert_true(slice_is(node_path(data->children[1], &arena), "data[\"a\\n\"]"));
}

static void an_error_says_file_line_and_path_as_far_as_known(void **state)
{
        (void)state;
        struct error err;
        const struct node *root = parse("a:\n  b: 1\n");
        const struct node *b = node_find(node_find(root, "a"), "b");
        assert_false(node_error(b, &err, "wants %s", "a string"));
        assert_string_equal(err.text, "edge.yaml:2: a.b: wants a string");
        node_error(root, &err, "no kind");
        assert_string_equal(err.text, "edge.yaml:1: no kind");
        node_error(node_new_bool(&arena, true), &err, "x");
        assert_string_equal(err.text, "x");
        assert_false(node_error(b, NULL, "x"));
}

static void finding_in_what_is_no_map_finds_nothing(void **state)
{
        (void)state;
        const struct node *root = parse("list: [a]\ntext: b\n");
        assert_null(node_find(NULL, "a"));
        assert_null(node_find(root, "absent"));
        assert_null(node_find(node_find(root, "list"), "a"));
        assert_null(node_find(node_find(root, "text"), "b"));
        assert_true(slice_is(node_text(root, "text"), "b"));
        assert_int_equal(node_text(root, "absent").len, 0);
}

static void trees_are_equal_whatever_the_order_of_keys(void **state)
{
        (void)state;
        static const struct {
                const char *a, *b;
                bool equal;
        } rows[] = {
                {"{a: 1, b: [x]}", "{b: [x], a: 1}", true},
                {"[1, 2]", "[2, 1]", false},
                {"{a: 1}", "{a: '1'}", false},
                {"{a: 1}", "{a: 1, b: 2}", false},
                {"{a: 1, b: 2}", "{a: 1, c: 2}", false},
                {"[~]", "[null]", true},
                {"[true]", "[True]", true},
                {"[16]", "[0x10]", true},
                {"[]", "{}", false},
                {"{a: {}}", "{a: {}}", true},
                {"[a]", "[b]", false},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                const struct node *a = parse(rows[i].a), *b = parse(rows[i].b);
                assert_int_equal(node_equal(a, b), rows[i].equal);
                assert_int_equal(node_equal(b, a), rows[i].equal);
        }
}

static void a_list_that_grows_keeps_its_items_and_their_places(void **state)
{
        (void)state;
        struct node *list = node_new(&arena, NODE_LIST, NULL, 0);
        for (int i = 0; i < 1000; i++)
                node_add(&arena, list, SLICE_NONE, node_new_integer(&arena, i));
        assert_int_equal(list->child_count, 1000);
        for (size_t i = 0; i < 1000; i++) {
                assert_int_equal(list->children[i]->integer, i);
                assert_int_equal(list->children[i]->index, i);
                assert_ptr_equal(list->children[i]->parent, list);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_path_names_fields_items_and_odd_keys),
                TEST(an_error_says_file_line_and_path_as_far_as_known),
                TEST(finding_in_what_is_no_map_finds_nothing),
                TEST(trees_are_equal_whatever_the_order_of_keys),
                TEST(a_list_that_grows_keeps_its_items_and_their_places),
        };
        return RUN(tests);
}
