#include "control/api/core.h"

#include "base/must.h"
#include "control/api/kinds.h"
#include "control/api/rules.h"
#include "text/base64.h"

/* --- Secret, ConfigMap, Namespace --- */

static bool data_append(struct decoder *d, struct text_map *map, const struct node *node,
                        bool base64, struct error *err)
{
        if (!node || node->kind == NODE_NULL)
                return true;
        struct text_map more;
        if (!text_map_read(d, node, &more, err))
                return false;
        struct text_pair *items = ARENA_ARRAY(d->arena, struct text_pair, map->count + more.count);
        size_t count = 0;
        for (size_t i = 0; i < more.count; i++) {
                struct text_pair pair = more.items[i];
                struct error fault;
                if (base64 &&
                    !base64_decode_new(d->arena, pair.value, BASE64_LINES, &pair.value, &fault))
                        return decode_error(d, node->children[i], err, "%s, wants base64",
                                            fault.text);
                items[count++] = pair;
        }
        /* What came first gives way: stringData overwrites data, as in Kubernetes. */
        struct text_map later = {items, count};
        for (size_t i = 0; i < map->count; i++)
                if (!text_map_find(&later, map->items[i].key))
                        items[count++] = map->items[i];
        *map = (struct text_map){items, count};
        return true;
}

static bool secret_check(struct decoder *d, void *value, struct error *err)
{
        struct key_value *secret = value;
        return data_append(d, &secret->data, node_find(secret->object.node, "data"), true, err) &&
               data_append(d, &secret->data, node_find(secret->object.node, "stringData"), false,
                           err);
}

static bool config_map_check(struct decoder *d, void *value, struct error *err)
{
        struct key_value *map = value;
        return data_append(d, &map->data, node_find(map->object.node, "data"), false, err) &&
               data_append(d, &map->data, node_find(map->object.node, "binaryData"), true, err);
}

static const struct field secret_fields[] = {
        DOCUMENT_FIELDS,
        {"type", FIELD_TEXT, offsetof(struct key_value, type), .max = 253},
        {"data", FIELD_IGNORED},
        {"stringData", FIELD_IGNORED},
        {"immutable", FIELD_IGNORED},
};
SHAPE(secret_shape, struct key_value, secret_fields, .check = secret_check);

static const struct field config_map_fields[] = {
        DOCUMENT_FIELDS,
        {"data", FIELD_IGNORED},
        {"binaryData", FIELD_IGNORED},
        {"immutable", FIELD_IGNORED},
};
SHAPE(config_map_shape, struct key_value, config_map_fields, .check = config_map_check);

static const struct field namespace_fields[] = {DOCUMENT_FIELDS, {"spec", FIELD_IGNORED}};
SHAPE(namespace_shape, struct namespace_object, namespace_fields);

/* --- Service --- */

static bool target_port_read(struct decoder *d, const struct node *node, void *out,
                             struct error *err)
{
        struct service_port *port = out;
        if (node->kind == NODE_STRING) {
                port->target_name = node->text;
                return true;
        }
        if (node->kind != NODE_INTEGER || node->integer < 1 || node->integer > 65535)
                return decode_error(d, node, err, "is no port, wants 1 to 65535 or a port's name");
        port->target_number = node->integer;
        return true;
}

static const struct field service_port_fields[] = {
        {"name", FIELD_TEXT, offsetof(struct service_port, name), .max = 63},
        {"protocol", FIELD_TEXT, offsetof(struct service_port, protocol), .default_text = "TCP"},
        {"appProtocol", FIELD_TEXT, offsetof(struct service_port, app_protocol)},
        {"port", FIELD_NUMBER, offsetof(struct service_port, port), true, .min = 1, .max = 65535},
        {"targetPort", FIELD_READ, 0, .read = target_port_read},
        {"nodePort", FIELD_IGNORED},
};
static SHAPE(service_port_shape, struct service_port, service_port_fields);

