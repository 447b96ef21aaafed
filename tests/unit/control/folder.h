/* A folder of files for one test, gone afterwards. */
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/must.h"

static char folder_path[64];

static inline const char *folder_file(const char *name)
{
        static char path[8][256];
        static size_t turn;
        char *out = path[turn++ % 8];
        snprintf(out, sizeof(path[0]), "%s/%s", folder_path, name);
        return out;
}

static inline void folder_write(const char *name, const char *text)
{
        FILE *file = fopen(folder_file(name), "w");
        must(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static inline int folder_open_test(void **state)
{
        (void)state;
        snprintf(folder_path, sizeof(folder_path), "/tmp/pingate-test-XXXXXX");
        return mkdtemp(folder_path) ? 0 : -1;
}

static inline int folder_entry_remove(const char *path, const struct stat *about, int type,
                                      struct FTW *where)
{
        (void)about, (void)type, (void)where;
        return remove(path);
}

static inline int folder_close_test(void **state)
{
        (void)state;
        return nftw(folder_path, folder_entry_remove, 8, FTW_DEPTH | FTW_PHYS);
}
