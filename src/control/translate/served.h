/* What only the running gateway knows, laid over what translation gave: ports that can't be bound,
 * and what workers, probe and replicas have yet to prove before a condition may be True. It only
 * ever denies. Pure; used for /status (cli/run_state.c) and for what an API server is told
 * (control/report). No facts at all: everything is as translation says. */
#pragma once

#include "control/translate/translate.h"

struct port_fault {
        struct slice port; /* its text: "192.0.2.1:443" */
        int error;         /* errno of socket(2), bind(2) or listen(2) */
};

struct served_facts {
        const struct translation *translation;
        const struct port_fault *faults;
        size_t fault_count;
        /* Each says in one line what is missing; empty: it is proven. */
        struct slice unserved;      /* not every worker serves the generation */
        struct slice unjudged;      /* nor has judged its open connections, nor does each replica */
        struct slice probe_failure; /* a pin would not be enforced */
        struct slice proof; /* what PinningEnforced=True says beside: "replicas 2, probed" */
};

struct served_statuses {
        const struct object_status **items; /* as many as the translation has, in its order */
        size_t count;
};

/* Gateways, ListenerSets and policies are copied into the arena, the others are the translation's.
 */
struct served_statuses served_statuses(const struct served_facts *facts, struct arena *arena);
/* The same of one listener where it stands on one port alone; empty: nobody lists it. */
struct condition_list served_listener(const struct served_facts *facts, const struct port *port,
                                      const struct listener *listener, struct arena *arena);

#define PORT_FAULT_SIZE 256
/* "127.0.0.1:443 can't be bound (Permission denied)". Returns text. */
const char *port_fault_print(const struct port_fault *fault, char text[static PORT_FAULT_SIZE]);
