/* What one (address, port) demands of its clients: fixed before any byte of a ClientHello, so no
 * server name can weaken it (I19). Built by translate, frozen in a snapshot, read by the judge.
 * What is empty narrows: no CA set admits nobody, a scope without pins admits nobody. Only the
 * absence of all scopes means "no pinning", and translate alone can say that. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/slice.h"
#include "trust/ca_set.h"
#include "trust/pin_set.h"

enum client_mode {
        ALLOW_VALID_ONLY,
        ALLOW_INSECURE_FALLBACK, /* who does not verify comes in, without identity (I7) */
};

enum key_use {
        USE_CLIENT_AUTH, /* the EKU lists clientAuth */
        USE_CLIENT_OR_SERVER_AUTH,
        USE_ANY,
        USE_SERVER_AUTH, /* explain --batch, for cases that say so */
};

enum judge_profile {
        PROFILE_CLIENT, /* everything: what a gateway uses */
        PROFILE_CHAIN,  /* path validation alone: without I8's rules on use and I9's key floor */
};

/* What becomes of an open connection that a change of policy would no longer let in, the mildest
 * first: of the scopes that no longer pass, the strictest wins. */
enum removal_action {
        REMOVAL_KEEP,
        REMOVAL_DRAIN, /* told to go, and closed when the grace is over */
        REMOVAL_CLOSE,
};

enum {
        REMOVAL_GRACE_MS_DEFAULT = 10000,
        REMOVAL_GRACE_MS_MAX = 3600 * 1000,
};

struct removal {
        enum removal_action action;
        uint32_t grace_ms; /* of REMOVAL_DRAIN */
};

/* The inputs of RFC 5280, 6.1.1 c, e, f, g. All empty in a gateway: any policy will do, and what
 * the certificates themselves demand is always enforced. */
struct certificate_policy_inputs {
        const char *const *oids;
        size_t oid_count;
        bool explicit_policy, inhibit_mapping, inhibit_any;
};

/* How a path is verified. All of it is part of the path cache's key. */
struct path_rules {
        enum judge_profile profile;
        enum key_use use;
        int max_depth; /* intermediates between leaf and anchor; PATH_DEPTH_MAX by default */
        struct certificate_policy_inputs policies;
};

enum {
        PATH_DEPTH_MAX = 10,
        CHAIN_CERTIFICATES_MAX = 10,
        CHAIN_BYTES_MAX = 32 * 1024,
};

enum pin_scope_kind {
        SCOPE_INLINE, /* spec.tls.frontend…certificatePinning */
        SCOPE_GATEWAY,
        SCOPE_LISTENER_SET,
        SCOPE_LISTENER,
};

#define LISTENER_UNKNOWN UINT32_MAX

/* One set of pins that a client must match: an OR of its sets. A policy's scopes are ANDed, so one
 * more scope can only narrow. */
struct pin_scope {
        enum pin_scope_kind kind;
        struct slice source;         /* "ClientCertificatePolicy edge/partners", for evidence */
        struct pin_set *const *sets; /* none, or only empty ones: admits nobody */
        size_t set_count;
        const uint32_t *listeners; /* it holds on these listeners of the port… */
        size_t listener_count;     /* …or, with 0, on all of them */
};

struct client_policy {
        enum client_mode mode;
        struct ca_set *cas; /* NULL: unusable, admits nobody */
        struct path_rules rules;
        const struct pin_scope *scopes; /* none: CA only */
        size_t scope_count;
        bool refuses_all;         /* whatever is presented, in every mode */
        struct slice refuses_why; /* for evidence and status */
        struct digest digest;     /* the trust digest: of all that can alter a verdict */
};

/* The rules that a gateway uses unless a policy says otherwise. */
struct path_rules path_rules_default(void);
/* Computes the trust digest; call it once, when everything else stands. */
void client_policy_seal(struct client_policy *policy);
/* Takes, gives back, a reference to each of its sets. */
void client_policy_ref(const struct client_policy *policy);
void client_policy_unref(const struct client_policy *policy);
/* Whether it admits nobody, whatever is presented, in every mode; then *why says so. */
bool client_policy_is_closed(const struct client_policy *policy, struct slice *why);
/* Pins in force on that listener, over all scopes that hold there. */
size_t client_policy_pin_count(const struct client_policy *policy, uint32_t listener);
/* A scope without listeners holds everywhere; with LISTENER_UNKNOWN every scope holds. */
bool pin_scope_holds(const struct pin_scope *scope, uint32_t listener);
size_t pin_scope_count(const struct pin_scope *scope); /* pins in all of its sets */

struct hasher;
void path_rules_hash(const struct path_rules *rules, struct hasher *hasher);
