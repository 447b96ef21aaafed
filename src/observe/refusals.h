/* The last REFUSALS_MAX refused handshakes, each with the pin line that would admit its client.
 * Written by the observe thread, read by the admin server, under its own lock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "event/event.h"

enum {
        REFUSALS_MAX = 256
};

struct buffer;
struct refusals;

struct refusals *refusals_new(void);
void refusals_free(struct refusals *refusals);
void refusals_add(struct refusals *refusals, const struct event *handshake);
/* {"next":N,"refusals":[…]}: those numbered `from` and later, oldest first. Numbers start at 1;
 * asking again with from = next shows only what is new. False when `out` has no room. */
bool refusals_print(struct refusals *refusals, uint64_t from, struct buffer *out);
