#include "control/api/object.h"

#include <string.h>

#include "base/must.h"
#include "control/api/core.h"
#include "control/api/kinds.h"
#include "control/api/rules.h"
#include "text/time.h"
#include "text/utf8.h"
#include "trust/pin_set.h"

enum {
        /* A source of ten thousand small files has as many of them. */
        ARENA_CHUNK_BYTES = 8 * 1024
};

struct kind_row {
        const char *group, *name;
        const char *const *versions; /* the first is the one that we write */
        const struct shape *shape;
        bool cluster;                /* has no namespace */
        const char *const *salvaged; /* what a broken one may keep: it names and restricts */
};

static const char *const v1[] = {"v1", NULL};
static const char *const v1_and_beta[] = {"v1", "v1beta1", NULL};
static const char *const v1_and_alphas[] = {"v1", "v1alpha3", "v1alpha2", NULL};
static const char *const v1alpha1[] = {"v1alpha1", NULL};

static const char *const of_class[] = {"controllerName", NULL};
static const char *const of_gateway[] = {"gatewayClassName", "status", NULL};
static const char *const of_listener_set[] = {"parentRef", NULL};
static const char *const of_route[] = {"parentRefs", "hostnames", "rules/",
                                       "name",       "matches",   NULL};
static const char *const of_policy[] = {"targetRefs", "enforcement", NULL};

static const struct kind_row kind_rows[KIND_COUNT] = {
        [KIND_GATEWAY_CLASS] = {GROUP_GATEWAY, "GatewayClass", v1_and_beta, &gateway_class_shape,
                                true, of_class},
        [KIND_GATEWAY] = {GROUP_GATEWAY, "Gateway", v1_and_beta, &gateway_shape,
                          .salvaged = of_gateway},
        [KIND_LISTENER_SET] = {GROUP_GATEWAY, "ListenerSet", v1, &listener_set_shape,
                               .salvaged = of_listener_set},
        [KIND_HTTP_ROUTE] = {GROUP_GATEWAY, "HTTPRoute", v1_and_beta, &http_route_shape,
                             .salvaged = of_route},
        [KIND_GRPC_ROUTE] = {GROUP_GATEWAY, "GRPCRoute", v1, &grpc_route_shape,
                             .salvaged = of_route},
        [KIND_TLS_ROUTE] = {GROUP_GATEWAY, "TLSRoute", v1_and_alphas, &tls_route_shape,
                            .salvaged = of_route},
        [KIND_TCP_ROUTE] = {GROUP_GATEWAY, "TCPRoute", v1_and_alphas, &tcp_route_shape,
                            .salvaged = of_route},
        [KIND_REFERENCE_GRANT] = {GROUP_GATEWAY, "ReferenceGrant", v1_and_beta,
                                  &reference_grant_shape},
        [KIND_POLICY] = {GROUP_PINGATE, "ClientCertificatePolicy", v1alpha1, &policy_shape,
                         .salvaged = of_policy},
        [KIND_BACKEND_TLS_POLICY] = {GROUP_GATEWAY, "BackendTLSPolicy", v1,
                                     &backend_tls_policy_shape, .salvaged = of_policy},
        [KIND_NAMESPACE] = {"", "Namespace", v1, &namespace_shape, true},
        [KIND_SECRET] = {"", "Secret", v1, &secret_shape},
        [KIND_CONFIG_MAP] = {"", "ConfigMap", v1, &config_map_shape},
        [KIND_SERVICE] = {"", "Service", v1, &service_shape},
        [KIND_ENDPOINT_SLICE] = {"discovery.k8s.io", "EndpointSlice", v1, &endpoint_slice_shape},
};

struct metadata {
        const struct node *node;
        struct slice name, namespace, created;
        int64_t generation;
        struct text_map labels, annotations;
};

static const struct field metadata_fields[] = {
        {"name", FIELD_TEXT, offsetof(struct metadata, name), true, .min = 1, .max = 253,
         .rule = &rule_subdomain},
        {"namespace", FIELD_TEXT, offsetof(struct metadata, namespace), .min = 1, .max = 63,
         .rule = &rule_label},
        {"generation", FIELD_NUMBER, offsetof(struct metadata, generation), .max = INT64_MAX},
        {"creationTimestamp", FIELD_TEXT, offsetof(struct metadata, created), .max = 64},
        {"labels", FIELD_MAP, offsetof(struct metadata, labels)},
        {"annotations", FIELD_MAP, offsetof(struct metadata, annotations)},
};
static SHAPE(metadata_shape_, struct metadata, metadata_fields, .rest = REST_PASSES);

