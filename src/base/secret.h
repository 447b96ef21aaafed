/* Bytes that no printer takes: private keys, ticket keys. Wiped when let go (I43). One owner. */
#pragma once

#include <stddef.h>

#include "base/slice.h"

struct secret {
        unsigned char *bytes;
        size_t len;
};

struct secret secret_of(struct slice s); /* a copy; the source is the caller's to wipe */
void secret_done(struct secret *secret);
void secret_wipe(void *bytes, size_t len);
/* For libraries: a block of malloc's goes wiped, whatever of it was asked for. NULL is fine. */
void secret_free(void *block);
