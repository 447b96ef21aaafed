/* From what the sources said to documents: Gateways with their validation inline, ConfigMaps for
 * CAs that are to be filled, and a ClientCertificatePolicy where inline pins don't reach. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/must.h"
#include "cli/import_values.h"
#include "control/api/object.h"

enum {
        TEXT_MAX = 64 << 20,
        TARGETS_MAX = 16,      /* of a policy */
        POLICY_PINS_MAX = 256, /* of a policy's pins; more stand in a pins.txt */
};

/* Pins were demanded there, or more than pins: without any in force nobody may come in. */
static bool must_refuse(const struct import_validation *v)
{
        return !import_pins_hold(v) && (v->restricted || v->pins_demanded);
}

/* --- nodes --- */

static struct node *map_new(struct importer *im)
{
        return node_new(&im->arena, NODE_MAP, NULL, 0);
}

static void put(struct importer *im, struct node *map, const char *key, struct node *value)
{
        node_add(&im->arena, map, slice_of(key), value);
}

static void put_text(struct importer *im, struct node *map, const char *key, struct slice text)
{
        put(im, map, key, node_new_string(&im->arena, text));
}

static struct node *copy(struct importer *im, const struct node *from)
{
        struct node *to = ARENA_NEW(&im->arena, struct node);
        *to = *from;
        to->parent = NULL;
        to->children = NULL;
        to->child_count = 0;
        for (size_t i = 0; i < from->child_count; i++)
                node_add(&im->arena, to, from->children[i]->key, copy(im, from->children[i]));
        return to;
}

static struct node *document_new(struct importer *im, const char *version, const char *kind,
                                 struct slice namespace, struct slice name)
{
        struct node *root = map_new(im), *metadata = map_new(im);
        put_text(im, root, "apiVersion", slice_of(version));
        put_text(im, root, "kind", slice_of(kind));
        put_text(im, metadata, "name", name);
        if (namespace.len)
                put_text(im, metadata, "namespace", namespace);
        put(im, root, "metadata", metadata);
        return root;
}

/* --- validation --- */

static struct node *pins_list(struct importer *im, const struct import_validation *v,
                              enum pin_kind kind)
{
        struct node *list = node_new(&im->arena, NODE_LIST, NULL, 0);
        char text[PIN_TEXT_SIZE];
        for (size_t i = 0; i < v->pin_count; i++)
                if (v->pins[i].kind == kind)
                        node_add(&im->arena, list, SLICE_NONE,
                                 node_new_string(
                                         &im->arena,
                                         slice_of(pin_text_print(kind, &v->pins[i].digest, text))));
        return list;
}

static struct node *frontend_tls(struct importer *im, const struct import_validation *v,
                                 bool by_policy)
{
        struct node *tls = map_new(im), *validation = map_new(im);
        put(im, validation, "caCertificateRefs", copy(im, v->cas));
        put_text(im, validation, "mode",
                 v->fallback ? SLICE("AllowInsecureFallback") : SLICE("AllowValidOnly"));
        if (import_pins_hold(v) && import_pins_fit_inline(v) && !by_policy) {
                struct node *pinning = map_new(im);
                if (v->spki_count)
                        put(im, pinning, "spkiHashes", pins_list(im, v, PIN_SPKI));
                if (v->pin_count > v->spki_count)
                        put(im, pinning, "certificateHashes", pins_list(im, v, PIN_CERTIFICATE));
                put(im, validation, "certificatePinning", pinning);
        }
        put(im, tls, "validation", validation);
        return tls;
}

static bool port_done(const struct node *per_port, int64_t port)
{
        for (size_t i = 0; i < per_port->child_count; i++)
                if (node_find(per_port->children[i], "port")->integer == port)
                        return true;
        return false;
}

/* NULL: no client is asked for a certificate. */
static struct node *frontend(struct importer *im, const struct import_gateway *g)
{
        const struct import_validation *common = import_common_validation(g);
        struct node *out = map_new(im), *per_port = node_new(&im->arena, NODE_LIST, NULL, 0);
        if (common) {
                put(im, out, "default", frontend_tls(im, common, false));
                return out;
        }
        vec_each (l, &g->listeners) {
                if (!l->validation || l->left_out || port_done(per_port, l->port))
                        continue;
                struct node *item = map_new(im);
                put(im, item, "port", node_new_integer(&im->arena, l->port));
                put(im, item, "tls", frontend_tls(im, l->validation, l->by_policy));
                node_add(&im->arena, per_port, SLICE_NONE, item);
        }
        if (per_port->child_count == 0)
                return NULL;
        put(im, out, "default", map_new(im));
        put(im, out, "perPort", per_port);
        return out;
}

