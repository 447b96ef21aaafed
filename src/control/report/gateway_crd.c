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

#define CRD_PATH "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"

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

static bool version_keeps(const struct node *version, const char *const *path, size_t count)
{
        static const char *const root[] = {"schema", "openAPIV3Schema"};
        return schema_keeps(path_find(version, root, COUNT_OF(root)), path, count);
}

static bool version_keeps_pins(const struct node *version)
{
        static const char *const by_default[] = {"spec",    "tls",        "frontend",
                                                 "default", "validation", "certificatePinning"};
        static const char *const per_port[] = {"spec", "tls", "frontend",   "perPort",
                                               "[]",   "tls", "validation", "certificatePinning"};
        return version_keeps(version, by_default, COUNT_OF(by_default)) &&
               version_keeps(version, per_port, COUNT_OF(per_port));
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

/* The schema of the version that is served, and the CRD around it. NULL: an error. */
static const struct node *crd_open(struct arena *arena, struct slice json, const char *kind,
                                   struct node **crd, struct error *err)
{
        char what[32];
        snprintf(what, sizeof(what), "the %s CRD", kind);
        if (!json_parse(arena, json, what, crd, err))
                return NULL;
        const struct node *version = served_version(*crd);
        if (!version)
                error_set(err, ERROR_INPUT, "%s has no version v1", what);
        return version;
}

bool gateway_crd_read(struct slice json, struct gateway_crd_facts *facts, struct error *err)
{
        static const char *const annotation[] = {"metadata", "annotations",
                                                 "gateway.networking.k8s.io/bundle-version"};
        struct arena arena;
        struct node *root;
        arena_init(&arena, 256 * 1024);
        const struct node *version = crd_open(&arena, json, "Gateway", &root, err);
        if (version) {
                const struct node *bundle = path_find(root, annotation, COUNT_OF(annotation));
                struct slice text = bundle ? bundle->text : SLICE_NONE;
                facts->known = true;
                facts->supported = slice_starts_with(text, SLICE(GATEWAY_API_SUPPORTED));
                facts->prunes_pins = !version_keeps_pins(version);
                snprintf(facts->version, sizeof(facts->version), "%.*s", SLICE_ARG(text));
        }
        arena_done(&arena);
        return version;
}

bool route_crd_read(struct slice json, struct gateway_crd_facts *facts, struct error *err)
{
        static const char *const retry[] = {"spec", "rules", "[]", "retry"};
        struct arena arena;
        struct node *root;
        arena_init(&arena, 256 * 1024);
        const struct node *version = crd_open(&arena, json, "HTTPRoute", &root, err);
        if (version)
                facts->keeps_retry = version_keeps(version, retry, COUNT_OF(retry));
        arena_done(&arena);
        return version;
}

/* ---- asking for it ---- */

/* One of the CRDs. */
struct asked_crd {
        struct gateway_crd *crd;
        const struct crd_kind *kind;
        struct kube_call *call;
        uint64_t content; /* of the last answer: a schema is long, and mostly the same */
        bool faulty;      /* and said so */
};

static const struct crd_kind {
        const char *name, *path, *what;
        bool (*read)(struct slice json, struct gateway_crd_facts *facts, struct error *err);
} kinds[] = {
        {"gateways.gateway.networking.k8s.io", CRD_PATH "gateways.gateway.networking.k8s.io",
         "the Gateway CRD has certificatePinning", gateway_crd_read},
        {"httproutes.gateway.networking.k8s.io", CRD_PATH "httproutes.gateway.networking.k8s.io",
         "the HTTPRoute CRD has retry, which is not claimed until then", route_crd_read},
};

struct gateway_crd {
        struct gateway_crd_options options;
        struct gateway_crd_facts facts;
        struct asked_crd asked[COUNT_OF(kinds)];
        uv_timer_t again;
};

static bool facts_equal(const struct gateway_crd_facts *a, const struct gateway_crd_facts *b)
{
        return a->known == b->known && a->supported == b->supported &&
               a->prunes_pins == b->prunes_pins && a->keeps_retry == b->keeps_retry &&
               strcmp(a->version, b->version) == 0;
}

static void tell_fault(struct asked_crd *asked, int status, struct slice fault)
{
        if (asked->faulty)
                return;
        asked->faulty = true;
        event_warningf(
                asked->crd->options.sink, "gateway-crd", "can't look whether %s: %.*s%s%s%s",
                asked->kind->what, SLICE_ARG(fault),
                status == 403 ? "; the role wants the rule {apiGroups: [\"apiextensions.k8s.io\"], "
                                "resources: [customresourcedefinitions], resourceNames: ["
                              : "",
                status == 403 ? asked->kind->name : "", status == 403 ? "], verbs: [get]}" : "");
}

/* A route's field that is missing stops nobody, so nothing is told of it. */
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

static void take(struct asked_crd *asked, struct slice json)
{
        struct gateway_crd *crd = asked->crd;
        struct gateway_crd_facts facts = crd->facts;
        struct error err;
        uint64_t content = json.len ? hash_bytes(json.data, json.len) : 0;
        if (content == asked->content)
                return;
        if (!asked->kind->read(json, &facts, &err)) {
                tell_fault(asked, 200, slice_of(err.text));
                return;
        }
        asked->content = content;
        asked->faulty = false;
        if (facts_equal(&facts, &crd->facts))
                return;
        crd->facts = facts;
        if (asked->kind->read == gateway_crd_read)
                tell_facts(crd);
        crd->options.on_change(crd->options.self);
}

static void on_answer(const struct kube_answer *answer, void *self)
{
        struct asked_crd *asked = self;
        asked->call = NULL;
        if (answer->status == 200)
                take(asked, answer->body);
        else if (answer->status >= 400 && answer->status < 500 && answer->status != 429)
                tell_fault(asked, answer->status, answer->fault);
}

static void ask(struct asked_crd *asked)
{
        struct kube_request request = {.method = "GET",
                                       .path = slice_of(asked->kind->path),
                                       .timeout_ms = ASK_MS_MAX,
                                       .body_max = CRD_BYTES_MAX,
                                       .self = asked,
                                       .on_done = on_answer};
        if (!asked->call)
                asked->call = kube_call_start(asked->crd->options.client, &request);
}

static void on_again(uv_timer_t *timer)
{
        struct gateway_crd *crd = timer->data;
        for (size_t i = 0; i < COUNT_OF(crd->asked); i++)
                ask(&crd->asked[i]);
}

struct gateway_crd *gateway_crd_open(const struct gateway_crd_options *options)
{
        struct gateway_crd *crd = NEW(struct gateway_crd);
        crd->options = *options;
        for (size_t i = 0; i < COUNT_OF(kinds); i++)
                crd->asked[i] = (struct asked_crd){.crd = crd, .kind = &kinds[i]};
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
        for (size_t i = 0; i < COUNT_OF(crd->asked); i++)
                kube_call_cancel(crd->asked[i].call);
        uv_close((uv_handle_t *)&crd->again, on_closed);
}
