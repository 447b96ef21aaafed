/* A failure: what could not be read or done, and why, in one line without allocation.
 * Functions that can fail return bool and take `struct error *err` last; on false err is set, on
 * true untouched. Every level adds its noun in front: "edge.yaml:12: spec.listeners[0].port: …". A
 * refused certificate is no failure but a decision: see trust/judge.h. */
#pragma once

#include <stdbool.h>

#include "base/memory.h"

enum error_code {
        ERROR_INPUT,  /* what was given is malformed */
        ERROR_USAGE,  /* the command line is wrong: exit 2 */
        ERROR_SYSTEM, /* the machine said no: file, socket, limit */
        ERROR_LIMIT,  /* over a maximum of ours */
};

struct error {
        enum error_code code;
        char text[1024];
};

/* Sets err (may be NULL) and returns false, so that `return error_set(err, …)` reads well. */
bool error_set(struct error *err, enum error_code code, const char *format, ...) PRINTF_LIKE(3, 4);
/* Appends ": <strerror(errno)>". */
bool error_set_errno(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);
/* Puts a noun and ": " in front of what err says. Returns false. */
bool error_wrap(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* The analyzer sees one file at a time: told that these return false, it knows where a success
 * ends. */
#ifdef __clang_analyzer__
#define error_set(...)       (error_set(__VA_ARGS__), false)
#define error_set_errno(...) (error_set_errno(__VA_ARGS__), false)
#define error_wrap(...)      (error_wrap(__VA_ARGS__), false)
#endif
