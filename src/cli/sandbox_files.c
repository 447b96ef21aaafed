#include "cli/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"

/* What the resolver and OpenSSL's random source read after the walls are up; all of it public. */
static const char *const resolver_paths[] = {"/etc/resolv.conf",   "/etc/hosts",
                                             "/etc/nsswitch.conf", "/etc/host.conf",
                                             "/etc/gai.conf",      "/etc/services"};
static const char *const system_paths[] = {"/run/systemd/resolve", "/usr/lib", "/lib",
                                           "/dev/urandom", "/proc/self"};

enum {
        READ_FILE = LANDLOCK_ACCESS_FS_READ_FILE,
        READ_ALL = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
};

/* Every access that version 1 of Landlock knows is denied where no rule allows it. */
static const struct landlock_ruleset_attr handled = {
        .handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | READ_ALL |
                             LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                             LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
                             LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                             LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                             LANDLOCK_ACCESS_FS_MAKE_SYM,
};

/* A path that is not there needs no rule. */
static bool allow_reading(int ruleset, const char *path)
{
        int fd = open(path, O_PATH | O_CLOEXEC);
        if (fd < 0)
                return true;
        struct stat info;
        struct landlock_path_beneath_attr rule = {.parent_fd = fd, .allowed_access = READ_FILE};
        if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode))
                rule.allowed_access = READ_ALL;
        long added = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
        int saved = errno;
        close(fd);
        errno = saved;
        return added == 0;
}

/* A rule holds for a file's inode, and an editor's rename puts another one in its place: the folder
 * must be readable, or the first change of the configuration would be the last. */
static bool allow_reading_beside(int ruleset, const char *path)
{
        struct stat info;
        char folder[PATH_MAX];
        const char *slash = strrchr(path, '/');
        size_t len = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;
        if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
                return true;
        if (len >= sizeof(folder))
                return true;
        memcpy(folder, path, len);
        folder[len] = '\0';
        return allow_reading(ruleset, slash ? folder : ".");
}

/* DHCP clients and network managers replace these by rename, and names would not be found from then
 * on. To a user of its own the folder, /etc and where resolv.conf links to, shows nothing but what
 * everybody may read. Root owns the secrets there too (/etc/shadow, /etc/ssl/private), and a
 * gateway that stays root is left with the files as they are: its wall is worth more than a
 * resolver that follows, and --user has both. */
static bool allow_resolver(int ruleset, const char *path)
{
        char real[PATH_MAX];
        if (!allow_reading(ruleset, path))
                return false;
        return geteuid() == 0 || !realpath(path, real) || allow_reading_beside(ruleset, real);
}

bool sandbox_restrict_files(const char *const *read_paths, size_t count)
{
        int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
        if (ruleset < 0)
                return false;
        bool ok = true;
        for (size_t i = 0; ok && i < COUNT_OF(resolver_paths); i++)
                ok = allow_resolver(ruleset, resolver_paths[i]);
        for (size_t i = 0; ok && i < COUNT_OF(system_paths); i++)
                ok = allow_reading(ruleset, system_paths[i]);
        for (size_t i = 0; ok && i < count; i++)
                ok = allow_reading(ruleset, read_paths[i]) &&
                     allow_reading_beside(ruleset, read_paths[i]);
        ok = ok && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
        int saved = errno;
        close(ruleset);
        errno = saved;
        return ok;
}
