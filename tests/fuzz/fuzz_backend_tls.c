/* A BackendTLSPolicy (or whatever else the bytes say) beside a Gateway, a route and its Service:
 * what comes out of the translation demands CAs and a name, or lets nobody be the backend. */
#include "fuzz.h"
#include "fuzz_objects.h"

#include <string.h>

#include "base/memory.h"
#include "control/api/backend_tls_policy.h"
#include "control/translate/translate.h"

enum {
        NOW = 1790000000
};

static const char world[] = "apiVersion: gateway.networking.k8s.io/v1\n"
                            "kind: Gateway\n"
                            "metadata: {name: edge, namespace: edge}\n"
                            "spec:\n"
                            "  gatewayClassName: pingate\n"
                            "  listeners: [{name: http, port: 80, protocol: HTTP}]\n"
                            "---\n"
                            "apiVersion: gateway.networking.k8s.io/v1\n"
                            "kind: HTTPRoute\n"
                            "metadata: {name: app, namespace: edge}\n"
                            "spec:\n"
                            "  parentRefs: [{name: edge}]\n"
                            "  rules: [{backendRefs: [{name: app, port: 80}]}]\n"
                            "---\n"
                            "apiVersion: v1\n"
                            "kind: Service\n"
                            "metadata: {name: app, namespace: edge}\n"
                            "spec: {ports: [{name: http, port: 80}]}\n"
                            "---\n"
                            "apiVersion: v1\n"
                            "kind: ConfigMap\n"
                            "metadata: {name: corp-ca, namespace: edge}\n"
                            "data:\n"
                            "  ca.crt: |\n"
                            "    -----BEGIN CERTIFICATE-----\n"
                            "    MIIBnDCCAUGgAwIBAgIUAMLajRnyEYGdyXk3styY3BlJjqUwCgYIKoZIzj0EAwIw\n"
                            "    GjEYMBYGA1UEAwwPRXhhbXBsZSBDb3JwIENBMCAXDTI2MTEyMzExMzMzM1oYDzIx\n"
                            "    MjQwODIxMTEzMzMzWjAaMRgwFgYDVQQDDA9FeGFtcGxlIENvcnAgQ0EwWTATBgcq\n"
                            "    hkjOPQIBBggqhkjOPQMBBwNCAARJ0N49BtCHrYFLjpeF94BTbrnEzL3DtnPIMpeu\n"
                            "    8XLNwSGoD3upHFevqnbyZsmhqaSd33SWFS4rghOA1gyRTuKWo2MwYTAdBgNVHQ4E\n"
                            "    FgQUPy/S257n0Prjl6wHozypnNeqvLowHwYDVR0jBBgwFoAUPy/S257n0Prjl6wH\n"
                            "    ozypnNeqvLowDgYDVR0PAQH/BAQDAgEGMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZI\n"
                            "    zj0EAwIDSQAwRgIhAJJp3SXbCmtEGzsFn6kWf0ODF0RIFSBWlJz+tbIwdEKsAiEA\n"
                            "    w9AsFKRGQCPEvoygsXCO78i9qntxrFuND5SnYjQCUwY=\n"
                            "    -----END CERTIFICATE-----\n";

static void check_peer(const struct backend_tls *tls)
{
        const struct client_policy *peer = tls->peer;
        struct slice why;
        must(peer->rules.use == USE_SERVER_AUTH && peer->mode == ALLOW_VALID_ONLY);
        must(tls->server_name.len > 0 && tls->server_name.len <= 253);
        if (client_policy_is_closed(peer, &why)) {
                must(why.len > 0);
                return;
        }
        must(peer->name_count > 0 && ca_set_anchor_count(peer->cas) > 0);
        for (size_t i = 0; i < peer->name_count; i++)
                must(peer->names[i].text.len > 0);
        for (size_t i = 0; i < peer->scope_count; i++)
                must(pin_scope_is_usable(&peer->scopes[i]));
}

/* No option that could be a restriction of ours is without effect. */
static void check_options(const struct translation *translation,
                          const struct backend_tls_policy *policy)
{
        const struct snapshot *snapshot = translation->snapshot;
        bool ours = false;
        for (size_t i = 0; i < policy->options.count; i++)
                ours |= slice_starts_with(policy->options.items[i].key, SLICE("pingate.dev/"));
        for (size_t i = 0; i < snapshot->backend_tls_count; i++) {
                const struct backend_tls *tls = snapshot->backend_tls[i];
                struct slice why;
                if (ours && slice_equal(tls->source, policy->object.id))
                        must(tls->peer->scope_count == 1 ||
                             client_policy_is_closed(tls->peer, &why));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct objects *objects = objects_new();
        struct translation *translation;
        struct error err;
        must(yaml_add(objects, slice_from(world, strlen(world))));
        struct translate_request request = {.objects = objects, .generation = 1, .now = NOW};
        if (yaml_add(objects, slice_from(data, size)) && translate(&request, &translation, &err)) {
                for (size_t i = 0; i < translation->snapshot->backend_tls_count; i++)
                        check_peer(translation->snapshot->backend_tls[i]);
                vec_each (object, &objects->kinds[KIND_BACKEND_TLS_POLICY])
                        check_options(translation, (const struct backend_tls_policy *)*object);
                translation_free(translation);
                snapshot_reap();
        }
        objects_unref(objects);
        return 0;
}
