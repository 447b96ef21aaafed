#include "control/api/backend_tls_policy.h"

#include "control/api/kinds.h"
#include "control/api/rules.h"

enum {
        OPTIONS_MAX = 16,
        OPTION_VALUE_MAX = 4096,
};

/* --- targets --- */

static const struct field target_fields[] = {
        {"group", FIELD_TEXT, offsetof(struct backend_target, group), true, .max = 253,
         .rule = &rule_group},
        {"kind", FIELD_TEXT, offsetof(struct backend_target, kind), true, .min = 1, .max = 63,
         .rule = &rule_kind},
        {"name", FIELD_TEXT, offsetof(struct backend_target, name), true, .min = 1, .max = 253},
        {"sectionName", FIELD_TEXT, offsetof(struct backend_target, section_name), .min = 1,
         .max = 253, .rule = &rule_subdomain},
};
static SHAPE(target_shape, struct backend_target, target_fields, .rest = REST_FAILS);

static bool same_target(const struct backend_target *a, const struct backend_target *b)
{
        return slice_equal(a->group, b->group) && slice_equal(a->kind, b->kind) &&
               slice_equal(a->name, b->name);
}

static bool targets_check(struct decoder *d, const struct backend_tls_policy *policy,
                          struct error *err)
{
        for (size_t i = 0; i < policy->targets.count; i++)
                for (size_t j = 0; j < i; j++) {
                        const struct backend_target *a = &policy->targets.items[i],
                                                    *b = &policy->targets.items[j];
                        if (!same_target(a, b))
                                continue;
                        if (slice_equal(a->section_name, b->section_name))
                                return decode_error(
                                        d, a->node, err,
                                        "is the target of item %zu again, wants it only once", j);
                        if (a->section_name.len == 0 || b->section_name.len == 0)
                                return decode_error(d, a->node, err,
                                                    "names the target of item %zu, wants a "
                                                    "sectionName in both",
                                                    j);
                }
        return true;
}

/* --- validation --- */

/* A local reference: translate would take an empty namespace for the policy's own. */
static const struct field ca_ref_fields[] = {
        {"group", FIELD_TEXT, offsetof(struct object_ref, group), true, .max = 253,
         .rule = &rule_group},
        {"kind", FIELD_TEXT, offsetof(struct object_ref, kind), true, .min = 1, .max = 63,
         .rule = &rule_kind},
        {"name", FIELD_TEXT, offsetof(struct object_ref, name), true, .min = 1, .max = 253},
};
static SHAPE(ca_ref_shape, struct object_ref, ca_ref_fields, .rest = REST_FAILS);

/* ^(([^:/?#]+):)(//([^/?#]*))… : a scheme, "//", and whatever follows. */
static bool uri_holds(struct slice text)
{
        size_t scheme = slice_find(text, ':');
        for (size_t i = 0; i < text.len; i++)
                if ((unsigned char)text.data[i] <= ' ' || text.data[i] == 0x7f)
                        return false;
        for (size_t i = 0; i < scheme && i < text.len; i++)
                if (text.data[i] == '/' || text.data[i] == '?' || text.data[i] == '#')
                        return false;
        return scheme > 0 && scheme < text.len &&
               slice_starts_with(slice_skip(text, scheme + 1), SLICE("//"));
}

static const struct text_rule rule_uri = {uri_holds, "a URI with a scheme, such as spiffe://a/b"};

static bool alt_name_check(struct decoder *d, void *value, struct error *err)
{
        const struct subject_alt_name *name = value;
        bool is_uri = name->type == SAN_URI;
        struct slice wanted = is_uri ? name->uri : name->hostname;
        struct slice other = is_uri ? name->hostname : name->uri;
        if (wanted.len == 0)
                return decode_error(d, name->node, err, "has type %s, wants %s",
                                    is_uri ? "URI" : "Hostname", is_uri ? "uri" : "hostname");
        if (other.len > 0)
                return decode_error(d, name->node, err, "has type %s, wants no %s",
                                    is_uri ? "URI" : "Hostname", is_uri ? "hostname" : "uri");
        return true;
}

