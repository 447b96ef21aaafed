/* Paths of objects at an API server. */
#pragma once

#include "control/api/object.h"

/* "/apis/gateway.networking.k8s.io/v1/gateways" of all namespaces. */
struct slice kube_list_path(struct arena *arena, enum object_kind kind);
/* "/apis/gateway.networking.k8s.io/v1/namespaces/edge/gateways/edge"; `part` is a subresource
 * ("status") or empty, `name` empty for the collection. namespace is ignored for kinds without. */
struct slice kube_object_path(struct arena *arena, enum object_kind kind, struct slice namespace,
                              struct slice name, struct slice part);
