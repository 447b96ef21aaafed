#include "control/report/service_diff.h"

#include <stdio.h>

#define PREFIX_LABEL      "label:"
#define PREFIX_ANNOTATION "annotation:"

/* What is being made. */
struct diff {
        const struct service_wish *wish;
        const struct service *is; /* NULL: there is none */
        struct arena *arena;
        bool differs;
};

static struct node *map_add(struct diff *d, struct node *parent, const char *key)
{
        struct node *map = node_new(d->arena, NODE_MAP, NULL, 0);
        node_add(d->arena, parent, slice_of(key), map);
        return map;
}

static void text_add(struct diff *d, struct node *map, struct slice key, struct slice value)
{
        node_add(d->arena, map, key, node_new_string(d->arena, value));
}

/* In a merge patch: not any more. */
static void null_add(struct diff *d, struct node *map, struct slice key)
{
        node_add(d->arena, map, key, node_new(d->arena, NODE_NULL, NULL, 0));
}

/* --- labels and annotations --- */

static bool is_own_label(struct slice key)
{
        return slice_is(key, LABEL_GATEWAY) || slice_is(key, LABEL_GATEWAY_CLASS) ||
               slice_is(key, LABEL_GATEWAY_NAMESPACE) || slice_is(key, LABEL_MANAGED_BY);
}

static struct slice propagated_print(struct diff *d)
{
        const struct wanted_service *wanted = d->wish->wanted;
        struct slice text = SLICE_NONE;
        for (size_t i = 0; i < wanted->labels.count; i++)
                if (!is_own_label(wanted->labels.items[i].key))
                        text = arena_printf(d->arena, "%.*s%s" PREFIX_LABEL "%.*s", SLICE_ARG(text),
                                            text.len ? " " : "",
                                            SLICE_ARG(wanted->labels.items[i].key));
        for (size_t i = 0; i < wanted->annotations.count; i++)
                text = arena_printf(d->arena, "%.*s%s" PREFIX_ANNOTATION "%.*s", SLICE_ARG(text),
                                    text.len ? " " : "",
                                    SLICE_ARG(wanted->annotations.items[i].key));
        return text;
}

static void pair_settle(struct diff *d, const struct text_map *is, struct node *out,
                        const struct text_pair *pair)
{
        const struct slice *value = is ? text_map_find(is, pair->key) : NULL;
        if (value && slice_equal(*value, pair->value))
                return;
        d->differs = true;
        text_add(d, out, pair->key, pair->value);
}

static bool names_key(const struct text_pair *pairs, size_t count, struct slice key)
{
        for (size_t i = 0; i < count; i++)
                if (slice_equal(pairs[i].key, key))
                        return true;
        return false;
}

/* What was passed on once and is asked for no more. */
static void withdrawn_settle(struct diff *d, const char *prefix, const struct text_map *is,
                             const struct text_map *wanted, struct node *out)
{
        const struct slice *record =
                text_map_find(&d->is->object.annotations, SLICE(ANNOTATION_PROPAGATED));
        struct slice rest = record ? *record : SLICE_NONE, word;
        while (slice_split(&rest, ' ', &word)) {
                if (!slice_starts_with(word, slice_of(prefix)))
                        continue;
                struct slice key = slice_skip(word, strlen(prefix));
                if (!text_map_find(is, key) || names_key(wanted->items, wanted->count, key) ||
                    is_own_label(key))
                        continue;
                d->differs = true;
                null_add(d, out, key);
        }
}

static void record_settle(struct diff *d, struct node *annotations)
{
        struct text_pair record = {SLICE(ANNOTATION_PROPAGATED), propagated_print(d)};
        const struct text_map *is = d->is ? &d->is->object.annotations : NULL;
        if (record.value.len > 0) {
                pair_settle(d, is, annotations, &record);
        } else if (is && text_map_find(is, record.key)) {
                d->differs = true;
                null_add(d, annotations, record.key);
        }
}

