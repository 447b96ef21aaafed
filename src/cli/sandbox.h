/* The walls around a running gateway, put up once: after the first configuration is read and the
 * logs are open, before any other thread starts, so that every thread inherits them. What a kernel
 * does not have is left out with a warning; nothing here makes the gateway fail to serve. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct sandbox_options {
        const char *const
                *read_paths; /* configuration: readable, nothing else in the file system */
        size_t read_path_count;
        const char *user; /* to become, when started as root; NULL: stay */
};

typedef void (*on_sandbox_warning_fn)(const char *text, void *self);

/* False only where a promise can't be kept that was asked for (an unknown user). */
bool sandbox_enter(const struct sandbox_options *options, on_sandbox_warning_fn on_warning,
                   void *self, struct error *err);

/* Its parts. False with errno set where the kernel says no. */
bool sandbox_restrict_files(const char *const *read_paths, size_t count); /* Landlock */
bool sandbox_restrict_calls(void);                                        /* seccomp */
