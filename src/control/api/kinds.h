/* The table's row of each kind: its shape, which object.c reads documents by. */
#pragma once

#include "control/api/object.h"

extern const struct shape gateway_class_shape, gateway_shape, listener_set_shape, http_route_shape,
        grpc_route_shape, tls_route_shape, tcp_route_shape, reference_grant_shape, policy_shape,
        backend_tls_policy_shape, namespace_shape, secret_shape, config_map_shape, service_shape,
        endpoint_slice_shape;

/* The rows that every document has; `struct object` is at offset 0. */
#define DOCUMENT_BARE_FIELDS                                                                       \
        {.name = "apiVersion", .kind = FIELD_IGNORED}, {.name = "kind", .kind = FIELD_IGNORED},    \
        {                                                                                          \
                .name = "metadata", .kind = FIELD_IGNORED                                          \
        }
#define DOCUMENT_FIELDS                                                                            \
        DOCUMENT_BARE_FIELDS,                                                                      \
        {                                                                                          \
                .name = "status", .kind = FIELD_IGNORED                                            \
        }
