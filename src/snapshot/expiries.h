/* What of a snapshot ends first, of each kind, in Unix seconds: for operators, who have to bring
 * the next one before. Pins have names and are told one by one (observe/pin_ledger.h). */
#pragma once

#include <stdint.h>

#include "snapshot/snapshot.h"

#define EXPIRY_NONE INT64_MAX

struct expiries { /* EXPIRY_NONE: there is none of the kind */
        /* Of clients and of backends. A bundle keeps old CAs: those that were over at `now` count
         * only where all are. */
        int64_t cas;
        /* These lock peers out while they are over, so they count for as long as they stand. A
         * Gateway's client certificate counts as a server's. */
        int64_t crls, server_certificates;
};

/* Of the CAs and CRLs of one port's clients. */
struct expiries port_expiries(const struct port *port, int64_t now);
struct expiries snapshot_expiries(const struct snapshot *snapshot, int64_t now);
