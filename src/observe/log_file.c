#include "observe/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool log_file_open(struct log_file *log, const char *where, struct error *err)
{
        *log = (struct log_file){.fd = -1};
        buffer_init(&log->pending, LOG_BUFFER_BYTES);
        if (!where || strcmp(where, "off") == 0)
                return true;
        if (strcmp(where, "-") == 0) {
                log->fd = STDOUT_FILENO;
        } else {
                /* Not blocking: a FIFO without a reader is an error now, not a hang. */
                log->fd = open(where,
                               O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                               0640);
                if (log->fd < 0)
                        return error_set_errno(err, "%s: can't be opened for the log", where);
                log->owned = true;
        }
        struct stat about;
        log->regular = fstat(log->fd, &about) == 0 && S_ISREG(about.st_mode);
        return true;
}

void log_file_close(struct log_file *log)
{
        if (log->owned)
                close(log->fd);
        buffer_done(&log->pending);
        log->fd = -1;
        log->owned = false;
}

bool log_file_has_room(const struct log_file *log, size_t lines)
{
        return log->fd < 0 || log->pending.max - log->pending.len >= lines * LOG_LINE_MAX;
}

bool log_file_put(struct log_file *log, struct slice line)
{
        if (log->fd < 0)
                return true;
        if (log->pending.max - log->pending.len < line.len + 1)
                return false;
        return buffer_append(&log->pending, line) && buffer_append(&log->pending, SLICE("\n"));
}

/* Standard output may be shared with other processes, so it can't be made non-blocking: but a pipe
 * that is ready takes PIPE_BUF bytes without waiting (POSIX, write). */
static size_t chunk_of(const struct log_file *log, size_t left)
{
        if (log->regular)
                return left;
        struct pollfd ready = {.fd = log->fd, .events = POLLOUT};
        if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
                return 0;
        return left < PIPE_BUF ? left : PIPE_BUF;
}

void log_file_flush(struct log_file *log)
{
        size_t done = 0;
        while (log->fd >= 0 && done < log->pending.len) {
                size_t chunk = chunk_of(log, log->pending.len - done);
                if (chunk == 0)
                        break;
                ssize_t put = write(log->fd, log->pending.data + done, chunk);
                if (put < 0 && errno == EINTR)
                        continue;
                if (put <= 0)
                        break; /* full disk, reader gone: kept, tried again, then dropped */
                done += (size_t)put;
        }
        buffer_consume(&log->pending, done);
}

bool log_file_is_flushed(const struct log_file *log)
{
        return log->pending.len == 0;
}
