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

static void check_same_lines(const struct node *a, const struct node *b)
{
        must(a->line == b->line);
        for (size_t i = 0; i < a->child_count; i++)
                check_same_lines(a->children[i], b->children[i]);
}

/* The pieces of a text say what the text says, at the same lines; and if it says nothing lawful,
 * nor do they. */
static void check_pieces(struct arena *arena, struct slice text, const struct yaml_docs *whole)
{
        struct yaml_pieces pieces;
        struct slice piece;
        struct error err;
        struct yaml_place place = {.file = "f"};
        bool good = true;
        size_t at = 0, bytes = 0;
        yaml_pieces_init(&pieces, text);
        while (yaml_pieces_next(&pieces, &piece, &place.lines_before)) {
                struct yaml_docs docs = {0};
                must(piece.len > 0 && piece.data == text.data + bytes);
                bytes += piece.len;
                good = good && yaml_parse_at(arena, piece, &place, &docs, &err);
                for (size_t i = 0; good && i < docs.count; i++, at++) {
                        must(!whole ||
                             (at < whole->count && node_equal(docs.items[i], whole->items[at])));
                        if (whole)
                                check_same_lines(docs.items[i], whole->items[at]);
                }
        }
        must(bytes == text.len && good == (whole != NULL));
        must(!whole || at == whole->count);
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
                check_pieces(&arena, slice_from(data, size), &docs);
        } else {
                check_pieces(&arena, slice_from(data, size), NULL);
                must(slice_starts_with(slice_of(err.text), SLICE("f:")));
        }
        arena_done(&arena);
        return 0;
}