/* Steers nothing of ours but what our own Services are compared by: never a fault. */
static bool selector_read(struct decoder *d, const struct node *node, void *out, struct error *err)
{
        struct error ignored;
        (void)err;
        return text_map_read(d, node, out, &ignored) || true;
}

static bool balancer_ip_read(struct decoder *d, const struct node *node, void *out,
                             struct error *err)
{
        (void)d, (void)err;
        if (node->kind == NODE_STRING)
                *(struct slice *)out = node->text;
        return true;
}

static const char *const service_types[] = {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName",
                                            NULL};
static const struct field service_spec_fields[] = {
        {"type", FIELD_TEXT, offsetof(struct service, type), .values = service_types,
         .default_text = "ClusterIP"},
        {"externalName", FIELD_TEXT, offsetof(struct service, external_name), .max = 253},
        {"clusterIP", FIELD_TEXT, offsetof(struct service, cluster_ip)},
        {"ports", FIELD_OBJECTS, offsetof(struct service, ports), .shape = &service_port_shape},
        {"selector", FIELD_READ, offsetof(struct service, selector), .read = selector_read},
        {"loadBalancerIP", FIELD_READ, offsetof(struct service, balancer_ip),
         .read = balancer_ip_read},
        {"publishNotReadyAddresses", FIELD_FLAG, offsetof(struct service, publish_not_ready)},
};
/* The rest of a Service steers kube-proxy, which is not on a request's way here. */
static SHAPE(service_spec_shape, struct service, service_spec_fields, .rest = REST_PASSES);

static struct slice ingress_text(const struct node *entry)
{
        struct slice ip = node_text(entry, "ip");
        return ip.len > 0 ? ip : node_text(entry, "hostname");
}

/* Whoever wrote it and whatever it is like: a status is no reason to refuse an object. */
static bool service_status_read(struct decoder *d, const struct node *node, void *out,
                                struct error *err)
{
        struct service *service = out;
        const struct node *list = node_find(node_find(node, "loadBalancer"), "ingress");
        size_t count = list && list->kind == NODE_LIST ? list->child_count : 0;
        (void)err;
        service->ingress.items = ARENA_ARRAY(d->arena, struct slice, SERVICE_INGRESS_MAX);
        for (size_t i = 0; i < count && service->ingress.count < SERVICE_INGRESS_MAX; i++) {
                struct slice text = ingress_text(list->children[i]);
                if (text.len > 0 && text.len <= 253)
                        service->ingress.items[service->ingress.count++] = text;
        }
        return true;
}

static const struct field service_fields[] = {
        DOCUMENT_BARE_FIELDS,
        {"status", FIELD_READ, 0, .read = service_status_read},
        {"spec", FIELD_INLINE, 0, true, .shape = &service_spec_shape},
};
SHAPE(service_shape, struct service, service_fields);

/* --- EndpointSlice --- */

static bool condition_read(struct decoder *d, const struct node *conditions, const char *name,
                           bool *out, struct error *err)
{
        const struct node *said = node_find(conditions, name);
        if (!said || said->kind == NODE_NULL)
                return true;
        if (said->kind != NODE_BOOL)
                return decode_error(d, said, err, "is %s, wants true or false",
                                    node_kind_name(said->kind));
        *out = said->boolean;
        return true;
}

static bool conditions_read(struct decoder *d, void *value, struct error *err)
{
        struct endpoint_entry *entry = value;
        const struct node *conditions = node_find(entry->node, "conditions");
        entry->ready = entry->serving = true;
        if (!conditions || conditions->kind == NODE_NULL)
                return true;
        if (!condition_read(d, conditions, "ready", &entry->ready, err))
                return false;
        entry->serving = entry->ready;
        return condition_read(d, conditions, "serving", &entry->serving, err) &&
               condition_read(d, conditions, "terminating", &entry->terminating, err);
}

