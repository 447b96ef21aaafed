/* The bytes of a file that is read whole, with a maximum. Secrets may be in them: they are wiped
 * when they are let go, also where a buffer grows (I43). */
#pragma once

#include "base/error.h"
#include "base/slice.h"

/* For reading; "-" is standard input. A named pipe does not hold the control thread. False: it
 * can't be opened, is a folder, or is longer than max. *size: of a regular file, else 0. */
bool file_open(const char *path, size_t max, int *fd, size_t *size, struct error *err);
void file_close(int fd);
/* One read(2) of at most `room` bytes. False: it failed; *got 0: the end. */
bool file_next(int fd, char *to, size_t room, size_t *got, struct error *err);

bool file_read(const char *path, size_t max, struct slice *out, struct error *err);
void bytes_free(struct slice *bytes);
