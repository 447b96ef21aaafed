/* ClientCertificatePolicy (design.md 1.2), decoded: every word that decides is a value of an enum
 * here, so that nobody further on reads texts again. Its shape is its schema; what it refers to is
 * looked up by translate. The CRD in deploy/crds says the same to an API server, and
 * tests/e2e/test_crd.py holds the two together.
 *
 * A policy without any pin is well-formed: it admits nobody. */
#pragma once

#include "control/api/object.h"
#include "trust/policy.h"

/* The enums are numbered as their words stand in the tables of policy.c. */
enum target_kind {
        TARGET_GATEWAY,
        TARGET_LISTENER_SET,
        TARGET_HTTP_ROUTE,
        TARGET_GRPC_ROUTE,
};

struct target_ref {
        const struct node *node;
        struct slice group; /* gateway.networking.k8s.io */
        enum target_kind kind;
        struct slice name;
        struct slice section_name; /* a listener or a rule; empty: all of the target */
};

/* An entry of `pins` or `deny`. */
struct policy_pin {
        const struct node *node;
        struct slice hashes[PIN_KIND_COUNT]; /* as written; just one is there, pin.kind */
        struct pin pin; /* its window may be empty: a fault for the builder to count */
};

struct pin_set_ref {
        const struct node *node;
        struct slice group, kind, name, namespace;
        const struct side_file *file; /* of kind File: what the source found there */
};

enum policy_enforcement {
        ENFORCEMENT_ENFORCE,
        ENFORCEMENT_REPORT_ONLY, /* decides and records, refuses nobody */
};

enum policy_trust {
        TRUST_CERTIFICATE_AUTHORITY,
        TRUST_PINNED_ONLY, /* its own leaf pins stand in for the CA: only with Enforce */
};

enum policy_forward { /* ORed */
        FORWARD_CLIENT_CERT = BIT(0),
        FORWARD_CLIENT_CERT_CHAIN = BIT(1),
        FORWARD_XFCC = BIT(2),
};

struct client_certificate_policy {
        struct object object;
        LIST(struct target_ref) targets;
        enum policy_enforcement enforcement;
        enum policy_trust trust;
        enum key_use extended_key_usage;
        LIST(struct policy_pin) pins;
        LIST(struct policy_pin) deny;
        LIST(struct pin_set_ref) pin_sets;
        struct removal removal;
        unsigned forward;   /* enum policy_forward */
        bool forward_given; /* false: forward is the default, and says nothing against another's */
};

/* "Gateway", "HTTPRoute"… */
const char *target_kind_name(enum target_kind kind);
bool pin_set_ref_is_file(const struct pin_set_ref *ref);
