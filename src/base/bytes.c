#include "base/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/secret.h"

static bool size_of(int fd, size_t max, size_t *size, struct error *err)
{
        struct stat about;
        *size = 0;
        if (fstat(fd, &about) != 0)
                return error_set_errno(err, "can't be read");
        if (S_ISDIR(about.st_mode))
                return error_set(err, ERROR_SYSTEM, "is a folder, wants a file");
        if (!S_ISREG(about.st_mode))
                return true;
        if ((uintmax_t)about.st_size > max)
                return error_set(err, ERROR_LIMIT, "is longer than %zu bytes", max);
        *size = (size_t)about.st_size;
        return true;
}

bool file_open(const char *path, size_t max, int *fd, size_t *size, struct error *err)
{
        bool standard_input = strcmp(path, "-") == 0;
        *fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (*fd < 0)
                return error_set_errno(err, "can't be opened");
        if (size_of(*fd, max, size, err))
                return true;
        file_close(*fd);
        return false;
}

void file_close(int fd)
{
        if (fd != STDIN_FILENO)
                close(fd);
}

bool file_next(int fd, char *to, size_t room, size_t *got, struct error *err)
{
        ssize_t count;
        do {
                count = read(fd, to, room);
        } while (count < 0 && errno == EINTR);
        if (count < 0)
                return error_set_errno(err, "can't be read");
        *got = (size_t)count;
        return true;
}

void bytes_free(struct slice *bytes)
{
        secret_wipe((void *)(uintptr_t)bytes->data, bytes->len);
        free((void *)(uintptr_t)bytes->data);
        *bytes = SLICE_NONE;
}

static char *grow(char *bytes, size_t len, size_t room)
{
        char *larger = memory_new(room);
        memcpy(larger, bytes, len);
        secret_wipe(bytes, len);
        free(bytes);
        return larger;
}

static bool descriptor_read(int fd, size_t size, size_t max, struct slice *out, struct error *err)
{
        size_t room = size + 4096, len = 0, got;
        char *bytes = memory_new(room);
        bool ok;
        while ((ok = file_next(fd, bytes + len, room - len, &got, err)) && got > 0) {
                len += got;
                if (len > max) {
                        ok = error_set(err, ERROR_LIMIT, "is longer than %zu bytes", max);
                        break;
                }
                if (len == room)
                        bytes = grow(bytes, len, room *= 2);
        }
        *out = slice_from(bytes, len);
        if (!ok)
                bytes_free(out);
        return ok;
}

bool file_read(const char *path, size_t max, struct slice *out, struct error *err)
{
        int fd;
        size_t size;
        if (!file_open(path, max, &fd, &size, err))
                return false;
        bool ok = descriptor_read(fd, size, max, out, err);
        file_close(fd);
        return ok;
}
