#include "control/source/stamp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/map.h"

enum {
        FRESH_MS = 25,
        FRESH_COARSE_MS = 2500, /* of a file system that dates files by the second, or by two */
};

static uint64_t stamp_of(const char *name, const struct stat *about, int missing)
{
        uint64_t stamp = hash_bytes(name, strlen(name));
        if (missing)
                return stamp_mix(stamp, (uint64_t)missing);
        bool is_folder = S_ISDIR(about->st_mode);
        /* A folder's own times also change with files that are nothing of ours. */
        uint64_t facts[] = {stamp,
                            about->st_dev,
                            about->st_ino,
                            about->st_mode,
                            is_folder ? 0 : (uint64_t)about->st_size,
                            is_folder ? 0 : (uint64_t)about->st_mtim.tv_sec,
                            is_folder ? 0 : (uint64_t)about->st_mtim.tv_nsec,
                            is_folder ? 0 : (uint64_t)about->st_ctim.tv_sec,
                            is_folder ? 0 : (uint64_t)about->st_ctim.tv_nsec};
        return hash_bytes(facts, sizeof(facts));
}

/* A sum, as the order in which a folder gives its entries means nothing. */
static uint64_t entries_stamp(const char *path, bool names_only)
{
        DIR *folder = opendir(path);
        const struct dirent *entry;
        uint64_t sum = 0;
        if (!folder)
                return (uint64_t)errno;
        while ((entry = readdir(folder))) {
                struct stat about;
                if (entry->d_name[0] == '.')
                        continue;
                bool missing = !names_only && fstatat(dirfd(folder), entry->d_name, &about, 0) != 0;
                if (names_only)
                        sum += hash_bytes(entry->d_name, strlen(entry->d_name));
                else
                        sum += stamp_of(entry->d_name, &about, missing ? errno : 0);
        }
        closedir(folder);
        return sum;
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

static uint64_t look(const char *path, bool shallow, bool *fresh)
{
        struct stat about;
        int missing = stat(path, &about) != 0 ? errno : 0;
        uint64_t stamp = stamp_of(path, &about, missing);
        *fresh = !missing && is_fresh(&about);
        if (!missing && S_ISDIR(about.st_mode))
                return stamp_mix(stamp, entries_stamp(path, shallow));
        return stamp;
}

uint64_t path_stamp(const char *path)
{
        bool fresh;
        return look(path, false, &fresh);
}

uint64_t path_stamp_shallow(const char *path, bool *fresh)
{
        return look(path, true, fresh);
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
