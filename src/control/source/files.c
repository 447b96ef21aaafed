#include "control/source/files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "control/api/policy.h"
#include "control/source/documents.h"
#include "control/source/pin_file.h"
#include "control/source/stamp.h"
#include "trust/hash.h"

enum {
        READ_TURNS_MAX = 4
};

struct reading {
        struct objects *objects; /* all of them */
        struct readings *readings;
};

/* Stamped before it is read: what changes while it is read is noticed at the end. */
static struct seen_file file_note(struct objects *objects, struct slice path)
{
        struct seen_file file = {.path = path};
        file.stamp = file_stamp(path.data, &file.fresh);
        vec_push(&objects->files, file);
        return file;
}

/* The objects of one file by themselves: those of the former reading where the bytes are the same.
 * One reference; NULL: err says why. */
static struct objects *text_parse(struct reading *reading, const struct seen_file *seen,
                                  struct slice text, struct error *err)
{
        struct digest content = sha256(text);
        const struct made *former = readings_find_content(reading->readings, seen, &content);
        if (former)
                return objects_ref(former->objects);
        struct made made = {.objects = objects_new(), .content = content};
        if (!documents_read(made.objects, readings_find_former(reading->readings, seen), seen->path,
                            text, err)) {
                objects_unref(made.objects);
                return NULL;
        }
        readings_keep(reading->readings, seen, &made);
        return made.objects;
}

static bool object_file_read(struct reading *reading, const struct seen_file *seen,
                             struct error *err)
{
        struct objects *objects = reading->objects;
        struct slice text;
        if (objects->files.count > SOURCE_FILES_MAX)
                return error_set(err, ERROR_LIMIT, "more than %d files", SOURCE_FILES_MAX);
        const struct made *former = readings_find(reading->readings, seen);
        if (former)
                return objects_add_part(objects, former->objects, err);
        if (!file_read(seen->path.data, SOURCE_FILE_BYTES_MAX, &text, err))
                return error_wrap(err, "%s", seen->path.data);
        struct objects *part = text_parse(reading, seen, text, err);
        bool ok = part && objects_add_part(objects, part, err);
        objects_unref(part);
        bytes_free(&text);
        return ok;
}

/* --- folders --- */

static bool name_is_ours(struct slice name)
{
        static const char *const endings[] = {".yaml", ".yml", ".json"};
        if (name.len == 0 || name.data[0] == '.' || name.data[0] == '#' ||
            slice_ends_with(name, SLICE("~")))
                return false;
        for (size_t i = 0; i < COUNT_OF(endings); i++)
                if (slice_ends_with(name, slice_of(endings[i])))
                        return true;
        return false;
}

static bool folder_read(struct reading *reading, const char *path, struct error *err)
{
        struct objects *objects = reading->objects;
        struct arena *arena = &objects->arena;
        struct folder_list list;
        if (!folder_list(path, arena, &list, err))
                return false;
        struct seen_file folder = {.path = arena_slice(arena, slice_of(path)), .stamp = list.stamp};
        vec_push(&objects->files, folder);
        for (size_t i = 0; i < list.count; i++) {
                const struct folder_entry *entry = &list.entries[i];
                struct seen_file file = {
                        .stamp = entry->stamp, .fresh = entry->fresh, .in_folder = true};
                if (!name_is_ours(slice_of(entry->name)))
                        continue;
                file.path = arena_printf(arena, "%s/%s", path, entry->name);
                vec_push(&objects->files, file);
                if (!object_file_read(reading, &file, err))
                        return false;
        }
        return true;
}

/* --- File pin sets --- */

static struct slice path_beside(struct arena *arena, const char *file, struct slice name)
{
        const char *slash = strrchr(file, '/');
        if (!slash)
                return arena_slice(arena, name);
        return arena_printf(arena, "%.*s/%.*s", (int)(slash - file), file, SLICE_ARG(name));
}

