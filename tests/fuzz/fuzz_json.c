#include "fuzz.h"

#include "text/json.h"
#include "text/utf8.h"
#include "text/yaml.h"
#include "text/yaml_print.h"

enum {
        PRINTED_MAX = 1 << 26
};

static void check_round_trip(struct arena *arena, const struct node *root)
{
        CLEANUP(buffer_done) struct buffer json, yaml;
        struct node *again;
        struct yaml_docs docs;
        struct error err;
        buffer_init(&json, PRINTED_MAX);
        buffer_init(&yaml, PRINTED_MAX);
        must(node_print_json(root, &json, false));
        must(json_parse(arena, buffer_slice(&json), "printed", &again, &err));
        must(node_equal(root, again));
        must(node_print_yaml(root, &yaml));
        must(yaml_parse(arena, buffer_slice(&yaml), "printed", &docs, &err));
        must(docs.count == (root->kind != NODE_NULL));
        must(docs.count == 0 || node_equal(root, docs.items[0]));
}

/* Any bytes at all are a string to the writer, and what it writes is JSON in one line. */
static void check_string(struct arena *arena, struct slice bytes)
{
        CLEANUP(buffer_done) struct buffer out;
        struct json_writer w;
        struct node *read;
        struct error err;
        buffer_init(&out, PRINTED_MAX);
        json_writer_init(&w, &out);
        json_begin_object(&w);
        json_field_string(&w, "key", bytes);
        json_end_object(&w);
        must(json_writer_done(&w));
        must(slice_find(buffer_slice(&out), '\n') == out.len);
        must(slice_find(bytes, '\0') < bytes.len ||
             json_parse(arena, buffer_slice(&out), "written", &read, &err));
        must(!utf8_valid(bytes) || slice_find(bytes, '\0') < bytes.len ||
             slice_equal(node_text(read, "key"), bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct arena arena;
        struct node *root;
        struct error err;
        arena_init(&arena, 4096);
        if (json_parse(&arena, slice_from(data, size), "f", &root, &err))
                check_round_trip(&arena, root);
        check_string(&arena, slice_from(data, size));
        arena_done(&arena);
        return 0;
}
