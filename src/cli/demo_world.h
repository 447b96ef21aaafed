/* Everything that the demo makes: keys and certificates, the configuration, the folder that holds
 * them, and the gateway as a child process. Made by demo_world_open, gone after demo_world_close
 * unless the folder is to be kept. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "cli/pki.h"

#define DEMO_HOST "demo.example"

struct demo_world {
        char folder[64];
        struct throwaway ca, other_ca; /* corp-ca, and one that nobody trusts */
        struct throwaway server;
        struct throwaway pinned;    /* by its key */
        struct throwaway renewed;   /* another certificate of the same key */
        struct throwaway expired;   /* of the same key, past its notAfter */
        struct throwaway unpinned;  /* of the trusted CA */
        struct throwaway untrusted; /* of the pinned key, signed by the other CA */
        int port, admin_port, backend_port;
        pid_t gateway; /* 0: not running */
};

bool demo_world_open(struct demo_world *world, int backend_port, struct error *err);
/* Starts `pingate run` on the folder and waits until it says that it is ready. */
bool demo_world_run(struct demo_world *world, struct error *err);
void demo_world_close(struct demo_world *world, bool keep);

/* The reason that the audit log gives for the connection from this port of ours; waits for the line
 * a moment. */
bool demo_world_reason(const struct demo_world *world, int local_port, char reason[static 64],
                       struct error *err);
