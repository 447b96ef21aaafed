/* Objects as a cluster has them, most of them broken, beside some that are whole: what can't be
 * read serves nobody, and what can is served on. */
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
        "kind: GatewayClass\n"
        "metadata: {name: pingate}\n"
        "spec: {controllerName: pingate.dev/gateway-controller}\n"
        "---\n"
        "apiVersion: gateway.networking.k8s.io/v1\n"
        "kind: Gateway\n"
        "metadata: {name: edge, namespace: edge, creationTimestamp: '2020-01-01T00:00:00Z'}\n"
        "spec:\n"
        "  gatewayClassName: pingate\n"
        "  allowedListeners: {namespaces: {from: Same}}\n"
        "  listeners: [{name: http, port: 80, protocol: HTTP}, {name: tls, port: 443, protocol: TLS, "
        "tls: {mode: Passthrough}}]\n"
        "---\n"
        "apiVersion: gateway.networking.k8s.io/v1\n"
        "kind: HTTPRoute\n"
        "metadata: {name: whole, namespace: whole}\n"
        "spec: {parentRefs: [{name: edge, namespace: edge}], hostnames: [whole.example.org]}\n"
        "---\n"
        "apiVersion: v1\n"
        "kind: Service\n"
        "metadata: {name: app, namespace: edge}\n"
        "spec: {ports: [{name: http, port: 80}]}\n";

static bool is_broken(const struct objects *objects, struct slice route)
{
        struct slice name = route, namespace;
        slice_split(&name, '/', &namespace);
        const struct object *object = objects_find(objects, KIND_HTTP_ROUTE, namespace, name);
        const struct object *other = objects_find(objects, KIND_GRPC_ROUTE, namespace, name);
        return (!object || object->fault.len > 0) && (!other || other->fault.len > 0);
}

static void check_port(const struct objects *objects, const struct port *port)
{
        struct route_line line;
        must(objects_find(objects, KIND_GATEWAY, SLICE("edge"), SLICE("edge"))->fault.len == 0);
        for (size_t i = 0; i < port->listener_count; i++) {
                const struct route_table *routes = port->listeners[i].routes;
                for (size_t at = 0; routes && route_table_next(routes, &at, &line);)
                        if (is_broken(objects, line.rule->route))
                                must(line.rule->filters.refuses && line.rule->backend_count == 0);
        }
}

/* No two Gateways have one address and port, nor one both as what is bound. */
static void check_apart(const struct translation *translation)
{
        const struct snapshot *snapshot = translation->snapshot;
        for (size_t i = 0; i < snapshot->port_count; i++)
                for (size_t j = 0; j < i; j++)
                        must(!slice_equal(snapshot->ports[i].text, snapshot->ports[j].text));
        for (size_t i = 0; i < translation->services.count; i++)
                for (size_t j = 0; j < i; j++)
                        must(!slice_equal(translation->services.items[i].name,
                                          translation->services.items[j].name) ||
                             !slice_equal(translation->services.items[i].namespace,
                                          translation->services.items[j].namespace));
}

static void check(const struct objects *objects, const struct address_pool *pool,
                  const struct service_plan *services)
{
        struct translate_request request = {.objects = objects,
                                            .generation = 1,
                                            .now = NOW,
                                            .pool = pool,
                                            .services = services};
        struct translation *translation;
        struct error err;
        if (!translate(&request, &translation, &err))
                return;
        const struct snapshot *snapshot = translation->snapshot;
        must(pool || services || snapshot->port_count >= 2); /* the whole Gateway's */
        check_apart(translation);
        for (size_t i = 0; i < snapshot->port_count; i++)
                check_port(objects, &snapshot->ports[i]);
        translation_free(translation);
        snapshot_reap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct objects *objects = objects_new();
        must(yaml_add(objects, slice_from(world, strlen(world))));
        if (yaml_add_lenient(objects, slice_from(data, size))) {
                const struct service_plan plan = {SLICE("edge"), 20000, 20003};
                struct address_pool *pool;
                struct error err;
                must(address_pool_parse(SLICE("192.0.2.1-192.0.2.3"), &pool, &err));
                check(objects, NULL, NULL);
                check(objects, pool, &plan);
                check(objects, NULL, &plan);
                address_pool_free(pool);
        }
        for (size_t kind = 0; kind < KIND_COUNT; kind++)
                vec_each (object, &objects->kinds[kind])
                        must((*object)->id.len > 0 && (*object)->name.len > 0);
        objects_unref(objects);
        return 0;
}
