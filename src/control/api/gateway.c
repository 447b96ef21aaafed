#include "control/api/gateway.h"

#include "control/api/kinds.h"
#include "control/api/rules.h"

/* --- GatewayClass --- */

static const struct field class_spec_fields[] = {
        {"controllerName", FIELD_TEXT, offsetof(struct gateway_class, controller_name), true,
         .min = 1, .max = 253},
        {"parametersRef", FIELD_IGNORED},
        {"description", FIELD_IGNORED},
};
static SHAPE(class_spec_shape, struct gateway_class, class_spec_fields);
static const struct field class_fields[] = {
        DOCUMENT_FIELDS,
        {"spec", FIELD_INLINE, 0, true, .shape = &class_spec_shape},
};
SHAPE(gateway_class_shape, struct gateway_class, class_fields);

/* --- spec.tls: strict, as design.md 1.7 b says --- */

#define REF_FIELDS(group_needed, group_default, kind_needed, kind_default)                           \
        {"group",    FIELD_TEXT,          offsetof(struct object_ref, group), group_needed,          \
         .max = 253, .rule = &rule_group, .default_text = group_default},                            \
                {"kind",                                                                             \
                 FIELD_TEXT,                                                                         \
                 offsetof(struct object_ref, kind),                                                  \
                 kind_needed,                                                                        \
                 .min = 1,                                                                           \
                 .max = 63,                                                                          \
                 .rule = &rule_kind,                                                                 \
                 .default_text = kind_default},                                                      \
                {"name", FIELD_TEXT, offsetof(struct object_ref, name), true, .min = 1, .max = 253}, \
                {"namespace", FIELD_TEXT, offsetof(struct object_ref, namespace),                    \
                 .min = 1,    .max = 63,  .rule = &rule_label},

static const struct field object_ref_fields[] = {REF_FIELDS(true, NULL, true, NULL)};
SHAPE(object_ref_shape, struct object_ref, object_ref_fields, .rest = REST_FAILS);

static const struct field secret_ref_fields[] = {REF_FIELDS(false, "", false, "Secret")};
static SHAPE(secret_ref_shape, struct object_ref, secret_ref_fields, .rest = REST_FAILS);

static bool pins_read(struct decoder *d, const struct node *node, enum pin_kind kind,
                      struct pin_list *out, struct error *err)
{
        if (node->kind != NODE_LIST)
                return decode_error(d, node, err, "is %s, wants a list",
                                    node_kind_name(node->kind));
        if (node->child_count < 1 || node->child_count > 64)
                return decode_error(d, node, err, "has %zu items, wants 1 to 64",
                                    node->child_count);
        struct pin *pins = ARENA_ARRAY(d->arena, struct pin, node->child_count);
        for (size_t i = 0; i < node->child_count; i++) {
                const struct node *item = node->children[i];
                struct error fault;
                if (item->kind != NODE_STRING)
                        return decode_error(d, item, err, "is %s, wants a string in quotes",
                                            node_kind_name(item->kind));
                pins[i] = (struct pin){
                        .kind = kind, .not_before = PIN_ALWAYS_FROM, .not_after = PIN_ALWAYS_UNTIL};
                if (!pin_text_parse(item->text, kind, &pins[i].digest, &fault))
                        return decode_error(d, item, err, "%s", fault.text);
                for (size_t j = 0; j < i; j++)
                        if (digest_equal(&pins[j].digest, &pins[i].digest))
                                return decode_error(d, item, err,
                                                    "is the same as item %zu, wants it only once",
                                                    j);
        }
        *out = (struct pin_list){pins, node->child_count};
        return true;
}

static bool spki_hashes_read(struct decoder *d, const struct node *node, void *out,
                             struct error *err)
{
        return pins_read(d, node, PIN_SPKI, out, err);
}

static bool certificate_hashes_read(struct decoder *d, const struct node *node, void *out,
                                    struct error *err)
{
        return pins_read(d, node, PIN_CERTIFICATE, out, err);
}

/* An empty certificatePinning must not read as "no pinning". */
static bool pinning_check(struct decoder *d, void *value, struct error *err)
{
        const struct certificate_pinning *pinning = value;
        if (pinning->spki_hashes.count + pinning->certificate_hashes.count +
                    pinning->certificate_refs.count ==
            0)
                return decode_error(d, pinning->node, err,
                                    "is empty, wants spkiHashes, certificateHashes or "
                                    "pinnedCertificateRefs (leave it out for no pinning)");
        return true;
}

