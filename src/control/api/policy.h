/* ClientCertificatePolicy, its first part: whole Gateways as targets, pins, pin sets, forward. What
 * else design.md 1.2 knows is refused by name: a restriction that we can't keep must not look kept.
 */
#pragma once

#include "control/api/object.h"
#include "trust/pin.h"

struct target_ref {
        const struct node *node;
        struct slice group, kind, name;
};

struct policy_pin {
        const struct node *node;
        struct slice name, owner, spki_hash, certificate_hash;
        struct pin pin;
};

struct pin_set_ref {
        const struct node *node;
        struct slice group, kind, name, namespace;
        const struct side_file *file; /* of kind File: what the source found there */
};

struct client_certificate_policy {
        struct object object;
        LIST(struct target_ref) targets;
        LIST(struct policy_pin) pins;
        LIST(struct pin_set_ref) pin_sets;
        LIST(struct slice) forward;
        bool forward_given;
};

bool pin_set_ref_is_file(const struct pin_set_ref *ref);
