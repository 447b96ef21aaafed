/* The canonical text of a snapshot. Private to snapshot/. */
#pragma once

#include "base/buffer.h"
#include "snapshot/snapshot.h"

#define SNAPSHOT_TEXT_MAX ((size_t)1 << 32)

void snapshot_print_into(const struct snapshot *snapshot, struct buffer *out);
/* The rules of one listener, a line for each match under each host name. */
void routes_print_into(const struct snapshot *snapshot, const struct route_table *routes,
                       struct buffer *out);
/* Where the connections of one listener go, a line for each server name and each backend. */
void streams_print_into(const struct snapshot *snapshot, const struct host_table *streams,
                        struct buffer *out);
void scope_print_into(struct buffer *out, const struct pin_scope *scope);
/* In quotes and escaped, so that no name can look like another line (I13). */
void text_print_into(struct buffer *out, struct slice text);
