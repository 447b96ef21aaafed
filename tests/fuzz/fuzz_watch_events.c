/* What an API server streams: the input as a watch and as a page of a list, in pieces whose size
 * its first byte says, each object put into a store. */
#include <stdbool.h>
#include <stdlib.h>

#include "base/must.h"
#include "control/kube/list_stream.h"
#include "control/kube/store.h"
#include "control/kube/watch_events.h"
#include "fuzz.h"

static bool on_item(struct slice item, void *self)
{
        struct error fault;
        kube_store_put(self, KIND_HTTP_ROUTE, item, &fault);
        kube_store_put(self, KIND_GATEWAY, item, &fault);
        return true;
}

static bool on_event(const struct watch_event *event, void *self)
{
        if (event->type == EVENT_DELETED)
                kube_store_remove_item(self, KIND_HTTP_ROUTE, event->object);
        else if (event->type != EVENT_ERROR)
                on_item(event->object, self);
        return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 1)
                return 0;
        size_t step = 1 + data[0];
        struct slice all = slice_from(data + 1, size - 1);
        struct kube_store *store = kube_store_new();
        struct watch_events *events = watch_events_new(store, on_event);
        struct list_stream *list = list_stream_new(store, on_item);
        bool watching = true, listing = true;
        for (size_t at = 0; at < all.len; at += step) {
                struct slice piece = slice_sub(all, at, step);
                watching = watching && watch_events_feed(events, piece, NULL);
                listing = listing && list_stream_feed(list, piece, NULL);
        }
        if (listing && list_stream_end(list, "HTTPRoute", NULL))
                kube_store_list_end(store, KIND_HTTP_ROUTE, list_stream_version(list));
        must(list_stream_continue(list).len <= all.len);
        objects_unref(kube_store_objects(store));
        list_stream_free(list);
        watch_events_free(events);
        kube_store_free(store);
        return 0;
}
