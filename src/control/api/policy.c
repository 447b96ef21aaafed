#include "control/api/policy.h"

#include "control/api/kinds.h"
#include "control/api/rules.h"

static bool target_check(struct decoder *d, void *value, struct error *err)
{
        const struct target_ref *target = value;
        if (!slice_is(target->group, GROUP_GATEWAY) || !slice_is(target->kind, "Gateway"))
                return decode_error(
                        d, target->node, err,
                        "targets %.*s/%.*s, which is not yet supported, wants " GROUP_GATEWAY
                        "/Gateway",
                        SLICE_ARG(target->group), SLICE_ARG(target->kind));
        return true;
}

static const struct field target_fields[] = {
        {"group", FIELD_TEXT, offsetof(struct target_ref, group), true, .max = 253,
         .rule = &rule_group},
        {"kind", FIELD_TEXT, offsetof(struct target_ref, kind), true, .min = 1, .max = 63,
         .rule = &rule_kind},
        {"name", FIELD_TEXT, offsetof(struct target_ref, name), true, .min = 1, .max = 253},
        {"sectionName", FIELD_REFUSED},
};
static SHAPE(target_shape, struct target_ref, target_fields, .rest = REST_FAILS,
             .check = target_check);

static bool pin_check(struct decoder *d, void *value, struct error *err)
{
        struct policy_pin *entry = value;
        struct error fault;
        if ((entry->spki_hash.len > 0) == (entry->certificate_hash.len > 0))
                return decode_error(d, entry->node, err,
                                    "wants exactly one of spkiHash and certificateHash");
        enum pin_kind kind = entry->spki_hash.len ? PIN_SPKI : PIN_CERTIFICATE;
        struct slice text = entry->spki_hash.len ? entry->spki_hash : entry->certificate_hash;
        const char *field = entry->spki_hash.len ? "spkiHash" : "certificateHash";
        entry->pin = (struct pin){.kind = kind,
                                  .name = entry->name,
                                  .owner = entry->owner,
                                  .not_before = PIN_ALWAYS_FROM,
                                  .not_after = PIN_ALWAYS_UNTIL};
        if (!pin_text_parse(text, kind, &entry->pin.digest, &fault))
                return decode_error(d, node_find(entry->node, field), err, "%s", fault.text);
        if (entry->name.len && !pin_name_check(entry->name, &fault))
                return decode_error(d, node_find(entry->node, "name"), err, "%s", fault.text);
        if (entry->owner.len && !pin_owner_check(entry->owner, &fault))
                return decode_error(d, node_find(entry->node, "owner"), err, "%s", fault.text);
        return true;
}

static const struct field pin_fields[] = {
        {"name", FIELD_TEXT, offsetof(struct policy_pin, name), .min = 1, .max = PIN_NAME_MAX},
        {"owner", FIELD_TEXT, offsetof(struct policy_pin, owner), .min = 1, .max = PIN_OWNER_MAX},
        {"spkiHash", FIELD_TEXT, offsetof(struct policy_pin, spki_hash), .min = 1, .max = 256},
        {"certificateHash", FIELD_TEXT, offsetof(struct policy_pin, certificate_hash), .min = 1,
         .max = 256},
        {"issuerSpkiHash", FIELD_REFUSED},
        {"notBefore", FIELD_REFUSED},
        {"notAfter", FIELD_REFUSED},
};
static SHAPE(pin_shape, struct policy_pin, pin_fields, .rest = REST_FAILS, .check = pin_check);

bool pin_set_ref_is_file(const struct pin_set_ref *ref)
{
        return slice_is(ref->group, GROUP_PINGATE) && slice_is(ref->kind, "File");
}

static bool pin_set_ref_check(struct decoder *d, void *value, struct error *err)
{
        const struct pin_set_ref *ref = value;
        if (!pin_set_ref_is_file(ref))
                return true;
        if (ref->namespace.len)
                return decode_error(d, ref->node, err, "has a namespace, wants none for a File");
        if (!rule_relative_path.holds(ref->name))
                return decode_error(d, node_find(ref->node, "name"), err,
                                    "is no such path, wants %s", rule_relative_path.wants);
        return true;
}

static const struct field pin_set_ref_fields[] = {
        {"group", FIELD_TEXT, offsetof(struct pin_set_ref, group), true, .max = 253,
         .rule = &rule_group},
        {"kind", FIELD_TEXT, offsetof(struct pin_set_ref, kind), true, .min = 1, .max = 63,
         .rule = &rule_kind},
        {"name", FIELD_TEXT, offsetof(struct pin_set_ref, name), true, .min = 1, .max = 1024},
        {"namespace", FIELD_TEXT, offsetof(struct pin_set_ref, namespace), .min = 1, .max = 63,
         .rule = &rule_label},
};
static SHAPE(pin_set_ref_shape, struct pin_set_ref, pin_set_ref_fields, .rest = REST_FAILS,
             .check = pin_set_ref_check);

static bool policy_check(struct decoder *d, void *value, struct error *err)
{
        struct client_certificate_policy *policy = value;
        const struct node *spec = node_find(policy->object.node, "spec");
        policy->forward_given = node_find(spec, "forward") != NULL;
        for (size_t i = 0; i < policy->targets.count; i++)
                for (size_t j = 0; j < i; j++)
                        if (slice_equal(policy->targets.items[i].name,
                                        policy->targets.items[j].name))
                                return decode_error(d, policy->targets.items[i].node, err,
                                                    "is the target of item %zu again, wants it "
                                                    "only once",
                                                    j);
        return true;
}

static const char *const forward_values[] = {"ClientCert", "ClientCertChain",
                                             "XForwardedClientCert", NULL};
static const struct field policy_spec_fields[] = {
        {"targetRefs", FIELD_OBJECTS, offsetof(struct client_certificate_policy, targets), true,
         .min = 1, .max = 16, .shape = &target_shape},
        {"pins", FIELD_OBJECTS, offsetof(struct client_certificate_policy, pins), .max = 256,
         .shape = &pin_shape},
        {"pinSetRefs", FIELD_OBJECTS, offsetof(struct client_certificate_policy, pin_sets),
         .max = 64, .shape = &pin_set_ref_shape},
        {"forward", FIELD_TEXTS, offsetof(struct client_certificate_policy, forward), .max = 3,
         .item_max = 64, .values = forward_values},
        {"enforcement", FIELD_REFUSED},
        {"trust", FIELD_REFUSED},
        {"extendedKeyUsage", FIELD_REFUSED},
        {"deny", FIELD_REFUSED},
        {"onRemoval", FIELD_REFUSED},
};
static SHAPE(policy_spec_shape, struct client_certificate_policy, policy_spec_fields,
             .rest = REST_FAILS);

static const struct field policy_fields[] = {
        DOCUMENT_FIELDS,
        {"spec", FIELD_INLINE, 0, true, .shape = &policy_spec_shape},
};
SHAPE(policy_shape, struct client_certificate_policy, policy_fields, .rest = REST_FAILS,
      .check = policy_check);
