/* A published translation, told to the pages of the admin address: the conditions that translation
 * gave, and over them what only the running gateway knows (ports that can't be bound). */
#pragma once

#include "control/translate/served.h"
#include "observe/state.h"
#include "proxy/listener/listener.h"

struct run_facts {
        const struct translation *translation; /* the newest that was published */
        int64_t published_ms;                  /* Unix time */
        struct listener_faults faults;
};

void run_state_tell(struct gateway_state *state, const struct run_facts *facts);
/* Good as long as `fault`. */
struct port_fault run_state_fault(const struct listener_fault *fault);
