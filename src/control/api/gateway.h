/* GatewayClass and Gateway, as far as HTTP and HTTPS listeners go. */
#pragma once

#include "control/api/allowed_routes.h"
#include "control/api/object.h"
#include "trust/pin.h"

struct gateway_class {
        struct object object;
        struct slice controller_name;
};

/* SecretObjectReference, ObjectReference: defaults are filled in. An empty namespace is the
 * referrer's own. */
struct object_ref {
        const struct node *node;
        struct slice group, kind, name, namespace;
};

struct pin_list { /* spkiHashes or certificateHashes: at least one when there */
        struct pin *items;
        size_t count;
};

/* certificatePinning: there means that pins are demanded, whatever becomes of them. */
struct certificate_pinning {
        const struct node *node;
        struct pin_list spki_hashes, certificate_hashes;
        LIST(struct object_ref) certificate_refs;
};

struct frontend_validation {
        const struct node *node;
        LIST(struct object_ref) ca_refs; /* at least one */
        struct slice mode;
        const struct certificate_pinning *pinning; /* NULL: not demanded here */
};

struct frontend_tls {
        const struct node *node;
        const struct frontend_validation *validation; /* NULL: no certificate is asked for */
};

struct port_tls {
        const struct node *node;
        int64_t port;
        struct frontend_tls *tls;
};

struct frontend {
        const struct node *node;
        struct frontend_tls *by_default;
        LIST(struct port_tls) per_port;
};

struct gateway_backend_tls {
        const struct node *node;
        struct object_ref *client_certificate; /* NULL: none */
};

struct gateway_tls {
        const struct node *node;
        struct gateway_backend_tls *backend;
        struct frontend *frontend;
};

struct listener_tls {
        const struct node *node;
        struct slice mode; /* Terminate, Passthrough */
        LIST(struct object_ref) certificate_refs;
        struct text_map options;
};

struct gateway_listener {
        const struct node *node;
        struct slice name, hostname, protocol;
        int64_t port;
        struct listener_tls *tls;
        struct allowed_routes *allowed_routes; /* NULL: Same */
};

struct gateway_address {
        const struct node *node;
        struct slice type, value;
};

struct gateway {
        struct object object;
        struct slice class_name;
        LIST(struct gateway_listener) listeners;
        LIST(struct gateway_address) addresses;
        struct gateway_tls *tls;
        const struct node *infrastructure, *allowed_listeners;
        bool requires_pinning; /* pingate.dev/require-pinning: "true" */
};

/* What holds for clients of an HTTPS listener of that port; NULL: no certificate is asked for. */
const struct frontend_validation *gateway_validation(const struct gateway *gateway, int64_t port);
extern const struct shape object_ref_shape; /* group and kind demanded */