static const struct field pinning_fields[] = {
        {"spkiHashes", FIELD_READ, offsetof(struct certificate_pinning, spki_hashes),
         .read = spki_hashes_read},
        {"certificateHashes", FIELD_READ, offsetof(struct certificate_pinning, certificate_hashes),
         .read = certificate_hashes_read},
        {"pinnedCertificateRefs", FIELD_OBJECTS,
         offsetof(struct certificate_pinning, certificate_refs), .max = 16,
         .shape = &object_ref_shape},
};
static SHAPE(pinning_shape, struct certificate_pinning, pinning_fields, .rest = REST_FAILS,
             .check = pinning_check);

static const char *const validation_modes[] = {"AllowValidOnly", "AllowInsecureFallback", NULL};
static const struct field validation_fields[] = {
        {"caCertificateRefs", FIELD_OBJECTS, offsetof(struct frontend_validation, ca_refs), true,
         .min = 1, .max = 16, .shape = &object_ref_shape},
        {"mode", FIELD_TEXT, offsetof(struct frontend_validation, mode), .values = validation_modes,
         .default_text = "AllowValidOnly"},
        {"certificatePinning", FIELD_OBJECT, offsetof(struct frontend_validation, pinning),
         .shape = &pinning_shape},
};
static SHAPE(validation_shape, struct frontend_validation, validation_fields, .rest = REST_FAILS);

static const struct field frontend_tls_fields[] = {
        {"validation", FIELD_OBJECT, offsetof(struct frontend_tls, validation),
         .shape = &validation_shape},
};
static SHAPE(frontend_tls_shape, struct frontend_tls, frontend_tls_fields, .rest = REST_FAILS);

static const struct field port_tls_fields[] = {
        {"port", FIELD_NUMBER, offsetof(struct port_tls, port), true, .min = 1, .max = 65535},
        {"tls", FIELD_OBJECT, offsetof(struct port_tls, tls), true, .shape = &frontend_tls_shape},
};
static SHAPE(port_tls_shape, struct port_tls, port_tls_fields, .rest = REST_FAILS);

static const struct field frontend_fields[] = {
        {"default", FIELD_OBJECT, offsetof(struct frontend, by_default), true,
         .shape = &frontend_tls_shape},
        {"perPort", FIELD_OBJECTS, offsetof(struct frontend, per_port), .max = 64,
         .shape = &port_tls_shape, .unique = "port"},
};
static SHAPE(frontend_shape, struct frontend, frontend_fields, .rest = REST_FAILS);

static const struct field backend_tls_fields[] = {
        {"clientCertificateRef", FIELD_OBJECT,
         offsetof(struct gateway_backend_tls, client_certificate), .shape = &secret_ref_shape},
};
static SHAPE(backend_tls_shape, struct gateway_backend_tls, backend_tls_fields, .rest = REST_FAILS);

static const struct field gateway_tls_fields[] = {
        {"backend", FIELD_OBJECT, offsetof(struct gateway_tls, backend),
         .shape = &backend_tls_shape},
        {"frontend", FIELD_OBJECT, offsetof(struct gateway_tls, frontend),
         .shape = &frontend_shape},
};
static SHAPE(gateway_tls_shape, struct gateway_tls, gateway_tls_fields, .rest = REST_FAILS);

/* --- listeners --- */

static const char *const operators[] = {"In", "NotIn", "Exists", "DoesNotExist", NULL};
static const struct field requirement_fields[] = {
        {"key", FIELD_TEXT, offsetof(struct label_requirement, key), true, .min = 1},
        {"operator", FIELD_TEXT, offsetof(struct label_requirement, operator), true,
         .values = operators},
        {"values", FIELD_TEXTS, offsetof(struct label_requirement, values)},
};
static SHAPE(requirement_shape, struct label_requirement, requirement_fields, .rest = REST_FAILS);

