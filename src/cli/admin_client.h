/* Asks a running gateway's admin address one question, and waits for the answer. Blocking, with a
 * deadline; for `status` and `demo`, never for the gateway itself. */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"

enum {
        ADMIN_ANSWER_MAX = 16 << 20,
        ADMIN_WAIT_S = 5,
};

/* GET `path`; the body is put into `body`. True whatever the status; false when nobody answers or
 * the answer is not HTTP. */
bool admin_get(const char *address, const char *path, int *status, struct buffer *body,
               struct error *err);
