#include "tidy/tidy.h"

#include <stdio.h>

#include "base/memory.h"
#include "tidy/layers.h"
#include "tidy/rules.h"
#include "tidy/source.h"
#include "tidy/tree.h"

enum {
        ARENA_BYTES = 1 << 20,
};

static const char stamp_text[] = "/* The includes of src/ obey LAYERS: see tools/tidy. */\n";

static void source_check(const struct source *source, const struct layers *layers,
                         enum tidy_scope scope, struct findings *findings)
{
        if (slice_starts_with(slice_of(source->path), SLICE("src/")))
                includes_check(source, layers, findings);
        if (scope == TIDY_LAYERS)
                return;
        sizes_check(source, findings);
        calls_check(source, findings);
        lines_check(source, findings);
}

static bool tree_fill(struct tree *tree, const char *root, enum tidy_scope scope,
                      struct arena *arena, struct error *err)
{
        if (!tree_list(tree, root, "src", arena, err))
                return false;
        if (scope == TIDY_LAYERS)
                return true;
        return tree_list(tree, root, "tools", arena, err) &&
               tree_list(tree, root, "tests", arena, err);
}

static bool tree_check(const char *root, enum tidy_scope scope, struct arena *arena,
                       struct findings *findings, struct error *err)
{
        struct source law;
        CLEANUP(layers_done) struct layers layers = {0};
        CLEANUP(tree_done) struct tree tree = {0};
        if (!source_read(root, "LAYERS", arena, &law, err) || !layers_parse(&layers, &law, err) ||
            !tree_fill(&tree, root, scope, arena, err))
                return false;
        if (tree.paths.count == 0)
                return error_set(err, ERROR_INPUT, "%s: no sources in src/", root);
        vec_each (path, &tree.paths) {
                struct source source;
                if (!source_read(root, *path, arena, &source, err))
                        return false;
                source_check(&source, &layers, scope, findings);
        }
        return true;
}

bool tidy_run(const char *root, enum tidy_scope scope, struct findings *findings, struct error *err)
{
        CLEANUP(arena_done) struct arena arena;
        arena_init(&arena, ARENA_BYTES);
        return tree_check(root, scope, &arena, findings, err);
}

static bool stamp_is_there(const char *path)
{
        FILE *file = fopen(path, "re");
        if (!file)
                return false;
        char found[sizeof(stamp_text)];
        size_t len = fread(found, 1, sizeof(found), file);
        fclose(file);
        return slice_equal(slice_from(found, len), slice_of(stamp_text));
}

bool tidy_stamp(const char *path, struct error *err)
{
        if (stamp_is_there(path))
                return true;
        FILE *file = fopen(path, "we");
        if (!file)
                return error_set_errno(err, "%s", path);
        bool written = fputs(stamp_text, file) >= 0;
        written = fclose(file) == 0 && written;
        return written || error_set_errno(err, "%s: cannot write", path);
}
