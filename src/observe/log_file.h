/* A log that takes whole lines and never makes its writer wait: what a pipe does not take at once
 * is kept up to LOG_BUFFER_BYTES; beyond it a line is refused, and the caller counts it. One owner,
 * one thread. A log that is off takes every line and forgets it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"

enum {
        LOG_BUFFER_BYTES = 1 << 20,
        LOG_LINE_MAX = 16384,
};

struct log_file {
        int fd; /* -1: off */
        bool owned;
        bool regular; /* a file on disk: writing does not wait for a reader */
        struct buffer pending;
};

/* where: "-" is standard output, "off" or NULL is off, else a path that is appended to. */
bool log_file_open(struct log_file *log, const char *where, struct error *err);
void log_file_close(struct log_file *log);
bool log_file_put(struct log_file *log, struct slice line); /* adds the line end */
bool log_file_has_room(const struct log_file *log, size_t lines);
void log_file_flush(struct log_file *log); /* as far as it goes without waiting */
bool log_file_is_flushed(const struct log_file *log);
