/* The canonical text of a snapshot. Private to snapshot/. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/map.h"
#include "snapshot/snapshot.h"

#define SNAPSHOT_TEXT_MAX ((size_t)1 << 32)

/* What is long and stands in the text already: a route has a line for each match under each host
 * name of each listener, and where each of them said all, one route of 1.3 MB, which whoever may
 * write one has, would be gigabytes. */
struct printed {
        struct arena arena;
        struct map numbers; /* of matches and rules, by their addresses */
};

void printed_init(struct printed *printed);
void printed_done(struct printed *printed);

/* `printed` is NULL where each line is to say all: for people. */
void snapshot_print_into(const struct snapshot *snapshot, struct printed *printed,
                         struct buffer *out);
/* The rules of one listener, a line for each match under each host name. */
void routes_print_into(const struct snapshot *snapshot, const struct route_table *routes,
                       struct printed *printed, struct buffer *out);
/* Where the connections of one listener go, a line for each server name and each backend. */
void streams_print_into(const struct snapshot *snapshot, const struct host_table *streams,
                        struct buffer *out);
void scope_print_into(struct buffer *out, const struct pin_scope *scope);
/* In quotes and escaped, so that no name can look like another line (I13). */
void text_print_into(struct buffer *out, struct slice text);
