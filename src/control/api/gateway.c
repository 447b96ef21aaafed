#include "control/api/gateway.h"

#include "control/api/kinds.h"
#include "control/api/rules.h"

/* --- GatewayClass --- */

static const struct field class_spec_fields[] = {
        {"controllerName", FIELD_TEXT, offsetof(struct gateway_class, controller_name), true,
         .min = 1, .max = 253},
        {"parametersRef", FIELD_NODE, offsetof(struct gateway_class, parameters)},
        {"description", FIELD_IGNORED},
};
static SHAPE(class_spec_shape, struct gateway_class, class_spec_fields);
static const struct field class_fields[] = {
        DOCUMENT_FIELDS,
        {"spec", FIELD_INLINE, 0, true, .shape = &class_spec_shape},
};
SHAPE(gateway_class_shape, struct gateway_class, class_fields);

/* --- spec.tls: strict, as design.md 1.7 b says --- */

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

/* --- Gateway --- */

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
        return listeners_distinct(d, &gateway->listeners, err);
}

static const struct field address_fields[] = {
        {"type", FIELD_TEXT, offsetof(struct gateway_address, type), .min = 1, .max = 253,
         .default_text = "IPAddress"},
        {"value", FIELD_TEXT, offsetof(struct gateway_address, value), .max = 253},
};
static SHAPE(address_shape, struct gateway_address, address_fields);

enum {
        HAD_MAX = 16 /* status.addresses: the schema's maxItems */
};

/* Whoever wrote it and whatever it is like: a status is no reason to refuse an object. */
static bool status_read(struct decoder *d, const struct node *node, void *out, struct error *err)
{
        struct gateway *gateway = out;
        const struct node *list = node_find(node, "addresses");
        size_t count = list && list->kind == NODE_LIST ? list->child_count : 0;
        (void)err;
        gateway->had.items = ARENA_ARRAY(d->arena, struct slice, count < HAD_MAX ? count : HAD_MAX);
        for (size_t i = 0; i < count && i < HAD_MAX; i++)
                gateway->had.items[gateway->had.count++] = node_text(list->children[i], "value");
        return true;
}

/* --- infrastructure --- */

static bool keys_check(struct decoder *d, const struct text_map *map, const struct node *node,
                       struct error *err)
{
        for (size_t i = 0; i < map->count; i++)
                if (!rule_label_key.holds(map->items[i].key))
                        return decode_error(d, node->children[i], err, "is no key, wants %s",
                                            rule_label_key.wants);
        return true;
}

static bool infrastructure_check(struct decoder *d, void *value, struct error *err)
{
        const struct infrastructure *i = value;
        for (size_t l = 0; l < i->labels.count; l++) {
                struct slice text = i->labels.items[l].value;
                if (text.len && !rule_label_name.holds(text))
                        return decode_error(d, node_find(i->node, "labels")->children[l], err,
                                            "wants %s", rule_label_name.wants);
        }
        return keys_check(d, &i->labels, node_find(i->node, "labels"), err) &&
               keys_check(d, &i->annotations, node_find(i->node, "annotations"), err);
}

static const struct field infrastructure_fields[] = {
        {"labels", FIELD_MAP, offsetof(struct infrastructure, labels), .max = 8, .item_max = 63},
        {"annotations", FIELD_MAP, offsetof(struct infrastructure, annotations), .max = 16,
         .item_max = 4096},
        {"parametersRef", FIELD_NODE, offsetof(struct infrastructure, parameters)},
};
static SHAPE(infrastructure_shape, struct infrastructure, infrastructure_fields,
             .check = infrastructure_check);

/* --- all of it --- */

static const struct field gateway_spec_fields[] = {
        {"gatewayClassName", FIELD_TEXT, offsetof(struct gateway, class_name), true, .min = 1,
         .max = 253},
        {"listeners", FIELD_OBJECTS, offsetof(struct gateway, listeners), true, .min = 1,
         .max = LISTENERS_PER_OBJECT_MAX, .shape = &listener_shape, .unique = "name"},
        {"addresses", FIELD_OBJECTS, offsetof(struct gateway, addresses), .max = 16,
         .shape = &address_shape},
        {"tls", FIELD_OBJECT, offsetof(struct gateway, tls), .shape = &gateway_tls_shape},
        {"infrastructure", FIELD_OBJECT, offsetof(struct gateway, infrastructure),
         .shape = &infrastructure_shape},
        {"allowedListeners", FIELD_OBJECT, offsetof(struct gateway, allowed_listeners),
         .shape = &allowed_listeners_shape},
        {"defaultScope", FIELD_IGNORED},
};
static SHAPE(gateway_spec_shape, struct gateway, gateway_spec_fields);

static const struct field gateway_fields[] = {
        DOCUMENT_BARE_FIELDS,
        {"status", FIELD_READ, 0, .read = status_read},
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

static size_t pinnings_count(const struct gateway *gateway)
{
        const struct frontend *frontend = gateway->tls ? gateway->tls->frontend : NULL;
        size_t count = 0;
        if (!frontend)
                return 0;
        if (frontend->by_default && frontend->by_default->validation)
                count += frontend->by_default->validation->pinning != NULL;
        for (size_t i = 0; i < frontend->per_port.count; i++) {
                const struct frontend_tls *tls = frontend->per_port.items[i].tls;
                count += tls && tls->validation && tls->validation->pinning;
        }
        return count;
}

/* Every edit of a spec makes another generation. */
bool gateway_pins_are_hidden(const struct gateway *former, const struct gateway *now)
{
        return former->object.generation == now->object.generation &&
               pinnings_count(now) < pinnings_count(former);
}
