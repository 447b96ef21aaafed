#include "control/source/documents.h"

#include "base/must.h"
#include "control/api/core.h"
#include "text/json.h"
#include "text/yaml.h"
#include "trust/hash.h"

/* A million pins are seventy megabytes of text: not kept beside the set that was made of it. */
static void pin_text_give_back(struct objects *objects, const struct key_value *object)
{
        static const char *const fields[] = {"data", "stringData", "binaryData"};
        struct slice *text =
                (struct slice *)(uintptr_t)text_map_find(&object->data, SLICE(PINS_TXT));
        const char *decoded = text->data;
        *text = SLICE_NONE;
        arena_give_back(&objects->arena, decoded);
        for (size_t i = 0; i < COUNT_OF(fields); i++) {
                const struct node *map = node_find(object->object.node, fields[i]);
                struct node *written = (struct node *)(uintptr_t)node_find(map, PINS_TXT);
                if (!written)
                        continue;
                if (written->text.data != decoded)
                        arena_give_back(&objects->arena, written->text.data);
                written->text = SLICE_NONE;
        }
}

static void pin_texts_give_back(struct objects *objects)
{
        static const enum object_kind kinds[] = {KIND_SECRET, KIND_CONFIG_MAP};
        for (size_t i = 0; i < COUNT_OF(kinds); i++)
                vec_each (object, &objects->kinds[kinds[i]])
                        if (((const struct key_value *)*object)->pins)
                                pin_text_give_back(objects, (const struct key_value *)*object);
}

static bool json_add(struct objects *objects, struct slice text, const char *file,
                     struct error *err)
{
        struct node *root;
        if (!json_parse(&objects->arena, text, file, &root, err) ||
            !objects_add(objects, root, err))
                return false;
        pin_texts_give_back(objects);
        return true;
}

/* --- pieces of YAML --- */

static struct slice key_of(const struct digest *content)
{
        return slice_from(content->bytes, DIGEST_BYTES);
}

/* The documents of one piece. One reference; NULL: err says why. */
static struct objects *piece_parse(struct slice file, struct slice text, int lines_before,
                                   struct error *err)
{
        struct objects *piece = objects_new();
        struct yaml_docs docs = {0};
        struct yaml_place place = {arena_text(&piece->arena, file), lines_before};
        bool ok = yaml_parse_at(&piece->arena, text, &place, &docs, err);
        for (size_t i = 0; ok && i < docs.count; i++)
                ok = objects_add(piece, docs.items[i], err);
        if (!ok) {
                objects_unref(piece);
                return NULL;
        }
        if (!docs.aliased) /* an alias may share the text with somebody */
                pin_texts_give_back(piece);
        piece->lines_before = lines_before;
        piece->node_count = docs.node_count;
        return piece;
}

static void node_move(struct node *node, int by)
{
        node->line += by;
        for (size_t i = 0; i < node->child_count; i++)
                node_move(node->children[i], by);
}

/* The one thing of a piece that ever changes: at which lines it stands now. */
static void piece_move(struct objects *piece, int lines_before)
{
        int by = lines_before - piece->lines_before;
        for (size_t kind = 0; by != 0 && kind < KIND_COUNT; kind++)
                vec_each (object, &piece->kinds[kind])
                        node_move((struct node *)(uintptr_t)(*object)->node, by);
        piece->lines_before = lines_before;
}

struct taking {
        struct objects *objects; /* of the file */
        struct map known;        /* pieces of the former reading, by content */
        VEC(int) lines_before;   /* of objects->parts */
        size_t node_count;
        struct slice file;
};

/* The former reading's, or a new one. A warning names a line, so a piece with one can't move. */
static bool piece_take(struct taking *taking, struct slice text, int lines_before,
                       struct error *err)
{
        struct digest content = sha256(text);
        struct objects *piece = map_find(&taking->known, key_of(&content));
        bool usable = piece && (piece->warnings.count == 0 || piece->lines_before == lines_before);
        if (usable)
                objects_ref(piece);
        else if (!(piece = piece_parse(taking->file, text, lines_before, err)))
                return false;
        piece->content = content;
        taking->node_count += piece->node_count;
        bool ok = objects_add_part(taking->objects, piece, err);
        objects_unref(piece);
        vec_push(&taking->lines_before, lines_before);
        if (ok && taking->node_count > YAML_NODES_MAX)
                return error_set(err, ERROR_LIMIT, "%.*s: more than %d values",
                                 SLICE_ARG(taking->file), YAML_NODES_MAX);
        return ok;
}

static bool pieces_add(struct taking *taking, struct slice text, struct error *err)
{
        struct yaml_pieces pieces;
        struct slice piece;
        int lines_before;
        yaml_pieces_init(&pieces, text);
        while (yaml_pieces_next(&pieces, &piece, &lines_before))
                if (!piece_take(taking, piece, lines_before, err))
                        return false;
        /* Not before all of it is good: the former reading may be the one that stays. */
        must(taking->lines_before.count == taking->objects->parts.count);
        for (size_t i = 0; i < taking->lines_before.count; i++)
                piece_move(taking->objects->parts.items[i], taking->lines_before.items[i]);
        return true;
}

bool documents_read(struct objects *objects, const struct objects *former, struct slice file,
                    struct slice text, struct error *err)
{
        struct taking taking = {.objects = objects, .file = file};
        if (slice_ends_with(file, SLICE(".json")))
                return json_add(objects, text, arena_text(&objects->arena, file), err);
        for (size_t i = 0; former && i < former->parts.count; i++)
                map_set(&taking.known, key_of(&former->parts.items[i]->content),
                        former->parts.items[i]);
        bool ok = pieces_add(&taking, text, err);
        map_done(&taking.known);
        vec_done(&taking.lines_before);
        return ok;
}
