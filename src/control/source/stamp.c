#include "control/source/stamp.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/map.h"

enum {
        FRESH_MS = 25,
        FRESH_COARSE_MS = 2500, /* of a file system that dates files by the second, or by two */
};

static uint64_t mix(uint64_t so_far, const void *bytes, size_t len)
{
        return stamp_mix(so_far, hash_bytes(bytes, len));
}

static uint64_t stat_stamp(const char *path, bool *is_folder)
{
        struct stat about;
        uint64_t stamp = hash_bytes(path, strlen(path));
        *is_folder = false;
        if (stat(path, &about) != 0) {
                int why = errno;
                return mix(stamp, &why, sizeof(why));
        }
        *is_folder = S_ISDIR(about.st_mode);
        /* A folder's own times also change with files that are nothing of ours. */
        uint64_t facts[] = {about.st_dev,
                            about.st_ino,
                            about.st_mode,
                            *is_folder ? 0 : (uint64_t)about.st_size,
                            *is_folder ? 0 : (uint64_t)about.st_mtim.tv_sec,
                            *is_folder ? 0 : (uint64_t)about.st_mtim.tv_nsec,
                            *is_folder ? 0 : (uint64_t)about.st_ctim.tv_sec,
                            *is_folder ? 0 : (uint64_t)about.st_ctim.tv_nsec};
        return mix(stamp, facts, sizeof(facts));
}

static int entry_is_visible(const struct dirent *entry)
{
        return entry->d_name[0] != '.';
}

uint64_t path_stamp(const char *path)
{
        bool is_folder, inner;
        uint64_t stamp = stat_stamp(path, &is_folder);
        struct dirent **entries;
        int count = is_folder ? scandir(path, &entries, entry_is_visible, alphasort) : -1;
        for (int i = 0; i < count; i++) {
                char file[4096];
                int len = snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
                if (len > 0 && (size_t)len < sizeof(file))
                        stamp = stamp_mix(stamp, stat_stamp(file, &inner));
                free(entries[i]);
        }
        if (count >= 0)
                free(entries);
        return stamp;
}

bool path_is_fresh(const char *path)
{
        struct stat about;
        struct timespec now;
        /* ctime: nobody can set it back. One in the future says that the clocks differ, and no
         * more. */
        if (stat(path, &about) != 0 || clock_gettime(CLOCK_REALTIME, &now) != 0)
                return false;
        int64_t age_ms = (int64_t)(now.tv_sec - about.st_ctim.tv_sec) * 1000 +
                         (now.tv_nsec - about.st_ctim.tv_nsec) / 1000000;
        int64_t fresh_ms = about.st_ctim.tv_nsec == 0 ? FRESH_COARSE_MS : FRESH_MS;
        return age_ms > -fresh_ms && age_ms < fresh_ms;
}

uint64_t stamp_mix(uint64_t so_far, uint64_t stamp)
{
        uint64_t parts[2] = {so_far, stamp};
        return hash_bytes(parts, sizeof(parts));
}
