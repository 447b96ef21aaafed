/* Whom the gateway has refused last, and whom ReportOnly policies would have: each with the pin
 * line that would admit the client. Written by the observe thread, read by the admin server, under
 * its own lock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "event/event.h"

enum {
        REFUSALS_MAX = 256, /* refused handshakes; and as many of all else */
};

struct buffer;
struct refusals;

struct refusals *refusals_new(void);
void refusals_free(struct refusals *refusals);
/* A refused handshake, or a refused request, or one of both that was let through by ReportOnly. Of
 * the latter three, which come as often as a client asks, each is remembered once for a client, a
 * scope and a reason, so that one client can't push out the others. */
void refusals_add(struct refusals *refusals, const struct event *event);
/* {"next":N,"refusals":[…]}: those numbered `from` and later, oldest first. Numbers start at 1;
 * asking again with from = next shows only what is new. False when `out` has no room. */
bool refusals_print(struct refusals *refusals, uint64_t from, struct buffer *out);