/* --- listeners --- */

static struct node *listener_node(struct importer *im, const struct import_listener *l)
{
        struct node *node = map_new(im);
        put_text(im, node, "name", l->name);
        if (l->hostname.len)
                put_text(im, node, "hostname", l->hostname);
        put(im, node, "port", node_new_integer(&im->arena, l->port));
        put_text(im, node, "protocol", l->https ? SLICE("HTTPS") : SLICE("HTTP"));
        if (l->https) {
                struct node *tls = map_new(im);
                put_text(im, tls, "mode", SLICE("Terminate"));
                put(im, tls, "certificateRefs", copy(im, l->certificate_refs));
                put(im, node, "tls", tls);
        }
        return node;
}

static struct node *listeners_node(struct importer *im, const struct import_gateway *g)
{
        struct node *list = node_new(&im->arena, NODE_LIST, NULL, 0);
        vec_each (l, &g->listeners)
                if (!l->left_out)
                        node_add(&im->arena, list, SLICE_NONE,
                                 g->upstream ? copy(im, l->source) : listener_node(im, l));
        return list;
}

/* --- the Gateway --- */

/* Where everybody must show a pin, a lost field or policy must not open the door either. */
static bool requires_pinning(const struct import_gateway *g)
{
        bool must = g->by_default && must_refuse(g->by_default);
        bool all = g->by_default ? import_pins_hold(g->by_default) : true;
        size_t validated = g->by_default ? 1 : 0;
        vec_each (l, &g->listeners) {
                if (!l->validation || l->left_out)
                        continue;
                must |= must_refuse(l->validation);
                all &= import_pins_hold(l->validation);
                validated++;
        }
        return must || (all && validated > 0);
}

static struct node *metadata_node(struct importer *im, const struct import_gateway *g)
{
        const struct node *from = node_find(g->upstream, "metadata");
        const struct node *labels = node_find(from, "labels");
        const struct node *said = node_find(from, "annotations");
        struct node *metadata = map_new(im), *annotations = map_new(im);
        put_text(im, metadata, "name", g->name);
        if (g->namespace.len)
                put_text(im, metadata, "namespace", g->namespace);
        if (labels)
                put(im, metadata, "labels", copy(im, labels));
        bool required = requires_pinning(g);
        for (size_t i = 0; said && i < said->child_count; i++) {
                struct slice key = said->children[i]->key;
                if (slice_starts_with(key, SLICE("kubectl.kubernetes.io/")) ||
                    (required && slice_is(key, "pingate.dev/require-pinning")))
                        continue;
                node_add(&im->arena, annotations, key, copy(im, said->children[i]));
        }
        if (required)
                put_text(im, annotations, "pingate.dev/require-pinning", SLICE("true"));
        if (annotations->child_count)
                put(im, metadata, "annotations", annotations);
        return metadata;
}

static struct node *tls_node(struct importer *im, const struct import_gateway *g)
{
        const struct node *kept =
                node_find(node_find(node_find(g->upstream, "spec"), "tls"), "backend");
        struct node *tls = map_new(im), *clients = frontend(im, g);
        if (kept)
                put(im, tls, "backend", copy(im, kept));
        if (clients)
                put(im, tls, "frontend", clients);
        return tls->child_count ? tls : NULL;
}

static struct node *spec_node(struct importer *im, const struct import_gateway *g)
{
        const struct node *from = node_find(g->upstream, "spec");
        struct node *spec = map_new(im), *tls = tls_node(im, g);
        if (!g->fragment)
                put_text(im, spec, "gatewayClassName", SLICE(CLASS_NAME));
        for (size_t i = 0; from && i < from->child_count; i++) {
                struct slice key = from->children[i]->key;
                if (!slice_is(key, "gatewayClassName") && !slice_is(key, "listeners") &&
                    !slice_is(key, "tls"))
                        node_add(&im->arena, spec, key, copy(im, from->children[i]));
        }
        if (g->address.len) {
                struct node *list = node_new(&im->arena, NODE_LIST, NULL, 0), *item = map_new(im);
                put_text(im, item, "type", SLICE("IPAddress"));
                put_text(im, item, "value", g->address);
                node_add(&im->arena, list, SLICE_NONE, item);
                put(im, spec, "addresses", list);
        }
        if (!g->fragment)
                put(im, spec, "listeners", listeners_node(im, g));
        if (tls)
                put(im, spec, "tls", tls);
        return spec;
}