static const struct field selector_fields[] = {
        {"matchLabels", FIELD_MAP, offsetof(struct label_selector, match_labels)},
        {"matchExpressions", FIELD_OBJECTS, offsetof(struct label_selector, match_expressions),
         .shape = &requirement_shape},
};
/* A part that we do not know would be one that selects less. */
static SHAPE(selector_shape, struct label_selector, selector_fields, .rest = REST_FAILS);

static const char *const from_values[] = {"All", "Selector", "Same", NULL};
static const struct field namespaces_fields[] = {
        {"from", FIELD_TEXT, offsetof(struct route_namespaces, from), .values = from_values,
         .default_text = "Same"},
        {"selector", FIELD_OBJECT, offsetof(struct route_namespaces, selector),
         .shape = &selector_shape},
};
static SHAPE(namespaces_shape, struct route_namespaces, namespaces_fields, .rest = REST_FAILS);

static const struct field route_kind_fields[] = {
        {"group", FIELD_TEXT, offsetof(struct route_kind, group), .max = 253, .rule = &rule_group,
         .default_text = GROUP_GATEWAY},
        {"kind", FIELD_TEXT, offsetof(struct route_kind, kind), true, .min = 1, .max = 63,
         .rule = &rule_kind},
};
static SHAPE(route_kind_shape, struct route_kind, route_kind_fields);

static const struct field allowed_routes_fields[] = {
        {"namespaces", FIELD_OBJECT, offsetof(struct allowed_routes, namespaces),
         .shape = &namespaces_shape},
        {"kinds", FIELD_OBJECTS, offsetof(struct allowed_routes, kinds), .max = 8,
         .shape = &route_kind_shape},
};
static SHAPE(allowed_routes_shape, struct allowed_routes, allowed_routes_fields,
             .rest = REST_FAILS);

static const char *const tls_modes[] = {"Terminate", "Passthrough", NULL};
static bool listener_tls_check(struct decoder *d, void *value, struct error *err)
{
        const struct listener_tls *tls = value;
        if (slice_is(tls->mode, "Terminate") && tls->certificate_refs.count == 0 &&
            tls->options.count == 0)
                return decode_error(d, tls->node, err,
                                    "has neither certificateRefs nor options, wants one of them "
                                    "when mode is Terminate");
        return true;
}

static const struct field listener_tls_fields[] = {
        {"mode", FIELD_TEXT, offsetof(struct listener_tls, mode), .values = tls_modes,
         .default_text = "Terminate"},
        {"certificateRefs", FIELD_OBJECTS, offsetof(struct listener_tls, certificate_refs),
         .max = 64, .shape = &secret_ref_shape},
        {"options", FIELD_MAP, offsetof(struct listener_tls, options)},
};
static SHAPE(listener_tls_shape, struct listener_tls, listener_tls_fields, .rest = REST_FAILS,
             .check = listener_tls_check);

static bool listener_check(struct decoder *d, void *value, struct error *err)
{
        const struct gateway_listener *l = value;
        bool tcp = slice_is(l->protocol, "TCP") || slice_is(l->protocol, "UDP");
        if (l->tls && (tcp || slice_is(l->protocol, "HTTP")))
                return decode_error(d, l->tls->node, err,
                                    "stands on a %.*s listener, wants protocol HTTPS or TLS",
                                    SLICE_ARG(l->protocol));
        if (l->tls && slice_is(l->protocol, "HTTPS") && !slice_is(l->tls->mode, "Terminate"))
                return decode_error(d, l->tls->node, err,
                                    "has mode %.*s, wants Terminate for protocol HTTPS",
                                    SLICE_ARG(l->tls->mode));
        if (tcp && l->hostname.len)
                return decode_error(d, l->node, err, "has a hostname, wants none for protocol %.*s",
                                    SLICE_ARG(l->protocol));
        return true;
}

static const struct field listener_fields[] = {
        {"name", FIELD_TEXT, offsetof(struct gateway_listener, name), true, .min = 1, .max = 253,
         .rule = &rule_subdomain},
        {"hostname", FIELD_TEXT, offsetof(struct gateway_listener, hostname), .min = 1, .max = 253,
         .rule = &rule_hostname},
        {"port", FIELD_NUMBER, offsetof(struct gateway_listener, port), true, .min = 1,
         .max = 65535},
        {"protocol", FIELD_TEXT, offsetof(struct gateway_listener, protocol), true, .min = 1,
         .max = 255, .rule = &rule_protocol},
        {"tls", FIELD_OBJECT, offsetof(struct gateway_listener, tls), .shape = &listener_tls_shape},
        {"allowedRoutes", FIELD_OBJECT, offsetof(struct gateway_listener, allowed_routes),
         .shape = &allowed_routes_shape},
};
static SHAPE(listener_shape, struct gateway_listener, listener_fields, .check = listener_check);

