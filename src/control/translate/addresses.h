/* Where the ports of a Gateway are bound. Made by addresses_assign for each of ours, once it is
 * known which they are; private to translate/. */
#pragma once

#include "control/translate/pool.h"

struct gateway_work;
struct work;

struct bind_address {
        struct sockaddr_storage address; /* without a port */
        bool wildcard;
        bool held;         /* by an older Gateway, on one of the ports */
        struct slice ip;   /* "192.0.2.1", "::" */
        struct slice text; /* "192.0.2.1", "[::]"; in the snapshot's arena */
};

/* All Gateways have their addresses from then on. */
void addresses_assign(struct work *w);
/* Why a Gateway is not Programmed; the first that is said stays. */
void address_fault(struct gateway_work *gateway, const char *reason, struct slice message);