static const struct field endpoint_fields[] = {
        {"addresses", FIELD_TEXTS, offsetof(struct endpoint_entry, addresses), true, .min = 1,
         .max = 100, .item_max = 253},
        {"conditions", FIELD_IGNORED},
};
static SHAPE(endpoint_shape, struct endpoint_entry, endpoint_fields, .rest = REST_PASSES,
             .check = conditions_read);

static const struct field endpoint_port_fields[] = {
        {"name", FIELD_TEXT, offsetof(struct endpoint_port, name), .max = 63},
        {"protocol", FIELD_TEXT, offsetof(struct endpoint_port, protocol), .default_text = "TCP"},
        {"appProtocol", FIELD_TEXT, offsetof(struct endpoint_port, app_protocol)},
        {"port", FIELD_NUMBER, offsetof(struct endpoint_port, port), .min = 1, .max = 65535},
};
static SHAPE(endpoint_port_shape, struct endpoint_port, endpoint_port_fields);

static bool service_label_take(struct decoder *d, void *value, struct error *err)
{
        (void)d, (void)err;
        struct endpoint_slice *slice = value;
        const struct slice *service =
                text_map_find(&slice->object.labels, SLICE("kubernetes.io/service-name"));
        slice->service = service ? *service : SLICE_NONE;
        return true;
}

static const char *const address_types[] = {"IPv4", "IPv6", "FQDN", NULL};
static const struct field endpoint_slice_fields[] = {
        DOCUMENT_FIELDS,
        {"addressType", FIELD_TEXT, offsetof(struct endpoint_slice, address_type), true,
         .values = address_types},
        {"endpoints", FIELD_OBJECTS, offsetof(struct endpoint_slice, endpoints),
         .shape = &endpoint_shape},
        {"ports", FIELD_OBJECTS, offsetof(struct endpoint_slice, ports), .max = 100,
         .shape = &endpoint_port_shape},
};
SHAPE(endpoint_slice_shape, struct endpoint_slice, endpoint_slice_fields,
      .check = service_label_take);

/* --- ReferenceGrant --- */

static const struct field grant_from_fields[] = {
        {"group", FIELD_TEXT, offsetof(struct grant_from, group), true, .max = 253,
         .rule = &rule_group},
        {"kind", FIELD_TEXT, offsetof(struct grant_from, kind), true, .min = 1, .max = 63,
         .rule = &rule_kind},
        {"namespace", FIELD_TEXT, offsetof(struct grant_from, namespace), true, .min = 1, .max = 63,
         .rule = &rule_label},
};
static SHAPE(grant_from_shape, struct grant_from, grant_from_fields, .rest = REST_FAILS);

static const struct field grant_to_fields[] = {
        {"group", FIELD_TEXT, offsetof(struct grant_to, group), true, .max = 253,
         .rule = &rule_group},
        {"kind", FIELD_TEXT, offsetof(struct grant_to, kind), true, .min = 1, .max = 63,
         .rule = &rule_kind},
        {"name", FIELD_TEXT, offsetof(struct grant_to, name), .min = 1, .max = 253},
};
/* A field that we do not know could be one that narrows the grant. */
static SHAPE(grant_to_shape, struct grant_to, grant_to_fields, .rest = REST_FAILS);

static const struct field grant_spec_fields[] = {
        {"from", FIELD_OBJECTS, offsetof(struct reference_grant, from), true, .min = 1, .max = 16,
         .shape = &grant_from_shape},
        {"to", FIELD_OBJECTS, offsetof(struct reference_grant, to), true, .min = 1, .max = 16,
         .shape = &grant_to_shape},
};
static SHAPE(grant_spec_shape, struct reference_grant, grant_spec_fields, .rest = REST_FAILS);

static const struct field grant_fields[] = {
        DOCUMENT_FIELDS,
        {"spec", FIELD_INLINE, 0, true, .shape = &grant_spec_shape},
};
SHAPE(reference_grant_shape, struct reference_grant, grant_fields);
