/* Whom one policy lets in where it holds: pins and denials, and how it is enforced. Built by
 * translate, frozen in a snapshot, read by every worker. A scope that is there and in which nothing
 * is usable admits nobody. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "trust/path_rules.h"
#include "trust/pin_set.h"

/* From the least specific to the most; the last two are asked for each request. */
enum pin_scope_kind {
        SCOPE_INLINE, /* spec.tls.frontend…certificatePinning */
        SCOPE_GATEWAY,
        SCOPE_LISTENER_SET,
        SCOPE_LISTENER,
        SCOPE_ROUTE,
        SCOPE_RULE,
};

#define LISTENER_UNKNOWN UINT32_MAX

/* What becomes of an open connection that a change of policy would no longer let in. Who forgets to
 * say gets a drain at once, not a connection that stays. */
enum removal_action {
        REMOVAL_DRAIN, /* told to go, and closed when the grace is over */
        REMOVAL_CLOSE,
        REMOVAL_KEEP,
};

enum {
        REMOVAL_GRACE_MS_DEFAULT = 10000,
        REMOVAL_GRACE_MS_MAX = 3600 * 1000,
};

struct removal {
        enum removal_action action;
        uint32_t grace_ms; /* of REMOVAL_DRAIN */
};

/* One set of pins that a client must match: an OR of its sets. A policy's scopes are ANDed, so one
 * more scope can only narrow. */
struct pin_scope {
        enum pin_scope_kind kind;
        struct slice source;         /* "ClientCertificatePolicy edge/partners", for evidence */
        struct pin_set *const *sets; /* none, or only empty ones: admits nobody */
        size_t set_count;
        /* One for each set: "ConfigMap edge/devices". For evidence; may be NULL. */
        const struct slice *set_sources;
        struct pin_set *deny; /* who matches is refused, whatever else allows; NULL: nobody */
        bool unusable;        /* a restriction in it could not be read: admits nobody */
        bool report_only;     /* decides and records, refuses nobody, gives no name */
        bool pinned_only;     /* who matches a leaf pin of it needs no CA */
        /* The use that it asks of leaves which match a leaf pin of it; of all others, and where it
         * is SCOPE_INLINE, clientAuth. */
        enum key_use use;
        struct removal removal;
        const uint32_t *listeners; /* it holds on these listeners of the port… */
        size_t listener_count;     /* …or, with 0, on all of them */
};

/* The scopes of a route and its rule, judged for each request. None: nothing is asked. */
struct request_policy {
        const struct pin_scope *scopes;
        size_t scope_count;
};

/* A scope without listeners holds everywhere; with LISTENER_UNKNOWN every scope holds. */
bool pin_scope_holds(const struct pin_scope *scope, uint32_t listener);
size_t pin_scope_count(const struct pin_scope *scope);   /* pins in all of its sets */
bool pin_scope_is_usable(const struct pin_scope *scope); /* could it admit anybody? */
/* Takes, gives back, a reference to each of its sets. */
void pin_scope_ref(const struct pin_scope *scope);
void pin_scope_unref(const struct pin_scope *scope);
struct removal removal_default(void);
/* Close before Drain before Keep; of two drains the shorter. */
struct removal removal_stricter(struct removal a, struct removal b);

struct hasher;
void pin_scope_hash(const struct pin_scope *scope, struct hasher *hasher);
