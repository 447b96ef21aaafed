/* How a path is verified: values that a policy, or `explain`, sets. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum key_use {
        USE_CLIENT_AUTH, /* the EKU lists clientAuth */
        USE_CLIENT_OR_SERVER_AUTH,
        USE_ANY,
        USE_SERVER_AUTH, /* of backends, and explain --batch for cases that say so */
};

enum judge_profile {
        PROFILE_CLIENT, /* everything: what a gateway uses */
        PROFILE_CHAIN,  /* path validation alone: without I8's rules on use and I9's key floor */
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

/* The rules that a gateway uses unless a policy says otherwise. */
struct path_rules path_rules_default(void);

struct hasher;
void path_rules_hash(const struct path_rules *rules, struct hasher *hasher);