struct objects *objects_new(void)
{
        struct objects *objects = NEW(struct objects);
        objects->references = 1;
        arena_init(&objects->arena, ARENA_CHUNK_BYTES);
        return objects;
}

struct objects *objects_ref(struct objects *objects)
{
        must(objects->references > 0);
        objects->references++;
        return objects;
}

void objects_unref(struct objects *objects)
{
        if (!objects || --objects->references > 0)
                return;
        vec_each (part, &objects->parts)
                objects_unref(*part);
        vec_each (set, &objects->pin_sets)
                pin_set_unref(*set);
        vec_done(&objects->parts);
        vec_done(&objects->pin_sets);
        for (size_t i = 0; i < KIND_COUNT; i++)
                vec_done(&objects->kinds[i]);
        map_done(&objects->by_id);
        vec_done(&objects->warnings);
        vec_done(&objects->files);
        arena_wipe(&objects->arena);
        free(objects);
}

void objects_warn(struct objects *objects, struct slice text)
{
        struct slice copy = arena_slice(&objects->arena, text);
        vec_push(&objects->warnings, copy);
}

static void warning_add(void *self, struct slice text)
{
        objects_warn(self, text);
}

static bool version_known(const struct kind_row *row, struct slice version)
{
        for (const char *const *v = row->versions; *v; v++)
                if (slice_is(version, *v))
                        return true;
        return false;
}

/* What would restrict, were it supported: passing it over would open a door. */
static bool kind_restricts(struct slice group)
{
        return slice_is(group, GROUP_PINGATE);
}

static struct slice id_print(struct arena *arena, const char *kind, struct slice namespace,
                             struct slice name)
{
        if (namespace.len == 0)
                return arena_printf(arena, "%s %.*s", kind, SLICE_ARG(name));
        return arena_printf(arena, "%s %.*s/%.*s", kind, SLICE_ARG(namespace), SLICE_ARG(name));
}

/* Nothing in here is a reason to lose an object. */
static void metadata_salvage(struct decoder *decoder, const struct node *node,
                             struct metadata *meta)
{
        static const char *const names[] = {
                "name",   "namespace",   "generation", "creationTimestamp",
                "labels", "annotations", NULL};
        memset(meta, 0, sizeof(*meta));
        shape_salvage(decoder, &metadata_shape_, node, names, meta);
}

/* True, but for `err`, when all of it decoded. An object without an id has no name. */
static bool metadata_fill(struct decoder *decoder, const struct kind_row *row,
                          const struct node *node, struct object *object, struct error *err)
{
        struct metadata meta = {0};
        const struct node *metadata = node_find(node, "metadata");
        decoder->object = slice_of(row->name);
        if (!metadata)
                return decode_error(decoder, node, err, "has no metadata, wants one with a name");
        bool whole = shape_decode(decoder, &metadata_shape_, metadata, &meta, err);
        if (!whole)
                metadata_salvage(decoder, metadata, &meta);
        if (meta.name.len == 0)
                return false;
        object->name = meta.name;
        if (!row->cluster)
                object->namespace = meta.namespace.len ? meta.namespace : SLICE("default");
        object->id = id_print(decoder->arena, row->name, object->namespace, object->name);
        object->id_hash = hash_bytes(object->id.data, object->id.len);
        decoder->object = object->id;
        object->generation = meta.generation ? meta.generation : 1;
        object->labels = meta.labels;
        object->annotations = meta.annotations;
        if (whole && meta.created.len && !time_parse(meta.created, &object->created, err))
                return error_wrap(err, "%.*s: metadata.creationTimestamp", SLICE_ARG(object->id));
        return whole;
}

static bool object_keep(struct objects *objects, struct object *object, struct error *err)
{
        struct object *former =
                map_set_hashed(&objects->by_id, object->id, object->id_hash, object);
        struct decoder decoder = {.arena = &objects->arena, .object = object->id};
        if (former) {
                map_set(&objects->by_id, former->id, former); /* the first stays */
                return decode_error(&decoder, object->node, err,
                                    "is there twice (first in %s, line %d), wants one of them gone",
                                    former->node->file ? former->node->file : "?",
                                    former->node->line);
        }
        vec_push(&objects->kinds[object->kind], object);
        objects->kinds_held |= BIT(object->kind);
        return true;
}

/* Read here and once: a set lives as long as its object, however many translations see it. */
static void pins_read(struct objects *objects, struct key_value *object)
{
        const struct slice *text = text_map_find(&object->data, SLICE(PINS_TXT));
        if (!text)
                return;
        struct pin_set_builder *builder = pin_set_builder_new();
        pin_set_builder_add_text(builder, *text);
        object->pins = pin_set_build(builder);
        vec_push(&objects->pin_sets, object->pins);
}

