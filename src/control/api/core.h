/* The kinds of core and discovery.k8s.io that gateways refer to. */
#pragma once

#include "control/api/object.h"

#define PINS_TXT "pins.txt" /* the key of a pin set */

struct key_value { /* Secret and ConfigMap, decoded */
        struct object object;
        struct slice type;
        struct text_map data; /* of a Secret secret bytes: wiped with the objects */
        struct pin_set *pins; /* of the key pins.txt, the objects' own; NULL: there is none */
};

struct namespace_object {
        struct object object;
};

struct service_port {
        const struct node *node;
        struct slice name, protocol, app_protocol;
        int64_t port;
        struct slice target_name; /* targetPort, as a name… */
        int64_t target_number;    /* …or as a number; 0: the port itself */
};

#define SERVICE_INGRESS_MAX 16

struct service {
        struct object object;
        LIST(struct slice) ingress; /* status.loadBalancer: IP addresses and host names */
        struct slice type, external_name, cluster_ip;
        struct text_map selector; /* as far as it is one */
        struct slice balancer_ip; /* loadBalancerIP; empty: any */
        bool publish_not_ready;   /* its endpoints' readiness is to be disregarded */
        LIST(struct service_port) ports;
};

struct endpoint_port {
        const struct node *node;
        struct slice name, protocol, app_protocol;
        int64_t port; /* 0: none */
};

struct endpoint_entry {
        const struct node *node;
        LIST(struct slice) addresses;
        /* EndpointConditions: nothing said of the first means true, of the second what the first
         * says, of the third false. */
        bool ready, serving, terminating;
};

struct endpoint_slice {
        struct object object;
        struct slice address_type;
        LIST(struct endpoint_entry) endpoints;
        LIST(struct endpoint_port) ports;
        struct slice service; /* of the label; empty: nobody's */
};

struct grant_from {
        const struct node *node;
        struct slice group, kind, namespace;
};

struct grant_to {
        const struct node *node;
        struct slice group, kind, name; /* empty name: all */
};

struct reference_grant {
        struct object object;
        LIST(struct grant_from) from;
        LIST(struct grant_to) to;
};