static void idle_pins_tell(const struct import_validation *v, struct buffer *out)
{
        char text[PIN_TEXT_SIZE];
        buffer_append(out, SLICE("# Not in force, as their restriction is lost:\n"));
        for (size_t i = 0; i < v->pin_count; i++)
                buffer_printf(out, "#   %s %s\n",
                              v->pins[i].kind == PIN_SPKI ? "spkiHash:" : "certificateHash:",
                              pin_text_print(v->pins[i].kind, &v->pins[i].digest, text));
}

/* Above the Gateway: where a fragment goes, and the pins that are not in force. */
static struct slice gateway_comment(struct importer *im, const struct import_gateway *g)
{
        const struct import_validation *told = NULL;
        struct buffer text;
        buffer_init(&text, TEXT_MAX);
        if (g->fragment)
                buffer_append(&text,
                              SLICE("# A fragment: its Gateway is not in the input. Merge it into "
                                    "that one, annotations too, and set gatewayClassName: "
                                    "pingate.\n"));
        for (size_t i = 0; i < g->listeners.count + 1; i++) {
                const struct import_validation *v =
                        i ? g->listeners.items[i - 1].validation : g->by_default;
                if (!v || v == told || !v->restricted || v->pin_count == 0)
                        continue;
                told = v;
                idle_pins_tell(v, &text);
        }
        struct slice out = arena_slice(&im->arena, buffer_slice(&text));
        buffer_done(&text);
        return out;
}

static void document_add(struct importer *im, const struct import_gateway *owner, struct node *root)
{
        struct import_document document = {.owner = owner, .root = root, .whole = true};
        vec_push(&im->out, document);
}

/* --- the policy, where inline pins do not reach --- */

static void pins_txt_add(struct importer *im, const struct import_gateway *g,
                         const struct import_validation *v, struct node *spec, struct slice name)
{
        struct buffer text;
        char pin[PIN_TEXT_SIZE];
        buffer_init(&text, TEXT_MAX);
        for (size_t i = 0; i < v->pin_count; i++)
                buffer_printf(&text, "%s:%s\n", v->pins[i].kind == PIN_SPKI ? "spki" : "cert",
                              pin_text_print(v->pins[i].kind, &v->pins[i].digest, pin));
        struct node *map = document_new(im, "v1", "ConfigMap", g->namespace, name);
        struct node *data = map_new(im), *refs = node_new(&im->arena, NODE_LIST, NULL, 0);
        struct node *ref = map_new(im);
        put_text(im, data, "pins.txt", buffer_slice(&text));
        buffer_done(&text);
        put(im, map, "data", data);
        document_add(im, g, map);
        put_text(im, ref, "group", SLICE(""));
        put_text(im, ref, "kind", SLICE("ConfigMap"));
        put_text(im, ref, "name", name);
        node_add(&im->arena, refs, SLICE_NONE, ref);
        put(im, spec, "pinSetRefs", refs);
}

static void policy_pins_add(struct importer *im, const struct import_validation *v,
                            struct node *spec)
{
        struct node *list = node_new(&im->arena, NODE_LIST, NULL, 0);
        char text[PIN_TEXT_SIZE];
        for (size_t i = 0; i < v->pin_count; i++) {
                struct node *pin = map_new(im);
                put_text(im, pin, v->pins[i].kind == PIN_SPKI ? "spkiHash" : "certificateHash",
                         slice_of(pin_text_print(v->pins[i].kind, &v->pins[i].digest, text)));
                node_add(&im->arena, list, SLICE_NONE, pin);
        }
        put(im, spec, "pins", list);
}

static void target_add(struct importer *im, const struct import_gateway *g, struct node *targets,
                       struct slice section)
{
        struct node *target = map_new(im);
        put_text(im, target, "group", SLICE(GROUP_GATEWAY));
        put_text(im, target, "kind", SLICE("Gateway"));
        put_text(im, target, "name", g->name);
        if (section.len)
                put_text(im, target, "sectionName", section);
        node_add(&im->arena, targets, SLICE_NONE, target);
}

static void policy_add(struct importer *im, const struct import_gateway *g,
                       const struct import_validation *v, struct node *targets, struct slice name)
{
        struct node *policy = document_new(im, object_api_version(KIND_POLICY),
                                           object_kind_name(KIND_POLICY), g->namespace, name);
        struct node *spec = map_new(im);
        put(im, spec, "targetRefs", targets);
        if (v->pin_count <= POLICY_PINS_MAX)
                policy_pins_add(im, v, spec);
        else
                pins_txt_add(im, g, v, spec,
                             arena_printf(&im->arena, "%.*s-pins", SLICE_ARG(name)));
        if (v->forwards_xfcc) {
                struct node *forward = node_new(&im->arena, NODE_LIST, NULL, 0);
                node_add(&im->arena, forward, SLICE_NONE,
                         node_new_string(&im->arena, SLICE("ClientCert")));
                node_add(&im->arena, forward, SLICE_NONE,
                         node_new_string(&im->arena, SLICE("XForwardedClientCert")));
                put(im, spec, "forward", forward);
        }
        put(im, policy, "spec", spec);
        document_add(im, g, policy);
}

