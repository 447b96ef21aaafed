#include "control/api/policy.h"

#include "base/must.h"
#include "control/api/kinds.h"
#include "control/api/rules.h"
#include "text/utf8.h"

/* --- targets --- */

static const char *const target_groups[] = {GROUP_GATEWAY, NULL};
static const char *const target_kinds[] = {
        [TARGET_GATEWAY] = "Gateway",
        [TARGET_LISTENER_SET] = "ListenerSet",
        [TARGET_HTTP_ROUTE] = "HTTPRoute",
        [TARGET_GRPC_ROUTE] = "GRPCRoute",
        NULL,
};

static const struct field target_fields[] = {
        {"group", FIELD_TEXT, offsetof(struct target_ref, group), true, .values = target_groups},
        {"kind", FIELD_CHOICE, offsetof(struct target_ref, kind), true, .values = target_kinds},
        {"name", FIELD_TEXT, offsetof(struct target_ref, name), true, .min = 1, .max = 253,
         .rule = &rule_subdomain},
        {"sectionName", FIELD_TEXT, offsetof(struct target_ref, section_name), .min = 1, .max = 253,
         .rule = &rule_subdomain},
};
static SHAPE(target_shape, struct target_ref, target_fields, .rest = REST_FAILS);

const char *target_kind_name(enum target_kind kind)
{
        must((unsigned)kind < COUNT_OF(target_kinds) - 1);
        return target_kinds[kind];
}

static bool targets_check(struct decoder *d, const struct client_certificate_policy *policy,
                          struct error *err)
{
        for (size_t i = 0; i < policy->targets.count; i++)
                for (size_t j = 0; j < i; j++) {
                        const struct target_ref *a = &policy->targets.items[i],
                                                *b = &policy->targets.items[j];
                        if (a->kind == b->kind && slice_equal(a->name, b->name) &&
                            slice_equal(a->section_name, b->section_name))
                                return decode_error(
                                        d, a->node, err,
                                        "is the target of item %zu again, wants it only once", j);
                }
        return true;
}

/* --- pins --- */

static const char *const hash_fields[PIN_KIND_COUNT] = {
        [PIN_SPKI] = "spkiHash",
        [PIN_CERTIFICATE] = "certificateHash",
        [PIN_ISSUER] = "issuerSpkiHash",
};

/* How many hashes the entry has; *kind is that of the last. */
static int hashes_count(const struct policy_pin *entry, enum pin_kind *kind)
{
        int count = 0;
        for (unsigned i = 0; i < PIN_KIND_COUNT; i++)
                if (entry->hashes[i].len > 0) {
                        *kind = (enum pin_kind)i;
                        count++;
                }
        return count;
}

static bool pin_check(struct decoder *d, void *value, struct error *err)
{
        struct policy_pin *entry = value;
        struct pin *pin = &entry->pin;
        struct error fault;
        int count = hashes_count(entry, &pin->kind);
        if (count != 1)
                return decode_error(d, entry->node, err,
                                    "has %d hashes, wants exactly one of spkiHash, "
                                    "certificateHash and issuerSpkiHash",
                                    count);
        if (!pin_text_parse(entry->hashes[pin->kind], pin->kind, &pin->digest, &fault))
                return decode_error(d, node_find(entry->node, hash_fields[pin->kind]), err, "%s",
                                    fault.text);
        if (pin->name.len && !pin_name_check(pin->name, &fault))
                return decode_error(d, node_find(entry->node, "name"), err, "%s", fault.text);
        if (pin->owner.len && !pin_owner_check(pin->owner, &fault))
                return decode_error(d, node_find(entry->node, "owner"), err, "%s", fault.text);
        return true;
}

/* The hashes' length is pin_text_parse's matter: it says what was pasted in a hash's place. */
static const struct field pin_fields[] = {
        {"name", FIELD_TEXT, offsetof(struct policy_pin, pin.name), .min = 1, .max = PIN_NAME_MAX},
        {"owner", FIELD_TEXT, offsetof(struct policy_pin, pin.owner), .min = 1,
         .max = PIN_OWNER_MAX},
        {"spkiHash", FIELD_TEXT, offsetof(struct policy_pin, hashes[PIN_SPKI]), .min = 1},
        {"certificateHash", FIELD_TEXT, offsetof(struct policy_pin, hashes[PIN_CERTIFICATE]),
         .min = 1},
        {"issuerSpkiHash", FIELD_TEXT, offsetof(struct policy_pin, hashes[PIN_ISSUER]), .min = 1},
        {"notBefore", FIELD_MOMENT, offsetof(struct policy_pin, pin.not_before),
         .default_number = PIN_ALWAYS_FROM},
        {"notAfter", FIELD_MOMENT, offsetof(struct policy_pin, pin.not_after),
         .default_number = PIN_ALWAYS_UNTIL},
};
static SHAPE(pin_shape, struct policy_pin, pin_fields, .rest = REST_FAILS, .check = pin_check);

bool pin_set_ref_is_file(const struct pin_set_ref *ref)
{
        return slice_is(ref->group, GROUP_PINGATE) && slice_is(ref->kind, "File");
}

