/* A page of a list as its bytes come: each item is handed on and forgotten, so that a page of five
 * hundred Secrets of a mebibyte each takes the memory of one. Used by reflectors. */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"
#include "text/json_scan.h"

struct list_stream;

/* False ends the stream. The text is wiped afterwards. */
typedef bool (*on_list_item_fn)(struct slice item, void *self);

struct list_stream *list_stream_new(void *self, on_list_item_fn on_item);
void list_stream_free(struct list_stream *stream); /* NULL is fine */
/* False: it is no list, or an item is larger than KUBE_ITEM_MAX; err says so. Also false, err
 * untouched, when on_item was. */
bool list_stream_feed(struct list_stream *stream, struct slice bytes, struct error *err);
/* All of it has come, and it is a list of `kind` ("HTTPRoute"). What merely has no items in it, as
 * a proxy's or another server's answer, is no empty list: policies would be gone by it, and whom
 * they keep out be let in. */
bool list_stream_end(const struct list_stream *stream, const char *kind, struct error *err);
/* Of metadata; views that live as long as the stream. */
struct slice list_stream_version(const struct list_stream *stream);
struct slice list_stream_continue(const struct list_stream *stream); /* empty: the last page */
