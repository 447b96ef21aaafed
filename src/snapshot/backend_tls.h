/* How the endpoints of a backend are spoken to by TLS: what we say, and whom they must prove to be.
 * Made of a BackendTLSPolicy and of the Gateway's client certificate, frozen in a snapshot, read by
 * workers without a lock. A policy that can't be used is here too, with a peer that nobody can be:
 * its requests get 502, and nothing is ever sent in the clear instead. */
#pragma once

#include <stdint.h>

#include "base/digest.h"
#include "base/slice.h"
#include "trust/policy.h"

struct snapshot;
struct server_certificate;

struct backend_tls {
        const struct snapshot *snapshot; /* that this is a part of: its TLS contexts stand there */
        uint32_t index;                  /* in snapshot->backend_tls */
        struct slice source;             /* "BackendTLSPolicy shop/payments", for evidence */
        struct slice server_name;        /* SNI; a DNS name */
        /* CAs, names and pins (a SCOPE_INLINE), for the use of a server. Always there and never
         * without a name, unless it admits nobody. The snapshot holds a reference. */
        const struct client_policy *peer;
        const struct server_certificate *certificate; /* our own; NULL: we have none to show */
        /* Of all of it: a connection that was made under one digest never serves another. */
        struct digest digest;
};

/* Computes the digest; call it once, when everything else stands. */
void backend_tls_seal(struct backend_tls *tls);