static bool pin_set_ref_check(struct decoder *d, void *value, struct error *err)
{
        const struct pin_set_ref *ref = value;
        bool file = pin_set_ref_is_file(ref);
        char shown[UTF8_SHOWN_SIZE];
        const struct text_rule *rule = file ? &rule_relative_path : &rule_subdomain;
        if (file && ref->namespace.len)
                return decode_error(d, ref->node, err, "has a namespace, wants none for a File");
        if (!rule->holds(ref->name))
                return decode_error(d, node_find(ref->node, "name"), err, "is \"%s\", wants %s",
                                    utf8_show(ref->name, shown), rule->wants);
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

/* --- the whole --- */

/* PinnedOnly is the one widening of the API. Whom it may let in must be written, in a policy that
 * is in force: not "everybody who is reported". Which targets may bear it is translate's matter. */
static bool pinned_only_check(struct decoder *d, const struct client_certificate_policy *policy,
                              const struct node *trust, struct error *err)
{
        bool leaf = policy->pin_sets.count > 0; /* pins.txt has no other pins */
        for (size_t i = 0; i < policy->pins.count; i++)
                leaf = leaf || policy->pins.items[i].pin.kind != PIN_ISSUER;
        if (policy->enforcement != ENFORCEMENT_ENFORCE)
                return decode_error(d, trust, err,
                                    "is PinnedOnly beside enforcement ReportOnly, wants Enforce");
        if (!leaf)
                return decode_error(d, trust, err,
                                    "is PinnedOnly without a pin of a leaf, wants a spkiHash or "
                                    "certificateHash in pins, or pinSetRefs");
        return true;
}

static bool spec_check(struct decoder *d, void *value, struct error *err)
{
        struct client_certificate_policy *policy = value;
        const struct node *spec = node_find(policy->object.node, "spec");
        policy->forward_given = node_find(spec, "forward") != NULL;
        return targets_check(d, policy, err) &&
               (policy->trust != TRUST_PINNED_ONLY ||
                pinned_only_check(d, policy, node_find(spec, "trust"), err));
}

static const char *const removal_actions[] = {
        [REMOVAL_DRAIN] = "Drain", [REMOVAL_CLOSE] = "Close", [REMOVAL_KEEP] = "Keep", NULL};
static const struct field removal_fields[] = {
        {"action", FIELD_CHOICE, offsetof(struct client_certificate_policy, removal.action),
         .values = removal_actions, .default_number = REMOVAL_DRAIN},
        {"grace", FIELD_DURATION, offsetof(struct client_certificate_policy, removal.grace_ms),
         .max = REMOVAL_GRACE_MS_MAX, .default_number = REMOVAL_GRACE_MS_DEFAULT},
};
static SHAPE(removal_shape, struct client_certificate_policy, removal_fields, .rest = REST_FAILS);

static const char *const enforcements[] = {
        [ENFORCEMENT_ENFORCE] = "Enforce", [ENFORCEMENT_REPORT_ONLY] = "ReportOnly", NULL};
static const char *const trusts[] = {[TRUST_CERTIFICATE_AUTHORITY] = "CertificateAuthority",
                                     [TRUST_PINNED_ONLY] = "PinnedOnly",
                                     NULL};
static const char *const key_uses[] = {[USE_CLIENT_AUTH] = "ClientAuth",
                                       [USE_CLIENT_OR_SERVER_AUTH] = "ClientOrServerAuth",
                                       [USE_ANY] = "Any",
                                       NULL};
/* In the order of enum policy_forward's bits. */
static const char *const forward_values[] = {"ClientCert", "ClientCertChain",
                                             "XForwardedClientCert", NULL};

static const struct field policy_spec_fields[] = {
        {"targetRefs", FIELD_OBJECTS, offsetof(struct client_certificate_policy, targets), true,
         .min = 1, .max = 16, .shape = &target_shape},
        {"enforcement", FIELD_CHOICE, offsetof(struct client_certificate_policy, enforcement),
         .values = enforcements},
        {"trust", FIELD_CHOICE, offsetof(struct client_certificate_policy, trust),
         .values = trusts},
        {"extendedKeyUsage", FIELD_CHOICE,
         offsetof(struct client_certificate_policy, extended_key_usage), .values = key_uses},
        {"pins", FIELD_OBJECTS, offsetof(struct client_certificate_policy, pins), .max = 256,
         .shape = &pin_shape},
        {"deny", FIELD_OBJECTS, offsetof(struct client_certificate_policy, deny), .max = 256,
         .shape = &pin_shape},
        {"pinSetRefs", FIELD_OBJECTS, offsetof(struct client_certificate_policy, pin_sets),
         .max = 64, .shape = &pin_set_ref_shape},
        {"onRemoval", FIELD_INLINE, .shape = &removal_shape},
        {"forward", FIELD_CHOICES, offsetof(struct client_certificate_policy, forward), .max = 3,
         .values = forward_values, .default_number = FORWARD_CLIENT_CERT},
};
static SHAPE(policy_spec_shape, struct client_certificate_policy, policy_spec_fields,
             .rest = REST_FAILS, .check = spec_check);

static const struct field policy_fields[] = {
        DOCUMENT_FIELDS,
        {"spec", FIELD_INLINE, .required = true, .shape = &policy_spec_shape},
};
SHAPE(policy_shape, struct client_certificate_policy, policy_fields, .rest = REST_FAILS);