static const char *const alt_name_types[] = {[SAN_HOSTNAME] = "Hostname", [SAN_URI] = "URI", NULL};
static const struct field alt_name_fields[] = {
        {"type", FIELD_CHOICE, offsetof(struct subject_alt_name, type), true,
         .values = alt_name_types},
        {"hostname", FIELD_TEXT, offsetof(struct subject_alt_name, hostname), .min = 1, .max = 253,
         .rule = &rule_hostname},
        {"uri", FIELD_TEXT, offsetof(struct subject_alt_name, uri), .min = 1, .max = 253,
         .rule = &rule_uri},
};
static SHAPE(alt_name_shape, struct subject_alt_name, alt_name_fields, .rest = REST_FAILS,
             .check = alt_name_check);

static bool well_known_holds(struct slice text)
{
        size_t slash = slice_find(text, '/');
        if (slice_is(text, "System"))
                return true;
        return slash < text.len && rule_dns_name.holds(slice_sub(text, 0, slash)) &&
               slash + 1 < text.len;
}

static const struct text_rule rule_well_known = {well_known_holds,
                                                 "System, or a name behind a domain and \"/\""};

static const struct field validation_fields[] = {
        {"caCertificateRefs", FIELD_OBJECTS, offsetof(struct backend_tls_policy, ca_refs), .max = 8,
         .shape = &ca_ref_shape},
        {"wellKnownCACertificates", FIELD_TEXT, offsetof(struct backend_tls_policy, well_known),
         .min = 1, .max = 253, .rule = &rule_well_known},
        {"hostname", FIELD_TEXT, offsetof(struct backend_tls_policy, hostname), true, .min = 1,
         .max = 253, .rule = &rule_subdomain},
        {"subjectAltNames", FIELD_OBJECTS, offsetof(struct backend_tls_policy, alt_names), .max = 5,
         .shape = &alt_name_shape},
};
static SHAPE(validation_shape, struct backend_tls_policy, validation_fields, .rest = REST_FAILS);

/* --- the whole --- */

static bool options_check(struct decoder *d, const struct backend_tls_policy *policy,
                          const struct node *options, struct error *err)
{
        if (policy->options.count > OPTIONS_MAX)
                return decode_error(d, options, err, "has %zu entries, wants at most %d",
                                    policy->options.count, OPTIONS_MAX);
        for (size_t i = 0; i < policy->options.count; i++)
                if (policy->options.items[i].value.len > OPTION_VALUE_MAX)
                        return decode_error(d, options->children[i], err,
                                            "has %zu characters, wants at most %d",
                                            policy->options.items[i].value.len, OPTION_VALUE_MAX);
        return true;
}

static bool spec_check(struct decoder *d, void *value, struct error *err)
{
        const struct backend_tls_policy *policy = value;
        const struct node *spec = node_find(policy->object.node, "spec");
        const struct node *validation = node_find(spec, "validation");
        bool refs = policy->ca_refs.count > 0, well_known = policy->well_known.len > 0;
        if (refs == well_known)
                return decode_error(d, validation, err,
                                    refs ? "has both caCertificateRefs and "
                                           "wellKnownCACertificates, wants one of them"
                                         : "has neither caCertificateRefs nor "
                                           "wellKnownCACertificates, wants one of them");
        return targets_check(d, policy, err) &&
               options_check(d, policy, node_find(spec, "options"), err);
}

static const struct field spec_fields[] = {
        {"targetRefs", FIELD_OBJECTS, offsetof(struct backend_tls_policy, targets), true, .min = 1,
         .max = 16, .shape = &target_shape},
        {"validation", FIELD_INLINE, .required = true, .shape = &validation_shape},
        {"options", FIELD_MAP, offsetof(struct backend_tls_policy, options)},
};
static SHAPE(spec_shape, struct backend_tls_policy, spec_fields, .rest = REST_FAILS,
             .check = spec_check);

static const struct field policy_fields[] = {
        DOCUMENT_FIELDS,
        {"spec", FIELD_INLINE, .required = true, .shape = &spec_shape},
};
SHAPE(backend_tls_policy_shape, struct backend_tls_policy, policy_fields, .rest = REST_FAILS);
