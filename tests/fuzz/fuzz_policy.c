#include "fuzz.h"

#include "base/memory.h"
#include "control/api/policy.h"
#include "text/yaml.h"

static void check_pin(const struct policy_pin *entry)
{
        must((unsigned)entry->pin.kind < PIN_KIND_COUNT);
        must(!digest_is_none(&entry->pin.digest));
        for (int kind = 0; kind < PIN_KIND_COUNT; kind++)
                must((entry->hashes[kind].len > 0) == (kind == (int)entry->pin.kind));
        must(entry->pin.name.len == 0 || pin_name_check(entry->pin.name, NULL));
        must(entry->pin.owner.len == 0 || pin_owner_check(entry->pin.owner, NULL));
}

/* What translate relies on without asking again. */
static void check_policy(const struct client_certificate_policy *policy)
{
        bool leaf = policy->pin_sets.count > 0;
        must(policy->targets.count >= 1 && policy->targets.count <= 16);
        must(policy->pins.count <= 256 && policy->deny.count <= 256);
        must(policy->pin_sets.count <= 64);
        for (size_t i = 0; i < policy->targets.count; i++)
                must(policy->targets.items[i].name.len > 0 &&
                     target_kind_name(policy->targets.items[i].kind));
        for (size_t i = 0; i < policy->pins.count; i++) {
                check_pin(&policy->pins.items[i]);
                leaf = leaf || policy->pins.items[i].pin.kind != PIN_ISSUER;
        }
        for (size_t i = 0; i < policy->deny.count; i++)
                check_pin(&policy->deny.items[i]);
        for (size_t i = 0; i < policy->pin_sets.count; i++)
                must(policy->pin_sets.items[i].name.len > 0);
        must(policy->trust != TRUST_PINNED_ONLY ||
             (leaf && policy->enforcement == ENFORCEMENT_ENFORCE));
        must(policy->extended_key_usage <= USE_ANY);
        must(policy->removal.grace_ms <= REMOVAL_GRACE_MS_MAX);
        must(policy->forward < BIT(3));
        must(policy->forward_given || policy->forward == FORWARD_CLIENT_CERT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct objects *objects = objects_new();
        struct yaml_docs docs;
        struct error err = {.text = ""};
        bool ok = yaml_parse(&objects->arena, slice_from(data, size), "f", &docs, &err);
        for (size_t i = 0; ok && i < docs.count; i++)
                ok = objects_add(objects, docs.items[i], &err);
        must(ok || slice_starts_with(slice_of(err.text), SLICE("f:")));
        vec_each (object, &objects->kinds[KIND_POLICY])
                check_policy((const struct client_certificate_policy *)*object);
        objects_unref(objects);
        return 0;
}
