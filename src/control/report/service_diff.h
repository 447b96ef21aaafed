/* What has to be written so that a Service is as translation wants it: pure, from the two of them.
 * Fields that others set stay theirs: our writes name labels, annotations and fields one by one,
 * and what infrastructure no longer asks for is known by an annotation that lists it. */
#pragma once

#include "control/kube/store.h"
#include "control/translate/services.h"

/* "label:team annotation:example.com/kind": what was passed on, to take it back one day. */
#define ANNOTATION_PROPAGATED "pingate.dev/propagated"

struct service_selector { /* of pingate's own pods */
        struct slice key, value;
};

enum service_change {
        SERVICE_SAME,
        SERVICE_CREATE, /* body: all of it */
        SERVICE_PATCH,  /* body: a merge patch upon is->resource_version */
};

struct service_wish {
        const struct wanted_service *wanted;
        const struct kube_entry *is;      /* NULL: there is none */
        const struct kube_entry *gateway; /* its owner where it stands in its namespace; or NULL */
        struct service_selector selector;
};

enum service_change service_diff(const struct service_wish *wish, struct arena *arena,
                                 struct node **body);
/* One that may be deleted where nobody wants it: it says so itself, and is of a kind that we make.
 * `balanced`: in Service mode nothing outside of our own namespace is looked at. */
bool service_is_ours(const struct service *service, struct slice own_namespace, bool balanced);
/* DeleteOptions for exactly what the store holds. */
struct node *service_delete_body(const struct kube_entry *is, struct arena *arena);
