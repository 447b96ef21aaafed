/* The Services that bear a cluster's Gateways. In Service mode (no address pool) each Gateway has a
 * LoadBalancer in pingate's own namespace, whose ports lead to ports that pingate binds: which port
 * a listener has is written there and nowhere else, so that every replica reads the same. With a
 * pool each has one without a selector in its own namespace, which bears its infrastructure's
 * labels and annotations.
 *
 * translate says what they should be like, from what they are like; control/report/services writes
 * it. A Service that does not bear our label is never anything of ours, whatever its name. */
#pragma once

#include "control/api/core.h"
#include "control/translate/pool.h"

/* Names that are too long for a label are cut and hashed. The third says that it is ours, and
 * whose. */
#define LABEL_GATEWAY           "gateway.networking.k8s.io/gateway-name"
#define LABEL_GATEWAY_CLASS     "gateway.networking.k8s.io/gateway-class-name"
#define LABEL_GATEWAY_NAMESPACE "pingate.dev/gateway-namespace"
#define LABEL_MANAGED_BY        "app.kubernetes.io/managed-by"

struct service_plan {
        struct slice namespace;         /* pingate's own */
        uint16_t first_port, last_port; /* that may be allotted to listeners */
};

struct wanted_service_port {
        uint16_t number, target; /* the listeners' port; what is bound for it */
};

struct wanted_service {
        struct slice namespace, name;
        struct slice gateway_namespace, gateway_name;
        bool balanced; /* a LoadBalancer; else without selector and address */
        bool kept;     /* as it is, as nobody can say what it should be like: no ports here */
        struct slice address; /* that the load balancer is asked for; empty: any */
        LIST(struct wanted_service_port) ports; /* by number */
        LIST(struct text_pair) labels, annotations;
};

struct gateway_work;
struct work;

/* Once listeners are checked, and before ports are bound. */
void services_plan(struct work *w);
/* What is bound for a port of that Gateway; 0: nothing yet. */
uint16_t service_target(const struct work *w, const struct gateway_work *gateway, uint16_t number);
