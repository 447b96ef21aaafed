#include "trust/path_rules.h"

#include "trust/hash.h"

struct path_rules path_rules_default(void)
{
        return (struct path_rules){.max_depth = PATH_DEPTH_MAX};
}

void path_rules_hash(const struct path_rules *rules, struct hasher *hasher)
{
        const struct certificate_policy_inputs *inputs = &rules->policies;
        hasher_number(hasher, rules->profile);
        hasher_number(hasher, rules->use);
        hasher_number(hasher, rules->max_depth);
        hasher_number(hasher, inputs->explicit_policy);
        hasher_number(hasher, inputs->inhibit_mapping);
        hasher_number(hasher, inputs->inhibit_any);
        hasher_number(hasher, (int64_t)inputs->oid_count);
        for (size_t i = 0; i < inputs->oid_count; i++)
                hasher_bytes(hasher, slice_of(inputs->oids[i]));
}