static void metadata_settle(struct diff *d, struct node *metadata)
{
        const struct wanted_service *wanted = d->wish->wanted;
        const struct text_map labels = {wanted->labels.items, wanted->labels.count};
        const struct text_map annotations = {wanted->annotations.items, wanted->annotations.count};
        const struct text_map *is_labels = d->is ? &d->is->object.labels : NULL;
        const struct text_map *is_annotations = d->is ? &d->is->object.annotations : NULL;
        struct node *to_labels = map_add(d, metadata, "labels");
        struct node *to_annotations = map_add(d, metadata, "annotations");
        for (size_t i = 0; i < labels.count; i++)
                pair_settle(d, is_labels, to_labels, &labels.items[i]);
        for (size_t i = 0; i < annotations.count; i++)
                if (!slice_is(annotations.items[i].key, ANNOTATION_PROPAGATED))
                        pair_settle(d, is_annotations, to_annotations, &annotations.items[i]);
        if (d->is) {
                withdrawn_settle(d, PREFIX_LABEL, is_labels, &labels, to_labels);
                withdrawn_settle(d, PREFIX_ANNOTATION, is_annotations, &annotations,
                                 to_annotations);
        }
        record_settle(d, to_annotations);
}

/* --- ports --- */

static struct slice port_name(struct arena *arena, const struct wanted_service_port *port)
{
        return arena_printf(arena, "p-%u", port->number);
}

static bool port_is_as_wanted(struct diff *d, const struct wanted_service_port *wanted)
{
        for (size_t i = 0; i < d->is->ports.count; i++) {
                const struct service_port *is = &d->is->ports.items[i];
                int64_t target = is->target_name.len ? 0
                                 : is->target_number ? is->target_number
                                                     : is->port;
                if (is->port == wanted->number && target == wanted->target &&
                    slice_is(is->protocol, "TCP") &&
                    slice_equal(is->name, port_name(d->arena, wanted)))
                        return true;
        }
        return false;
}

static bool ports_are_as_wanted(struct diff *d)
{
        const struct wanted_service *wanted = d->wish->wanted;
        if (!d->is || d->is->ports.count != wanted->ports.count)
                return false;
        for (size_t i = 0; i < wanted->ports.count; i++)
                if (!port_is_as_wanted(d, &wanted->ports.items[i]))
                        return false;
        return true;
}

/* A list is replaced whole. An API server keeps the nodePort of a port whose name stays. */
static void ports_settle(struct diff *d, struct node *spec)
{
        const struct wanted_service *wanted = d->wish->wanted;
        struct node *list = node_new(d->arena, NODE_LIST, NULL, 0);
        if (ports_are_as_wanted(d))
                return;
        d->differs = true;
        node_add(d->arena, spec, SLICE("ports"), list);
        for (size_t i = 0; i < wanted->ports.count; i++) {
                const struct wanted_service_port *port = &wanted->ports.items[i];
                struct node *item = node_new(d->arena, NODE_MAP, NULL, 0);
                node_add(d->arena, list, SLICE_NONE, item);
                text_add(d, item, SLICE("name"), port_name(d->arena, port));
                text_add(d, item, SLICE("protocol"), SLICE("TCP"));
                node_add(d->arena, item, SLICE("port"), node_new_integer(d->arena, port->number));
                node_add(d->arena, item, SLICE("targetPort"),
                         node_new_integer(d->arena, port->target));
        }
}

/* --- the rest of the spec --- */

static void selector_settle(struct diff *d, struct node *spec)
{
        const struct service_selector *selector = &d->wish->selector;
        const struct text_pair pair = {selector->key, selector->value};
        struct node *map = map_add(d, spec, "selector");
        pair_settle(d, d->is ? &d->is->selector : NULL, map, &pair);
        for (size_t i = 0; d->is && i < d->is->selector.count; i++)
                if (!slice_equal(d->is->selector.items[i].key, selector->key)) {
                        d->differs = true;
                        null_add(d, map, d->is->selector.items[i].key);
                }
}

/* The address of whoever comes is to be the client's own, as it is written in the audit log: Local
 * leads a load balancer to the nodes where pingate is, and none of them on to another with its own
 * address in the client's place. Only at the start: where a cloud wants otherwise, somebody may
 * change it by hand. */
static void balanced_settle(struct diff *d, struct node *spec)
{
        struct slice address = d->wish->wanted->address;
        if (!d->is || !slice_is(d->is->type, "LoadBalancer")) {
                d->differs = true;
                text_add(d, spec, SLICE("type"), SLICE("LoadBalancer"));
                text_add(d, spec, SLICE("externalTrafficPolicy"), SLICE("Local"));
        }
        if (!slice_equal(d->is ? d->is->balancer_ip : SLICE_NONE, address)) {
                d->differs = true;
                if (address.len > 0)
                        text_add(d, spec, SLICE("loadBalancerIP"), address);
                else
                        null_add(d, spec, SLICE("loadBalancerIP"));
        }
        selector_settle(d, spec);
}