static bool object_decode(struct objects *objects, enum object_kind kind, const struct node *node,
                          struct error *err)
{
        const struct kind_row *row = &kind_rows[kind];
        struct decoder decoder = {
                .arena = &objects->arena, .warnings_self = objects, .on_warning = warning_add};
        struct object *object = arena_alloc(&objects->arena, row->shape->size);
        object->kind = kind;
        if (!metadata_fill(&decoder, row, node, object, err))
                return false;
        if (!shape_decode(&decoder, row->shape, node, object, err) ||
            !object_keep(objects, object, err))
                return false;
        if (kind == KIND_SECRET || kind == KIND_CONFIG_MAP)
                pins_read(objects, (struct key_value *)object);
        return true;
}

/* --- what does not decode --- */

static void warning_drop(void *self, struct slice text)
{
        (void)self, (void)text;
}

/* What is wrong, without the object's name, which goes wherever it is told. */
static struct slice fault_of(struct arena *arena, const struct object *object,
                             const struct error *err)
{
        struct slice text = slice_of(err->text), id = object->id;
        const char *at = memmem(text.data, text.len, id.data, id.len);
        if (!at) { /* of metadata */
                id = slice_of(object_kind_name(object->kind));
                at = memmem(text.data, text.len, id.data, id.len);
        }
        if (at)
                text = slice_skip(text, (size_t)(at - text.data) + id.len);
        if (slice_starts_with(text, SLICE(": ")))
                text = slice_skip(text, 2);
        return arena_slice(arena, text);
}

bool objects_add_broken(struct objects *objects, enum object_kind kind, const struct node *node,
                        struct error *err)
{
        const struct kind_row *row = &kind_rows[kind];
        struct decoder decoder = {.arena = &objects->arena, .on_warning = warning_drop};
        struct object *object = arena_alloc(&objects->arena, row->shape->size);
        struct error ignored = {0};
        object->kind = kind;
        metadata_fill(&decoder, row, node, object, &ignored);
        if (object->id.len == 0)
                return false;
        object->fault = fault_of(&objects->arena, object, err);
        shape_salvage(&decoder, row->shape, node, row->salvaged, object);
        return object_keep(objects, object, err);
}

bool objects_add_lenient(struct objects *objects, enum object_kind kind, const struct node *node,
                         struct error *err)
{
        return object_decode(objects, kind, node, err) ||
               objects_add_broken(objects, kind, node, err);
}

void objects_reserve(struct objects *objects, size_t count)
{
        map_reserve(&objects->by_id, count);
}

bool objects_add_part(struct objects *objects, struct objects *part, struct error *err)
{
        vec_push(&objects->parts, objects_ref(part));
        for (unsigned left = part->kinds_held, kind; left > 0; left &= left - 1) {
                kind = (unsigned)__builtin_ctz(left);
                vec_each (object, &part->kinds[kind])
                        if (!object_keep(objects, *object, err))
                                return false;
        }
        vec_each (warning, &part->warnings)
                vec_push(&objects->warnings, *warning);
        return true;
}

static bool list_add(struct objects *objects, const struct node *document, struct error *err)
{
        const struct node *items = node_find(document, "items");
        for (size_t i = 0; items && i < items->child_count; i++)
                if (!objects_add(objects, items->children[i], err))
                        return false;
        return true;
}

static bool kind_unknown(struct objects *objects, const struct node *document, struct slice group,
                         struct error *err)
{
        struct decoder decoder = {.arena = &objects->arena};
        struct slice kind = node_text(document, "kind");
        char shown[UTF8_SHOWN_SIZE];
        utf8_show(kind, shown);
        struct error note;
        struct error *to = kind_restricts(group) ? err : &note;
        decode_error(&decoder, node_find(document, "kind"), to,
                     to == err ? "%s is not supported, and passing it over could let in who it "
                                 "keeps out"
                               : "%s is nothing that pingate reads; it is passed over",
                     shown);
        if (to == err)
                return false;
        objects_warn(objects, slice_of(note.text));
        return true;
}

