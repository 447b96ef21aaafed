/* Gateways, ListenerSets and routes of every kind, as the bytes have them, beside a Gateway that
 * lets ListenerSets in and whose clients are pinned: on every port that comes of it, what arrives
 * can be told apart, and no listener is open that a policy has closed. */
#include "fuzz.h"
#include "fuzz_objects.h"

#include <string.h>

#include "base/memory.h"
#include "control/translate/translate.h"

enum {
        NOW = 1790000000
};

static const char world[] =
        "apiVersion: gateway.networking.k8s.io/v1\n"
        "kind: Gateway\n"
        "metadata: {name: edge, namespace: edge, creationTimestamp: '2020-01-01T00:00:00Z'}\n"
        "spec:\n"
        "  gatewayClassName: pingate\n"
        "  allowedListeners: {namespaces: {from: All}}\n"
        "  tls: {frontend: {default: {validation: {caCertificateRefs: [{group: '', kind: ConfigMap, "
        "name: none}]}}}}\n"
        "  listeners:\n"
        "  - {name: own, port: 443, protocol: HTTPS, hostname: own.example.com, tls: "
        "{certificateRefs: [{name: none}]}}\n"
        "---\n"
        "apiVersion: v1\n"
        "kind: Service\n"
        "metadata: {name: app, namespace: edge}\n"
        "spec: {ports: [{name: http, port: 80}]}\n"
        "---\n"
        "apiVersion: pingate.dev/v1alpha1\n"
        "kind: ClientCertificatePolicy\n"
        "metadata: {name: all, namespace: edge}\n"
        "spec:\n"
        "  targetRefs:\n"
        "  - {group: gateway.networking.k8s.io, kind: Gateway, name: edge}\n"
        "  - {group: gateway.networking.k8s.io, kind: ListenerSet, name: extra}\n"
        "  - {group: gateway.networking.k8s.io, kind: ListenerSet, name: extra, sectionName: a}\n"
        "  pins: [{spkiHash: 'NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A='}]\n";

static enum port_protocol protocol_of(enum listener_kind kind)
{
        return kind == LISTENER_HTTP ? PORT_HTTP : kind == LISTENER_TCP ? PORT_TCP : PORT_TLS;
}

static void check_listener(const struct port *port, size_t index)
{
        const struct listener *listener = &port->listeners[index];
        bool http = listener->kind == LISTENER_HTTP || listener->kind == LISTENER_HTTPS;
        must(listener->index == index && protocol_of(listener->kind) == port->protocol);
        must(slice_equal(listener->gateway, port->gateway));
        must(!(http ? (const void *)listener->streams : (const void *)listener->routes));
        must(!listener->streams || listener->closed.len == 0);
        for (size_t other = 0; other < index; other++)
                must(!slice_equal(port->listeners[other].hostname, listener->hostname));
        /* Its CA is not there, so of this Gateway nobody comes in where TLS ends. */
        struct slice why;
        if (slice_is(listener->gateway, "edge/edge") &&
            (listener->kind == LISTENER_HTTPS || listener->kind == LISTENER_TLS_TERMINATE))
                must(port->client && client_policy_is_closed(port->client, &why));
}

static void check_port(const struct snapshot *snapshot, const struct port *port)
{
        must(port->listener_count > 0 && port->hosts);
        must(port->protocol != PORT_TCP || port->listener_count == 1);
        must(port->protocol == PORT_TLS || !port->client);
        for (size_t i = 0; i < port->listener_count; i++)
                check_listener(port, i);
        for (const struct port *other = snapshot->ports; other < port; other++)
                must(other->number != port->number || slice_equal(other->gateway, port->gateway) ||
                     !slice_equal(other->text, port->text));
}

/* No list of conditions outgrows upstream's maximum: condition_set would end the program. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct objects *objects = objects_new();
        struct translation *translation;
        struct error err;
        must(yaml_add(objects, slice_from(world, strlen(world))));
        struct translate_request request = {.objects = objects, .generation = 1, .now = NOW};
        if (yaml_add(objects, slice_from(data, size)) && translate(&request, &translation, &err)) {
                const struct snapshot *snapshot = translation->snapshot;
                for (size_t i = 0; i < snapshot->port_count; i++)
                        check_port(snapshot, &snapshot->ports[i]);
                translation_free(translation);
                snapshot_reap();
        }
        objects_unref(objects);
        return 0;
}
