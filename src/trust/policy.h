/* What one (address, port) demands of its clients: fixed before any byte of a ClientHello, so no
 * server name can weaken it (I19). The same is demanded of a backend whom we speak TLS to, with a
 * server's use and names (snapshot/backend_tls.h). Built by translate, frozen in a snapshot, read
 * by the judge. What is empty narrows: no CA set admits nobody, a scope without pins admits nobody.
 * Only the absence of all scopes means "no pinning", and translate alone can say that. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/reason.h"
#include "base/slice.h"
#include "trust/ca_set.h"
#include "trust/path_rules.h"
#include "trust/peer_name.h"
#include "trust/pin_scope.h"

enum client_mode {
        ALLOW_VALID_ONLY,
        ALLOW_INSECURE_FALLBACK, /* who does not verify comes in, without identity (I7) */
};

struct client_policy {
        enum client_mode mode;
        struct ca_set *cas; /* NULL: unusable, admits nobody */
        struct path_rules rules;
        const struct pin_scope *scopes; /* none: CA only */
        size_t scope_count;
        /* Of a backend: its certificate must bear one of them. Of clients none is asked: NULL. */
        const struct peer_name *names;
        size_t name_count;
        bool pins_required;       /* a listener on which no scope is in force admits nobody */
        bool refuses_all;         /* whatever is presented, in every mode */
        struct slice refuses_why; /* for evidence and status */
        struct digest digest;     /* the trust digest: of all that can alter a verdict */
};

/* Computes the trust digest; call it once, when everything else stands. */
void client_policy_seal(struct client_policy *policy);
/* Takes, gives back, a reference to each of its sets. */
void client_policy_ref(const struct client_policy *policy);
void client_policy_unref(const struct client_policy *policy);
/* Whether it admits nobody, whatever is presented, in every mode; then *why says so. */
bool client_policy_is_closed(const struct client_policy *policy, struct slice *why);
/* Pins in force on that listener, over all scopes that hold there; of ReportOnly none are. */
size_t client_policy_pin_count(const struct client_policy *policy, uint32_t listener);
/* Why nobody comes in by this listener, whatever is presented, or ACCEPTED; *scope: the one that
 * admits nobody, if it is one. */
enum reason client_policy_refuses_listener(const struct client_policy *policy, uint32_t listener,
                                           const struct pin_scope **scope);
