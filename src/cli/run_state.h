/* A published translation, told to the pages of the admin address: the conditions that translation
 * gave, and over them what only the running gateway knows (ports that can't be bound). */
#pragma once

#include "control/control.h"
#include "control/translate/served.h"
#include "observe/state.h"
#include "proxy/listener/listener.h"

struct run_facts {
        const struct translation *translation; /* the newest that was published */
        int64_t published_ms;                  /* Unix time */
        struct listener_faults faults;
        bool clustered; /* there may be other replicas */
};

void run_state_tell(struct gateway_state *state, const struct run_facts *facts);
/* The same for what the objects themselves are told: all but the translation and the replicas. */
void run_state_facts(struct gateway_state *state, const struct listener_faults *faults,
                     struct served_facts *facts, struct arena *arena);
/* Good as long as `fault`. */
struct port_fault run_state_fault(const struct listener_fault *fault);
/* When an API server was last heard. */
void run_state_heard(struct gateway_state *state, const struct source_kind *kinds, size_t count);