static bool needs_policy(const struct import_validation *v)
{
        return import_pins_hold(v) && (!import_pins_fit_inline(v) || v->forwards_xfcc);
}

/* One for the listeners that have the validation of `at`, from there on; its namesake. */
static void section_policy_build(struct importer *im, const struct import_gateway *g, size_t at)
{
        const struct import_listener *first = &g->listeners.items[at];
        must(first->validation); /* or it needed none */
        struct node *targets = node_new(&im->arena, NODE_LIST, NULL, 0);
        for (size_t i = at; i < g->listeners.count; i++) {
                struct import_listener *l = &g->listeners.items[i];
                if (l->left_out || l->has_policy || targets->child_count == TARGETS_MAX ||
                    l->by_policy != first->by_policy || !l->validation ||
                    !import_validation_equal(l->validation, first->validation))
                        continue;
                l->has_policy = true;
                target_add(im, g, targets, l->name);
        }
        policy_add(
                im, g, first->validation, targets,
                arena_printf(&im->arena, "%.*s-%.*s", SLICE_ARG(g->name), SLICE_ARG(first->name)));
}

static void policies_build(struct importer *im, const struct import_gateway *g)
{
        const struct import_validation *common = import_common_validation(g);
        if (common && needs_policy(common)) {
                struct node *targets = node_new(&im->arena, NODE_LIST, NULL, 0);
                target_add(im, g, targets, SLICE_NONE);
                policy_add(im, g, common, targets, g->name);
        }
        for (size_t i = 0; i < g->listeners.count && !common; i++) {
                const struct import_listener *l = &g->listeners.items[i];
                if (l->validation && !l->left_out && !l->has_policy &&
                    import_pins_hold(l->validation) &&
                    (l->by_policy || needs_policy(l->validation)))
                        section_policy_build(im, g, i);
        }
}

static void gateway_build(struct importer *im, struct import_gateway *g)
{
        const struct node *own =
                node_find(node_find(node_find(g->upstream, "spec"), "tls"), "frontend");
        if (own) {
                import_note(im, IMPORT_REFUSED, own,
                            "validates clients by itself: a policy beside it can't be told from "
                            "it, and this Gateway is left out");
                return;
        }
        if (g->refused)
                return;
        import_settle(im, g);
        bool any = false;
        vec_each (l, &g->listeners)
                any |= !l->left_out;
        if (g->fragment ? !g->by_default : !any) {
                import_note(im, IMPORT_REFUSED, g->source,
                            "nothing is left of Gateway %.*s, and it is left out",
                            SLICE_ARG(g->name));
                return;
        }
        struct node *root = map_new(im);
        put_text(im, root, "apiVersion", slice_of(object_api_version(KIND_GATEWAY)));
        put_text(im, root, "kind", SLICE("Gateway"));
        put(im, root, "metadata", metadata_node(im, g));
        put(im, root, "spec", spec_node(im, g));
        struct import_document document = {g, root, gateway_comment(im, g), !g->fragment};
        vec_push(&im->out, document);
        policies_build(im, g);
}

static void ca_build(struct importer *im, const struct import_ca *ca)
{
        struct node *map = document_new(im, "v1", "ConfigMap", ca->namespace, ca->name);
        struct node *data = map_new(im);
        put_text(im, data, "ca.crt", SLICE(""));
        if (ca->crls_from.len)
                put_text(im, data, "ca.crl", SLICE(""));
        put(im, map, "data", data);
        document_add(im, NULL, map);
        import_note(im, IMPORT_NO_EQUIVALENT, NULL,
                    "ConfigMap %.*s is to be filled: ca.crt from %.*s%s%.*s; until then nobody "
                    "comes in",
                    SLICE_ARG(ca->name), SLICE_ARG(ca->certificates_from),
                    ca->crls_from.len ? ", ca.crl from " : "", SLICE_ARG(ca->crls_from));
}

void import_build(struct importer *im)
{
        for (size_t i = 0; i < im->gateways.count; i++)
                gateway_build(im, im->gateways.items[i]);
        vec_each (ca, &im->cas)
                ca_build(im, ca);
}
