#include "control/report/gateway_crd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"
#include "base/must.h"
#include "text/json.h"

enum {
        AGAIN_MS = 60000,
        ASK_MS_MAX = 15000,
        CRD_BYTES_MAX = 4 << 20,
};

/* ---- what it says ---- */

static const struct node *path_find(const struct node *node, const char *const *path, size_t count)
{
        for (size_t i = 0; i < count && node; i++)
                node = node_find(node, path[i]);
        return node;
}

static bool preserves(const struct node *schema)
{
        const struct node *flag = node_find(schema, "x-kubernetes-preserve-unknown-fields");
        return flag && flag->boolean;
}

/* Whether a field is kept; "[]" stands for a list's items. */
static bool schema_keeps(const struct node *schema, const char *const *path, size_t count)
{
        for (size_t i = 0; i < count && schema; i++) {
                if (preserves(schema))
                        return true;
                schema = strcmp(path[i], "[]") == 0
                                 ? node_find(schema, "items")
                                 : node_find(node_find(schema, "properties"), path[i]);
        }
        return schema;
}

static bool version_keeps_pins(const struct node *version)
{
        static const char *const root[] = {"schema", "openAPIV3Schema"};
        static const char *const by_default[] = {"spec",    "tls",        "frontend",
                                                 "default", "validation", "certificatePinning"};
        static const char *const per_port[] = {"spec", "tls", "frontend",   "perPort",
                                               "[]",   "tls", "validation", "certificatePinning"};
        const struct node *schema = path_find(version, root, COUNT_OF(root));
        return schema_keeps(schema, by_default, COUNT_OF(by_default)) &&
               schema_keeps(schema, per_port, COUNT_OF(per_port));
}

/* Of the version that pingate reads by; any that is stored loses what this one has not. */
static const struct node *served_version(const struct node *crd)
{
        const struct node *versions = node_find(node_find(crd, "spec"), "versions");
        for (size_t i = 0; versions && i < versions->child_count; i++)
                if (slice_is(node_text(versions->children[i], "name"), "v1"))
                        return versions->children[i];
        return NULL;
}

bool gateway_crd_read(struct slice json, struct gateway_crd_facts *out, struct error *err)
{
        static const char *const annotation[] = {"metadata", "annotations",
                                                 "gateway.networking.k8s.io/bundle-version"};
        struct arena arena;
        struct node *root;
        arena_init(&arena, 256 * 1024);
        bool ok = json_parse(&arena, json, "the Gateway CRD", &root, err);
        const struct node *version = ok ? served_version(root) : NULL;
        if (ok && !version)
                ok = error_set(err, ERROR_INPUT, "the Gateway CRD has no version v1");
        if (ok) {
                const struct node *bundle = path_find(root, annotation, COUNT_OF(annotation));
                struct slice text = bundle ? bundle->text : SLICE_NONE;
                *out = (struct gateway_crd_facts){
                        .known = true,
                        .supported = slice_starts_with(text, SLICE(GATEWAY_API_SUPPORTED)),
                        .prunes_pins = !version_keeps_pins(version)};
                snprintf(out->version, sizeof(out->version), "%.*s", SLICE_ARG(text));
        }
        arena_done(&arena);
        return ok;
}

/* ---- asking for it ---- */

struct gateway_crd {
        struct gateway_crd_options options;
        struct gateway_crd_facts facts;
        uint64_t content; /* of the last answer: a schema is long, and mostly the same */
        bool faulty;      /* and said so */
        struct kube_call *call;
        uv_timer_t again;
};

static bool facts_equal(const struct gateway_crd_facts *a, const struct gateway_crd_facts *b)
{
        return a->known == b->known && a->supported == b->supported &&
               a->prunes_pins == b->prunes_pins && strcmp(a->version, b->version) == 0;
}

static void tell_fault(struct gateway_crd *crd, int status, struct slice fault)
{
        if (crd->faulty)
                return;
        crd->faulty = true;
        event_warningf(crd->options.sink, "gateway-crd",
                       "can't look whether the Gateway CRD has certificatePinning: %.*s%s",
                       SLICE_ARG(fault),
                       status == 403 ? "; wants a rule with apiGroups [apiextensions.k8s.io], "
                                       "resources [customresourcedefinitions], resourceNames "
                                       "[gateways.gateway.networking.k8s.io], verbs [get]"
                                     : "");
}

static void tell_facts(const struct gateway_crd *crd)
{
        const struct gateway_crd_facts *facts = &crd->facts;
        if (facts->prunes_pins)
                event_warningf(crd->options.sink, "gateway-crd",
                               "the Gateway CRD drops certificatePinning of Gateways unseen: pins "
                               "read before hold until their Gateway is edited, no others are in "
                               "force; patch it (deploy/gateway-api-crd), and see that "
                               "require-pinning is set");
        if (!facts->supported)
                event_warningf(
                        crd->options.sink, "gateway-crd",
                        "the Gateway API CRDs are of version %s, wants " GATEWAY_API_SUPPORTED
                        "x; served all the same",
                        *facts->version ? facts->version : "unknown");
}

static void take(struct gateway_crd *crd, struct slice json)
{
        struct gateway_crd_facts facts;
        struct error err;
        uint64_t content = json.len ? hash_bytes(json.data, json.len) : 0;
        if (content == crd->content)
                return;
        if (!gateway_crd_read(json, &facts, &err)) {
                tell_fault(crd, 200, slice_of(err.text));
                return;
        }
        crd->content = content;
        crd->faulty = false;
        if (facts_equal(&facts, &crd->facts))
                return;
        crd->facts = facts;
        tell_facts(crd);
        crd->options.on_change(crd->options.self);
}

static void on_answer(const struct kube_answer *answer, void *self)
{
        struct gateway_crd *crd = self;
        crd->call = NULL;
        if (answer->status == 200)
                take(crd, answer->body);
        else if (answer->status >= 400 && answer->status < 500 && answer->status != 429)
                tell_fault(crd, answer->status, answer->fault);
}

static void on_again(uv_timer_t *timer)
{
        struct gateway_crd *crd = timer->data;
        struct kube_request request = {
                .method = "GET",
                .path = SLICE("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
                              "gateways.gateway.networking.k8s.io"),
                .timeout_ms = ASK_MS_MAX,
                .body_max = CRD_BYTES_MAX,
                .self = crd,
                .on_done = on_answer};
        if (!crd->call)
                crd->call = kube_call_start(crd->options.client, &request);
}

struct gateway_crd *gateway_crd_open(const struct gateway_crd_options *options)
{
        struct gateway_crd *crd = NEW(struct gateway_crd);
        crd->options = *options;
        must(uv_timer_init(options->loop, &crd->again) == 0);
        crd->again.data = crd;
        must(uv_timer_start(&crd->again, on_again, 0, AGAIN_MS) == 0);
        return crd;
}

struct gateway_crd_facts gateway_crd_facts(const struct gateway_crd *crd)
{
        return crd->facts;
}

static void on_closed(uv_handle_t *handle)
{
        free(handle->data);
}

void gateway_crd_close(struct gateway_crd *crd)
{
        if (!crd)
                return;
        kube_call_cancel(crd->call);
        uv_close((uv_handle_t *)&crd->again, on_closed);
}
