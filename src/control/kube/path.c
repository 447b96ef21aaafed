#include "control/kube/path.h"

/* The core group alone has a root of its own. */
static const char *root_of(enum object_kind kind)
{
        return *object_group(kind) ? "/apis" : "/api";
}

struct slice kube_list_path(struct arena *arena, enum object_kind kind)
{
        return arena_printf(arena, "%s/%s/%s", root_of(kind), object_api_version(kind),
                            object_resource(kind));
}

/* Names are DNS labels and subdomains: nothing in them needs escaping. */
struct slice kube_object_path(struct arena *arena, enum object_kind kind, struct slice namespace,
                              struct slice name, struct slice part)
{
        bool in_namespace = !object_is_cluster(kind);
        return arena_printf(arena, "%s/%s%s%.*s/%s%s%.*s%s%.*s", root_of(kind),
                            object_api_version(kind), in_namespace ? "/namespaces/" : "",
                            SLICE_ARG(in_namespace ? namespace : SLICE_NONE), object_resource(kind),
                            name.len ? "/" : "", SLICE_ARG(name), part.len ? "/" : "",
                            SLICE_ARG(part));
}