/* What the file says now: a set or a fault. The set of the former reading where it is the same. */
static struct pin_set *pin_set_read(struct reading *reading, const struct seen_file *seen,
                                    struct slice *fault)
{
        struct error err;
        struct made made = {.set = pin_file_read(seen->path.data, &err)};
        if (made.set)
                made.content = pin_set_identity(made.set);
        else
                made.content = sha256(slice_of(err.text));
        const struct made *former = readings_find_content(reading->readings, seen, &made.content);
        if (!former)
                readings_keep(reading->readings, seen, &made);
        if (!made.set)
                *fault = arena_printf(&reading->objects->arena, "File %.*s: %s",
                                      SLICE_ARG(seen->path), err.text);
        if (!former || !made.set)
                return made.set;
        pin_set_unref(made.set);
        return pin_set_ref(former->set);
}

static const struct side_file *side_file_read(struct reading *reading, struct slice path)
{
        struct objects *objects = reading->objects;
        struct side_file *file = ARENA_NEW(&objects->arena, struct side_file);
        struct seen_file seen = file_note(objects, path);
        const struct made *former = readings_find(reading->readings, &seen);
        file->path = path;
        file->set = former && former->set ? pin_set_ref(former->set)
                                          : pin_set_read(reading, &seen, &file->fault);
        if (file->set)
                vec_push(&objects->pin_sets, file->set);
        return file;
}

static void pin_files_read(struct reading *reading)
{
        struct objects *objects = reading->objects;
        struct map by_path = {0};
        vec_each (object, &objects->kinds[KIND_POLICY]) {
                struct client_certificate_policy *policy =
                        (struct client_certificate_policy *)*object;
                for (size_t i = 0; i < policy->pin_sets.count; i++) {
                        struct pin_set_ref *ref = &policy->pin_sets.items[i];
                        if (!pin_set_ref_is_file(ref))
                                continue;
                        struct slice path =
                                path_beside(&objects->arena, ref->node->file, ref->name);
                        ref->file = map_find(&by_path, path);
                        if (ref->file)
                                continue;
                        ref->file = side_file_read(reading, path);
                        map_set(&by_path, path, (void *)(uintptr_t)ref->file);
                }
        }
        map_done(&by_path);
}

/* --- all of it --- */

static bool path_read(struct reading *reading, const char *path, struct error *err)
{
        struct objects *objects = reading->objects;
        struct seen_file seen = file_note(objects, arena_slice(&objects->arena, slice_of(path)));
        return object_file_read(reading, &seen, err);
}

static bool paths_read(struct reading *reading, const char *const *paths, size_t count,
                       struct error *err)
{
        for (size_t i = 0; i < count; i++) {
                struct stat about;
                bool standard_input = strcmp(paths[i], "-") == 0;
                if (!standard_input && stat(paths[i], &about) != 0)
                        return error_set_errno(err, "%s", paths[i]);
                bool is_folder = !standard_input && S_ISDIR(about.st_mode);
                if (is_folder ? !folder_read(reading, paths[i], err)
                              : !path_read(reading, paths[i], err))
                        return false;
        }
        pin_files_read(reading);
        return true;
}

static bool changed_meanwhile(const struct objects *objects)
{
        vec_each (file, &objects->files)
                if (!file->in_folder && path_stamp(file->path.data) != file->stamp)
                        return true;
        return false;
}

/* Files of two generations read together (a volume's ..data swapped half-way) say what nobody
 * wrote. Where they never rest, the last reading counts: see watch.h. */
bool source_files_read(const char *const *paths, size_t count, struct readings *readings,
                       struct objects **out, struct error *err)
{
        for (int turn = 1;; turn++) {
                struct objects *objects = objects_new();
                struct reading reading = {objects, readings};
                objects->from_files = true;
                readings_begin(readings);
                bool ok = paths_read(&reading, paths, count, err);
                if (turn < READ_TURNS_MAX && changed_meanwhile(objects)) {
                        objects_unref(objects);
                        continue;
                }
                if (!ok) {
                        objects_unref(objects);
                        return false;
                }
                objects->changed = readings_end(readings);
                *out = objects;
                return true;
        }
}
