#include "tidy/tree.h"

#include <dirent.h>
#include <errno.h>

/* The entries of one folder as scandir gives them. */
struct listing {
        struct dirent **entries;
        int count;
};

static void listing_done(struct listing *listing)
{
        for (int i = 0; i < listing->count; i++)
                free(listing->entries[i]);
        free(listing->entries);
}

static int is_visible(const struct dirent *entry)
{
        return entry->d_name[0] != '.';
}

static bool is_source(struct slice name)
{
        return slice_ends_with(name, SLICE(".c")) || slice_ends_with(name, SLICE(".h")) ||
               slice_ends_with(name, SLICE(".def"));
}

bool tree_list(struct tree *tree, const char *root, const char *folder, struct arena *arena,
               struct error *err)
{
        struct slice full = arena_printf(arena, "%s/%s", root, folder);
        CLEANUP(listing_done) struct listing listing = {0};
        listing.count = scandir(full.data, &listing.entries, is_visible, alphasort);
        if (listing.count < 0) {
                listing.count = 0;
                return errno == ENOENT || error_set_errno(err, "%s", full.data);
        }
        for (int i = 0; i < listing.count; i++) {
                const struct dirent *entry = listing.entries[i];
                struct slice path = arena_printf(arena, "%s/%s", folder, entry->d_name);
                if (entry->d_type == DT_DIR) {
                        if (!tree_list(tree, root, path.data, arena, err))
                                return false;
                } else if (is_source(path)) {
                        vec_push(&tree->paths, path.data);
                }
        }
        return true;
}

void tree_done(struct tree *tree)
{
        vec_done(&tree->paths);
}