/* --- Gateway --- */

static bool listeners_check(struct decoder *d, const struct gateway *gateway, struct error *err)
{
        for (size_t i = 0; i < gateway->listeners.count; i++) {
                const struct gateway_listener *a = &gateway->listeners.items[i];
                for (size_t j = 0; j < i; j++) {
                        const struct gateway_listener *b = &gateway->listeners.items[j];
                        if (a->port == b->port && slice_equal(a->protocol, b->protocol) &&
                            slice_equal(a->hostname, b->hostname))
                                return decode_error(d, a->node, err,
                                                    "has port, protocol and hostname of listener "
                                                    "%.*s, wants one of them different",
                                                    SLICE_ARG(b->name));
                }
        }
        return true;
}

static bool gateway_check(struct decoder *d, void *value, struct error *err)
{
        struct gateway *gateway = value;
        const struct slice *wish =
                text_map_find(&gateway->object.annotations, SLICE("pingate.dev/require-pinning"));
        gateway->requires_pinning = wish && slice_is(*wish, "true");
        if (wish && !slice_is(*wish, "true") && !slice_is(*wish, "false"))
                return decode_error(d, node_find(gateway->object.node, "metadata"), err,
                                    "annotation pingate.dev/require-pinning is neither \"true\" "
                                    "nor \"false\"");
        for (size_t i = 0; i < gateway->addresses.count; i++)
                for (size_t j = 0; j < i; j++) {
                        const struct gateway_address *a = &gateway->addresses.items[i];
                        const struct gateway_address *b = &gateway->addresses.items[j];
                        if (a->value.len && slice_equal(a->value, b->value) &&
                            slice_equal(a->type, b->type))
                                return decode_error(d, a->node, err,
                                                    "is the same as item %zu, wants it only once",
                                                    j);
                }
        return listeners_check(d, gateway, err);
}

static const struct field address_fields[] = {
        {"type", FIELD_TEXT, offsetof(struct gateway_address, type), .min = 1, .max = 253,
         .default_text = "IPAddress"},
        {"value", FIELD_TEXT, offsetof(struct gateway_address, value), .max = 253},
};
static SHAPE(address_shape, struct gateway_address, address_fields);

static const struct field gateway_spec_fields[] = {
        {"gatewayClassName", FIELD_TEXT, offsetof(struct gateway, class_name), true, .min = 1,
         .max = 253},
        {"listeners", FIELD_OBJECTS, offsetof(struct gateway, listeners), true, .min = 1, .max = 64,
         .shape = &listener_shape, .unique = "name"},
        {"addresses", FIELD_OBJECTS, offsetof(struct gateway, addresses), .max = 16,
         .shape = &address_shape},
        {"tls", FIELD_OBJECT, offsetof(struct gateway, tls), .shape = &gateway_tls_shape},
        {"infrastructure", FIELD_NODE, offsetof(struct gateway, infrastructure)},
        {"allowedListeners", FIELD_NODE, offsetof(struct gateway, allowed_listeners)},
};
static SHAPE(gateway_spec_shape, struct gateway, gateway_spec_fields);

static const struct field gateway_fields[] = {
        DOCUMENT_FIELDS,
        {"spec", FIELD_INLINE, 0, true, .shape = &gateway_spec_shape},
};
SHAPE(gateway_shape, struct gateway, gateway_fields, .check = gateway_check);

const struct frontend_validation *gateway_validation(const struct gateway *gateway, int64_t port)
{
        if (!gateway->tls || !gateway->tls->frontend)
                return NULL;
        const struct frontend *frontend = gateway->tls->frontend;
        for (size_t i = 0; i < frontend->per_port.count; i++)
                if (frontend->per_port.items[i].port == port)
                        return frontend->per_port.items[i].tls->validation;
        return frontend->by_default->validation;
}
