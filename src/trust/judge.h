/* WHO MAY COME IN: the one function that decides (I6). The data plane, `explain`, the re-judging of
 * open connections, the tests and the fuzzers all call it. Pure: no clock, no I/O, no log; the same
 * request gives the same verdict. Whatever is missing refuses.
 *
 * Gates: is the port usable; is there a certificate; its size and encoding; is the leaf denied;
 * keys and signatures; use; the path to a CA with time, revocation and names; of a backend, its own
 * name; the pins. The first gate that says no is the reason. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/reason.h"
#include "trust/chain.h"
#include "trust/path_cache.h"
#include "trust/pin.h"
#include "trust/policy.h"
#include "trust/standing.h"
#include "trust/trust_store.h"

/* What pins are compared with: digests of the leaf, and the SubjectPublicKeyInfo digests of the
 * verified path above it (none where no path verified). */
struct pin_evidence {
        struct digest certificate, spki;
        const struct digest *issuers;
        size_t issuer_count;
};

/* What all scopes together say of a client. Scopes and texts live as long as the policy. */
struct pin_decision {
        enum reason reason;            /* ACCEPTED, or why the first scope that refuses does */
        const struct pin_scope *scope; /* that refused, or that the pin is of; NULL: none */
        enum pin_kind kind;
        struct pin_match match;
        struct removal removal; /* the strictest of the scopes that refuse */
        int64_t valid_from, valid_until;
        enum reason report_only; /* what a ReportOnly scope would refuse for; else ACCEPTED */
        const struct pin_scope *report_scope;
};

struct judge_request {
        const struct client_policy *policy;
        const struct chain *chain; /* NULL: the client sent no certificate */
        uint32_t listener;         /* that the server name selected, or LISTENER_UNKNOWN */
        int64_t now;               /* Unix seconds, of the real clock */
        struct trust_store *store; /* this thread's, of policy->cas; NULL only where that is */
        struct path_cache *cache;  /* may be NULL */
        /* This client's standing on the same connection; may be NULL. Its path is taken over where
         * nothing has changed that it depends on. */
        const struct standing *before;
};

enum {
        VERDICT_NAME_SIZE = 256,
        VERDICT_SOURCE_SIZE = 128,
        VERDICT_SERIAL_SIZE = 48, /* 20 octets in hex (RFC 5280, 4.1.2.2), and a little */
};

/* The decision and its evidence, complete in itself: it outlives policy and chain. Texts end in
 * NUL, are cut with "..." and escaped for one line of a log (I13). */
struct verdict {
        bool admitted;      /* the connection may go on */
        bool verified;      /* …and the client is who the certificate says */
        enum reason reason; /* ACCEPTED if and only if verified; else why not */
        char detail[VERDICT_NAME_SIZE];

        /* Of the certificate; zero and empty when none was presented. */
        struct digest leaf, spki;
        char serial[VERDICT_SERIAL_SIZE];
        char subject[VERDICT_NAME_SIZE];
        char issuer[VERDICT_NAME_SIZE];
        int64_t leaf_not_before, leaf_not_after;

        /* Of the path: empty unless one verified. It is set where pins refuse, too. */
        struct path path;
        bool path_from_cache;
        bool path_waived; /* no path verified, but a pin of a PinnedOnly policy stands for it */
        struct digest path_key; /* for path_cache_commit; all zero: nothing to commit */

        /* Of the pin: the name from the most specific scope that has one, certificate pins before
         * SPKI pins. Where pins refuse, `source` is the scope that did. */
        bool pinned;
        enum pin_kind pin_kind;
        char pin_name[PIN_NAME_MAX + 1];
        char pin_owner[PIN_OWNER_MAX + 1];
        char pin_source[VERDICT_SOURCE_SIZE];

        /* What a ReportOnly scope would have refused for, and that scope; ACCEPTED: nothing. */
        enum reason report_only;
        char report_source[VERDICT_SOURCE_SIZE];

        /* Where not admitted: what becomes of a connection that was. */
        struct removal removal;

        /* The verdict holds while valid_from <= now < valid_until; then judge again. */
        int64_t valid_from, valid_until;
};

void judge(const struct judge_request *request, struct verdict *out);

/* The evidence of a verdict; it points into *verdict. */
struct pin_evidence verdict_evidence(const struct verdict *verdict);

/* The scopes of a route and its rule, for one request of a verified client. As cheap as a look-up
 * for each pin set and digest. */
void judge_request_pins(const struct request_policy *policy, const struct pin_evidence *evidence,
                        int64_t now, struct pin_decision *out);
/* The same for a client without identity: these scopes admit verified clients only, in every mode.
 * `reason`: why it has none. */
void refuse_unverified_request(const struct request_policy *policy, enum reason reason,
                               struct pin_decision *out);

/* May a client that fails for this reason come in under ALLOW_INSECURE_FALLBACK? */
bool reason_is_soft(enum reason reason);
