#include "control/source/stamp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/map.h"
#include "base/vec.h"

enum {
        FRESH_MS = 25,
        FRESH_COARSE_MS = 2500, /* of a file system that dates files by the second, or by two */
};

static uint64_t facts_stamp(const struct stat *about, int missing)
{
        if (missing)
                return hash_bytes(&missing, sizeof(missing));
        bool is_folder = S_ISDIR(about->st_mode);
        /* A folder's own times also change with files that are nothing of ours. */
        uint64_t facts[] = {about->st_dev,
                            about->st_ino,
                            about->st_mode,
                            is_folder ? 0 : (uint64_t)about->st_size,
                            is_folder ? 0 : (uint64_t)about->st_mtim.tv_sec,
                            is_folder ? 0 : (uint64_t)about->st_mtim.tv_nsec,
                            is_folder ? 0 : (uint64_t)about->st_ctim.tv_sec,
                            is_folder ? 0 : (uint64_t)about->st_ctim.tv_nsec};
        return hash_bytes(facts, sizeof(facts));
}

static bool is_fresh(const struct stat *about)
{
        struct timespec now;
        /* ctime: nobody can set it back. One in the future says that the clocks differ, and no
         * more. */
        if (clock_gettime(CLOCK_REALTIME, &now) != 0)
                return false;
        int64_t age_ms = (int64_t)(now.tv_sec - about->st_ctim.tv_sec) * 1000 +
                         (now.tv_nsec - about->st_ctim.tv_nsec) / 1000000;
        int64_t fresh_ms = about->st_ctim.tv_nsec == 0 ? FRESH_COARSE_MS : FRESH_MS;
        return age_ms > -fresh_ms && age_ms < fresh_ms;
}

/* --- folders --- */

typedef void (*on_entry_fn)(void *self, const char *name, uint64_t stamp, bool fresh);

/* A sum, as the order in which a folder gives its entries means nothing. False: errno says why. */
static bool entries_stamp(const char *path, uint64_t *sum, void *self, on_entry_fn on_entry)
{
        DIR *folder = opendir(path);
        const struct dirent *entry;
        *sum = 0;
        if (!folder)
                return false;
        while ((entry = readdir(folder))) {
                struct stat about;
                if (entry->d_name[0] == '.')
                        continue;
                int missing = fstatat(dirfd(folder), entry->d_name, &about, 0) != 0 ? errno : 0;
                uint64_t stamp = facts_stamp(&about, missing);
                *sum += stamp_mix(hash_bytes(entry->d_name, strlen(entry->d_name)), stamp);
                if (on_entry)
                        on_entry(self, entry->d_name, stamp, !missing && is_fresh(&about));
        }
        closedir(folder);
        return true;
}

static uint64_t stamp_with_entries(const char *path, void *self, on_entry_fn on_entry)
{
        struct stat about;
        uint64_t sum;
        int missing = stat(path, &about) != 0 ? errno : 0;
        uint64_t stamp = facts_stamp(&about, missing);
        if (missing || !S_ISDIR(about.st_mode))
                return stamp;
        return entries_stamp(path, &sum, self, on_entry) ? stamp_mix(stamp, sum)
                                                         : stamp_mix(stamp, (uint64_t)errno);
}

uint64_t path_stamp(const char *path)
{
        return stamp_with_entries(path, NULL, NULL);
}

struct listing {
        struct arena *arena;
        VEC(struct folder_entry) entries;
};

static void on_entry_listed(void *self, const char *name, uint64_t stamp, bool fresh)
{
        struct listing *listing = self;
        struct folder_entry entry = {arena_text(listing->arena, slice_of(name)), stamp, fresh};
        vec_push(&listing->entries, entry);
}

static int by_name(const void *a, const void *b)
{
        const struct folder_entry *left = a, *right = b;
        return strcmp(left->name, right->name);
}

bool folder_list(const char *path, struct arena *arena, struct folder_list *out, struct error *err)
{
        struct listing listing = {.arena = arena};
        DIR *folder = opendir(path);
        if (!folder)
                return error_set_errno(err, "%s: can't be listed", path);
        closedir(folder);
        out->stamp = stamp_with_entries(path, &listing, on_entry_listed);
        vec_freeze(&listing.entries, arena, &out->entries, &out->count);
        if (out->count > 0)
                qsort(out->entries, out->count, sizeof(*out->entries), by_name);
        return true;
}

/* --- files --- */

uint64_t file_stamp(const char *path, bool *fresh)
{
        struct stat about;
        int missing = stat(path, &about) != 0 ? errno : 0;
        *fresh = !missing && is_fresh(&about);
        return facts_stamp(&about, missing);
}

bool path_is_fresh(const char *path)
{
        struct stat about;
        return stat(path, &about) == 0 && is_fresh(&about);
}

uint64_t stamp_mix(uint64_t so_far, uint64_t stamp)
{
        uint64_t parts[2] = {so_far, stamp};
        return hash_bytes(parts, sizeof(parts));
}
