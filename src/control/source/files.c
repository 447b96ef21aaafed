#include "control/source/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "control/api/policy.h"
#include "control/source/stamp.h"
#include "text/json.h"
#include "text/yaml.h"

enum {
        READ_TURNS_MAX = 4
};

/* --- bytes --- */

static void bytes_free(struct slice *bytes)
{
        /* Secrets were in it (I43). */
        secret_wipe((void *)(uintptr_t)bytes->data, bytes->len);
        free((void *)(uintptr_t)bytes->data);
        *bytes = SLICE_NONE;
}

static bool descriptor_read(int fd, size_t max, struct slice *out, struct error *err)
{
        struct stat about;
        size_t room = 4096, len = 0;
        if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode)) {
                if ((uintmax_t)about.st_size > max)
                        return error_set(err, ERROR_LIMIT, "is longer than %zu bytes", max);
                room = (size_t)about.st_size + 2;
        } else if (S_ISDIR(about.st_mode)) {
                return error_set(err, ERROR_SYSTEM, "is a folder, wants a file");
        }
        char *bytes = memory_new(room);
        for (;;) {
                ssize_t got = read(fd, bytes + len, room - len - 1);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got > 0 && (len += (size_t)got) <= max) {
                        if (len + 1 == room) { /* grown by hand: the old copy may hold keys */
                                char *larger = memory_new(room * 2);
                                memcpy(larger, bytes, len);
                                secret_wipe(bytes, len);
                                free(bytes);
                                bytes = larger;
                                room *= 2;
                        }
                        continue;
                }
                *out = slice_from(bytes, len);
                if (got == 0)
                        return true;
                bool ok = got < 0 ? error_set_errno(err, "can't be read")
                                  : error_set(err, ERROR_LIMIT, "is longer than %zu bytes", max);
                bytes_free(out);
                return ok;
        }
}

static bool file_read(const char *path, size_t max, struct slice *out, struct error *err)
{
        bool standard_input = strcmp(path, "-") == 0;
        /* O_NONBLOCK: a named pipe must not hold the control thread. */
        int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return error_set_errno(err, "can't be opened");
        bool ok = descriptor_read(fd, max, out, err);
        if (!standard_input)
                close(fd);
        return ok;
}

/* Stamped before it is read: what changes while it is read is noticed at the end. */
static void file_note(struct objects *objects, struct slice path)
{
        struct seen_file file = {path, path_stamp(path.data)};
        vec_push(&objects->files, file);
}

/* --- documents --- */

static bool documents_add(struct objects *objects, struct slice text, const char *file,
                          struct error *err)
{
        if (slice_ends_with(slice_of(file), SLICE(".json"))) {
                struct node *root;
                return json_parse(&objects->arena, text, file, &root, err) &&
                       objects_add(objects, root, err);
        }
        struct yaml_docs docs;
        if (!yaml_parse(&objects->arena, text, file, &docs, err))
                return false;
        for (size_t i = 0; i < docs.count; i++)
                if (!objects_add(objects, docs.items[i], err))
                        return false;
        return true;
}

static bool object_file_read(struct objects *objects, struct slice path, struct error *err)
{
        const char *file = arena_text(&objects->arena, path);
        struct slice text;
        file_note(objects, slice_of(file));
        if (objects->files.count > SOURCE_FILES_MAX)
                return error_set(err, ERROR_LIMIT, "more than %d files", SOURCE_FILES_MAX);
        if (!file_read(file, SOURCE_FILE_BYTES_MAX, &text, err))
                return error_wrap(err, "%s", file);
        bool ok = documents_add(objects, text, file, err);
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

static int entry_is_ours(const struct dirent *entry)
{
        return name_is_ours(slice_of(entry->d_name));
}

static bool folder_read(struct objects *objects, const char *path, struct error *err)
{
        struct dirent **entries;
        struct slice folder = arena_slice(&objects->arena, slice_of(path));
        file_note(objects, folder);
        int count = scandir(path, &entries, entry_is_ours, alphasort);
        if (count < 0)
                return error_set_errno(err, "%s: can't be listed", path);
        bool ok = true;
        for (int i = 0; i < count; i++) {
                struct slice file =
                        arena_printf(&objects->arena, "%s/%s", path, entries[i]->d_name);
                ok = ok && object_file_read(objects, file, err);
                free(entries[i]);
        }
        free(entries);
        return ok;
}

/* --- File pin sets --- */

static struct slice path_beside(struct arena *arena, const char *file, struct slice name)
{
        const char *slash = strrchr(file, '/');
        if (!slash)
                return arena_slice(arena, name);
        return arena_printf(arena, "%.*s/%.*s", (int)(slash - file), file, SLICE_ARG(name));
}

static const struct side_file *side_file_read(struct objects *objects, struct slice path)
{
        struct side_file *file = ARENA_NEW(&objects->arena, struct side_file);
        struct error fault;
        struct slice text;
        file->path = path;
        file_note(objects, path);
        if (file_read(path.data, PIN_FILE_BYTES_MAX, &text, &fault)) {
                file->text = arena_slice(&objects->arena, text);
                bytes_free(&text);
        } else {
                file->fault =
                        arena_printf(&objects->arena, "File %.*s: %s", SLICE_ARG(path), fault.text);
        }
        return file;
}

static void pin_files_read(struct objects *objects)
{
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
                        ref->file = side_file_read(objects, path);
                        map_set(&by_path, path, (void *)(uintptr_t)ref->file);
                }
        }
        map_done(&by_path);
}

/* --- all of it --- */

static bool paths_read(struct objects *objects, const char *const *paths, size_t count,
                       struct error *err)
{
        for (size_t i = 0; i < count; i++) {
                struct stat about;
                bool standard_input = strcmp(paths[i], "-") == 0;
                if (!standard_input && stat(paths[i], &about) != 0)
                        return error_set_errno(err, "%s", paths[i]);
                bool is_folder = !standard_input && S_ISDIR(about.st_mode);
                if (is_folder ? !folder_read(objects, paths[i], err)
                              : !object_file_read(objects, slice_of(paths[i]), err))
                        return false;
        }
        pin_files_read(objects);
        return true;
}

static bool changed_meanwhile(const struct objects *objects)
{
        vec_each (file, &objects->files)
                if (path_stamp(file->path.data) != file->stamp)
                        return true;
        return false;
}

/* Files of two generations read together (a volume's ..data swapped half-way) say what nobody
 * wrote. Where they never rest, the last reading counts: see watch.h. */
bool source_files_read(const char *const *paths, size_t count, struct objects **out,
                       struct error *err)
{
        for (int turn = 1;; turn++) {
                struct objects *objects = objects_new();
                objects->from_files = true;
                bool ok = paths_read(objects, paths, count, err);
                if (turn < READ_TURNS_MAX && changed_meanwhile(objects)) {
                        objects_free(objects);
                        continue;
                }
                if (ok)
                        *out = objects;
                else
                        objects_free(objects);
                return ok;
        }
}