bool objects_add(struct objects *objects, const struct node *document, struct error *err)
{
        struct decoder decoder = {.arena = &objects->arena};
        struct slice version = node_text(document, "apiVersion"),
                     kind = node_text(document, "kind");
        if (version.len == 0 || kind.len == 0)
                return decode_error(&decoder, document, err,
                                    "is no Kubernetes object, wants apiVersion and kind");
        if (slice_ends_with(kind, SLICE("List")))
                return list_add(objects, document, err);
        struct slice group = SLICE_NONE;
        if (slice_find(version, '/') < version.len)
                slice_split(&version, '/', &group);
        for (enum object_kind i = 0; i < KIND_COUNT; i++) {
                const struct kind_row *row = &kind_rows[i];
                if (!slice_is(group, row->group) || !slice_is(kind, row->name))
                        continue;
                if (!version_known(row, version))
                        return decode_error(&decoder, node_find(document, "apiVersion"), err,
                                            "version %.*s of %s is not known, wants %s",
                                            SLICE_ARG(version), row->name, row->versions[0]);
                return object_decode(objects, i, document, err);
        }
        return kind_unknown(objects, document, group, err);
}

static bool id_put(char **at, const char *end, struct slice text)
{
        if (text.len > (size_t)(end - *at))
                return false;
        if (text.len > 0)
                memcpy(*at, text.data, text.len);
        *at += text.len;
        return true;
}

const struct object *objects_find(const struct objects *objects, enum object_kind kind,
                                  struct slice namespace, struct slice name)
{
        const struct kind_row *row = &kind_rows[kind];
        char id[512], *at = id;
        const char *end = id + sizeof(id);
        if (!id_put(&at, end, slice_of(row->name)) || !id_put(&at, end, SLICE(" ")))
                return NULL;
        if (!row->cluster && (!id_put(&at, end, namespace) || !id_put(&at, end, SLICE("/"))))
                return NULL;
        if (!id_put(&at, end, name))
                return NULL; /* longer than any name that was let in */
        return map_find(&objects->by_id, slice_from(id, (size_t)(at - id)));
}

const char *object_kind_name(enum object_kind kind)
{
        must(kind < KIND_COUNT);
        return kind_rows[kind].name;
}

const char *object_group(enum object_kind kind)
{
        must(kind < KIND_COUNT);
        return kind_rows[kind].group;
}

const char *object_api_version(enum object_kind kind)
{
        static const char *const written[KIND_COUNT] = {
                [KIND_GATEWAY_CLASS] = GROUP_GATEWAY "/v1",
                [KIND_GATEWAY] = GROUP_GATEWAY "/v1",
                [KIND_LISTENER_SET] = GROUP_GATEWAY "/v1",
                [KIND_HTTP_ROUTE] = GROUP_GATEWAY "/v1",
                [KIND_GRPC_ROUTE] = GROUP_GATEWAY "/v1",
                [KIND_TLS_ROUTE] = GROUP_GATEWAY "/v1",
                [KIND_TCP_ROUTE] = GROUP_GATEWAY "/v1",
                [KIND_REFERENCE_GRANT] = GROUP_GATEWAY "/v1",
                [KIND_POLICY] = GROUP_PINGATE "/v1alpha1",
                [KIND_BACKEND_TLS_POLICY] = GROUP_GATEWAY "/v1",
                [KIND_NAMESPACE] = "v1",
                [KIND_SECRET] = "v1",
                [KIND_CONFIG_MAP] = "v1",
                [KIND_SERVICE] = "v1",
                [KIND_ENDPOINT_SLICE] = "discovery.k8s.io/v1",
        };
        must(kind < KIND_COUNT);
        return written[kind];
}

const char *object_resource(enum object_kind kind)
{
        static const char *const plurals[KIND_COUNT] = {
                [KIND_GATEWAY_CLASS] = "gatewayclasses",
                [KIND_GATEWAY] = "gateways",
                [KIND_LISTENER_SET] = "listenersets",
                [KIND_HTTP_ROUTE] = "httproutes",
                [KIND_GRPC_ROUTE] = "grpcroutes",
                [KIND_TLS_ROUTE] = "tlsroutes",
                [KIND_TCP_ROUTE] = "tcproutes",
                [KIND_REFERENCE_GRANT] = "referencegrants",
                [KIND_POLICY] = "clientcertificatepolicies",
                [KIND_BACKEND_TLS_POLICY] = "backendtlspolicies",
                [KIND_NAMESPACE] = "namespaces",
                [KIND_SECRET] = "secrets",
                [KIND_CONFIG_MAP] = "configmaps",
                [KIND_SERVICE] = "services",
                [KIND_ENDPOINT_SLICE] = "endpointslices",
        };
        must(kind < KIND_COUNT);
        return plurals[kind];
}

bool object_is_cluster(enum object_kind kind)
{
        must(kind < KIND_COUNT);
        return kind_rows[kind].cluster;
}

int object_age_compare(const struct object *a, const struct object *b)
{
        if (a->created != b->created)
                return a->created < b->created ? -1 : 1;
        int by_namespace = slice_compare(a->namespace, b->namespace);
        return by_namespace ? by_namespace : slice_compare(a->name, b->name);
}