/* --- all of it --- */

/* The garbage collector takes the Service with its Gateway. */
static void owner_add(struct diff *d, struct node *metadata)
{
        const struct kube_entry *gateway = d->wish->gateway;
        struct node *list = node_new(d->arena, NODE_LIST, NULL, 0);
        struct node *owner = node_new(d->arena, NODE_MAP, NULL, 0);
        node_add(d->arena, metadata, SLICE("ownerReferences"), list);
        node_add(d->arena, list, SLICE_NONE, owner);
        text_add(d, owner, SLICE("apiVersion"), slice_of(object_api_version(KIND_GATEWAY)));
        text_add(d, owner, SLICE("kind"), slice_of(object_kind_name(KIND_GATEWAY)));
        text_add(d, owner, SLICE("name"), d->wish->wanted->gateway_name);
        text_add(d, owner, SLICE("uid"), gateway->uid);
        node_add(d->arena, owner, SLICE("controller"), node_new_bool(d->arena, true));
}

static void create_begin(struct diff *d, struct node *body, struct node *metadata)
{
        const struct wanted_service *wanted = d->wish->wanted;
        text_add(d, body, SLICE("apiVersion"), slice_of(object_api_version(KIND_SERVICE)));
        text_add(d, body, SLICE("kind"), slice_of(object_kind_name(KIND_SERVICE)));
        text_add(d, metadata, SLICE("name"), wanted->name);
        text_add(d, metadata, SLICE("namespace"), wanted->namespace);
        if (!wanted->balanced)
                owner_add(d, metadata);
}

static bool may_be_written(const struct service_wish *wish)
{
        if (wish->wanted->kept || (wish->is && (!wish->is->object || wish->is->deleting ||
                                                wish->is->object->fault.len > 0)))
                return false;
        return wish->is || wish->wanted->balanced || (wish->gateway && !wish->gateway->deleting);
}

enum service_change service_diff(const struct service_wish *wish, struct arena *arena,
                                 struct node **out)
{
        if (!may_be_written(wish))
                return SERVICE_SAME;
        struct diff d = {.wish = wish,
                         .arena = arena,
                         .is = wish->is ? (const struct service *)wish->is->object : NULL};
        struct node *body = node_new(arena, NODE_MAP, NULL, 0);
        struct node *metadata = map_add(&d, body, "metadata"), *spec = map_add(&d, body, "spec");
        if (d.is)
                text_add(&d, metadata, SLICE("resourceVersion"), wish->is->resource_version);
        else
                create_begin(&d, body, metadata);
        metadata_settle(&d, metadata);
        if (wish->wanted->balanced)
                balanced_settle(&d, spec);
        else if (!d.is)
                text_add(&d, spec, SLICE("clusterIP"), SLICE("None"));
        ports_settle(&d, spec);
        *out = body;
        return !d.differs ? SERVICE_SAME : d.is ? SERVICE_PATCH : SERVICE_CREATE;
}

bool service_is_ours(const struct service *service, struct slice own_namespace, bool balanced)
{
        const struct object *object = &service->object;
        const struct slice *by = text_map_find(&object->labels, SLICE(LABEL_MANAGED_BY));
        const struct slice *of = text_map_find(&object->labels, SLICE(LABEL_GATEWAY_NAMESPACE));
        if (!by || !slice_is(*by, "pingate") || !of || object->fault.len > 0 ||
            !text_map_find(&object->labels, SLICE(LABEL_GATEWAY)))
                return false;
        if (slice_is(service->type, "LoadBalancer"))
                return slice_equal(object->namespace, own_namespace);
        return !balanced && slice_is(service->cluster_ip, "None") &&
               slice_equal(object->namespace, *of);
}

struct node *service_delete_body(const struct kube_entry *is, struct arena *arena)
{
        struct diff d = {.arena = arena};
        struct node *body = node_new(arena, NODE_MAP, NULL, 0);
        text_add(&d, body, SLICE("apiVersion"), SLICE("v1"));
        text_add(&d, body, SLICE("kind"), SLICE("DeleteOptions"));
        struct node *conditions = map_add(&d, body, "preconditions");
        text_add(&d, conditions, SLICE("uid"), is->uid);
        text_add(&d, conditions, SLICE("resourceVersion"), is->resource_version);
        return body;
}
