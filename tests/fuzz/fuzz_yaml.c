#include "fuzz.h"

#include "text/json.h"
#include "text/yaml.h"
#include "text/yaml_print.h"

enum {
        PRINTED_MAX = 1 << 26
};

/* A tree that was printed reads back equal, and prints the same. */
static void check_round_trip(struct arena *arena, const struct node *root)
{
        CLEANUP(buffer_done) struct buffer first, second, json;
        struct yaml_docs again;
        struct error err;
        buffer_init(&first, PRINTED_MAX);
        buffer_init(&second, PRINTED_MAX);
        buffer_init(&json, PRINTED_MAX);
        if (!node_print_yaml(root, &first))
                return;
        must(yaml_parse(arena, buffer_slice(&first), "printed", &again, &err));
        must(again.count == 1 && node_equal(root, again.items[0]));
        must(node_print_yaml(again.items[0], &second));
        must(slice_equal(buffer_slice(&first), buffer_slice(&second)));
        struct node *from_json;
        must(node_print_json(root, &json, true));
        must(json_parse(arena, buffer_slice(&json), "printed", &from_json, &err) ||
             err.code == ERROR_INPUT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct arena arena;
        struct yaml_docs docs;
        struct error err = {.text = ""};
        arena_init(&arena, 4096);
        if (yaml_parse(&arena, slice_from(data, size), "f", &docs, &err)) {
                for (size_t i = 0; i < docs.count; i++)
                        check_round_trip(&arena, docs.items[i]);
        } else {
                must(slice_starts_with(slice_of(err.text), SLICE("f:")));
        }
        arena_done(&arena);
        return 0;
}
