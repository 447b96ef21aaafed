/* What is said about a handshake: the part of facts.h that is told of each client, in or out. The
 * same holds of it: slices are borrowed, and what is zero or empty is not known. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/reason.h"
#include "base/slice.h"
#include "event/address.h"

/* The leaf that the client showed, judged or not; names are as in the certificate (I13). */
struct leaf_facts {
        struct digest certificate, spki;
        struct slice serial; /* lower-case hex */
        struct slice issuer, subject;
        int64_t not_after_s;
};

/* Emitted once for each handshake, when it is decided. */
struct handshake_facts {
        int64_t time_ms;
        enum reason reason; /* why refused, or, where admitted without identity, why unverified */
        enum reason report_only; /* what a ReportOnly one would have refused for; else ACCEPTED */
        bool admitted;
        bool verified; /* admitted with an identity */
        struct event_address peer;
        struct slice gateway, listener; /* "namespace/name", section name */
        struct slice sni;
        struct leaf_facts leaf;
        struct slice pin_name, pin_owner;
        /* SHA-256 over subject and alternative names, of who came in by a named pin or is trusted
         * and not pinned: for noticing renewals, never for deciding (I13). */
        struct digest identity;
        struct slice renewal_of; /* the pin that this client had; filled in by observe */
        struct slice issuers;    /* of the path above a verified leaf: SPKI digests, side by side */
        struct slice scope;      /* the scope that matched or refused: "listener edge/edge/https" */
        struct slice report_scope; /* the ReportOnly one that would have refused */
        struct slice tls_version, tls_cipher, alpn;
        uint64_t generation, connection, duration_us;
};
