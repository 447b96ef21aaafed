/* GatewayClass and Gateway. */
#pragma once

#include "control/api/listener.h"
#include "control/api/object.h"
#include "trust/pin.h"

struct gateway_class {
        struct object object;
        struct slice controller_name;
        const struct node *parameters; /* parametersRef; NULL: none */
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

struct gateway_address {
        const struct node *node;
        struct slice type, value;
};

/* What whoever makes objects for a Gateway gives them; here none are made, and nothing comes of it
 * but that what is wrong is told. */
struct infrastructure {
        const struct node *node;
        struct text_map labels, annotations;
        const struct node *parameters; /* parametersRef; NULL: none */
};

struct gateway {
        struct object object;
        struct slice class_name;
        struct listener_list listeners;
        LIST(struct gateway_address) addresses;
        struct gateway_tls *tls;
        struct infrastructure *infrastructure;       /* NULL: none */
        struct allowed_listeners *allowed_listeners; /* NULL: no ListenerSet may attach */
        bool requires_pinning;                       /* pingate.dev/require-pinning: "true" */
        LIST(struct slice) had; /* status.addresses: the values, as it was told the last time */
};

/* Fewer validations than before demand pins, in the same generation: nobody edited it, but a CRD
 * without certificatePinning hides them. */
bool gateway_pins_are_hidden(const struct gateway *former, const struct gateway *now);
/* What holds for clients of an HTTPS listener of that port; NULL: no certificate is asked for. */
const struct frontend_validation *gateway_validation(const struct gateway *gateway, int64_t port);
