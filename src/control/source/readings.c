#include "control/source/readings.h"

#include <stdlib.h>

#include "trust/pin_set.h"

struct kept {
        char *path; /* the map's key */
        struct made made;
        uint64_t stamp;
        bool fresh;  /* the stamp says nothing yet */
        size_t turn; /* in which it was last looked at */
};

struct readings {
        struct map by_path;
        size_t turn;
        bool changed; /* since the last complete reading */
};

struct readings *readings_new(void)
{
        return NEW(struct readings);
}

static void kept_free(struct kept *kept)
{
        objects_unref(kept->made.objects);
        pin_set_unref(kept->made.set);
        free(kept->path);
        free(kept);
}

void readings_forget(struct readings *readings)
{
        size_t at = 0;
        struct map_slot *slot;
        if (!readings)
                return;
        while (map_next(&readings->by_path, &at, &slot))
                kept_free(slot->value);
        map_done(&readings->by_path);
        readings->changed = true;
}

void readings_free(struct readings *readings)
{
        readings_forget(readings);
        free(readings);
}

static struct kept *kept_find(struct readings *readings, const struct seen_file *file)
{
        struct kept *kept = readings ? map_find(&readings->by_path, file->path) : NULL;
        if (kept)
                kept->turn = readings->turn;
        return kept;
}

const struct made *readings_find(struct readings *readings, const struct seen_file *file)
{
        const struct kept *kept = kept_find(readings, file);
        return kept && !kept->fresh && kept->stamp == file->stamp ? &kept->made : NULL;
}

const struct objects *readings_find_former(struct readings *readings, const struct seen_file *file)
{
        const struct kept *kept = kept_find(readings, file);
        return kept ? kept->made.objects : NULL;
}

const struct made *readings_find_content(struct readings *readings, const struct seen_file *file,
                                         const struct digest *content)
{
        struct kept *kept = kept_find(readings, file);
        if (!kept || !digest_equal(&kept->made.content, content))
                return NULL;
        kept->stamp = file->stamp;
        kept->fresh = file->fresh;
        return &kept->made;
}

static void drop(struct readings *readings, struct slice path)
{
        struct kept *kept = map_remove(&readings->by_path, path);
        if (kept)
                kept_free(kept);
        readings->changed = true;
}

void readings_keep(struct readings *readings, const struct seen_file *file, const struct made *made)
{
        if (!readings)
                return;
        drop(readings, file->path);
        struct kept *kept = NEW(struct kept);
        *kept = (struct kept){.path = memory_dup(file->path.data, file->path.len),
                              .made = *made,
                              .stamp = file->stamp,
                              .fresh = file->fresh,
                              .turn = readings->turn};
        if (made->objects)
                objects_ref(made->objects);
        if (made->set)
                pin_set_ref(made->set);
        map_set(&readings->by_path, slice_of(kept->path), kept);
}

void readings_begin(struct readings *readings)
{
        if (readings)
                readings->turn++;
}

bool readings_end(struct readings *readings)
{
        VEC(struct slice) gone = {0};
        size_t at = 0;
        struct map_slot *slot;
        if (!readings)
                return true;
        while (map_next(&readings->by_path, &at, &slot)) {
                const struct kept *kept = slot->value;
                if (kept->turn != readings->turn)
                        vec_push(&gone, slot->key);
        }
        vec_each (path, &gone)
                drop(readings, *path);
        vec_done(&gone);
        bool changed = readings->changed;
        readings->changed = false;
        return changed;
}
