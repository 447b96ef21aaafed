/* An HTTPRoute (or whatever else the bytes say) beside a Gateway and a Service: what comes out of
 * the translation stays within what the data plane counts on. */
#include "fuzz.h"
#include "fuzz_objects.h"

#include <string.h>

#include "base/memory.h"
#include "base/must.h"
#include "control/translate/translate.h"

enum {
        NOW = 1790000000,
        ATTEMPTS_MAX = 32,
};

static const char world[] = "apiVersion: gateway.networking.k8s.io/v1\n"
                            "kind: Gateway\n"
                            "metadata: {name: edge, namespace: edge}\n"
                            "spec:\n"
                            "  gatewayClassName: pingate\n"
                            "  listeners: [{name: http, port: 80, protocol: HTTP}]\n"
                            "---\n"
                            "apiVersion: v1\n"
                            "kind: Service\n"
                            "metadata: {name: app, namespace: edge}\n"
                            "spec: {ports: [{name: http, port: 80}]}\n";

static void check_filters(const struct snapshot *snapshot, const struct route_filters *filters)
{
        for (size_t i = 0; filters && i < filters->mirror_count; i++) {
                const struct route_mirror *mirror = &filters->mirrors[i];
                must(mirror->backend < snapshot->backend_count);
                must(mirror->denominator > 0 && mirror->numerator <= mirror->denominator);
        }
}

static void check_rule(const struct snapshot *snapshot, const struct route_rule *rule)
{
        const struct route_timeouts *timeouts = &rule->timeouts;
        const struct route_retry *retry = rule->retry;
        if (timeouts->request_given && timeouts->backend_request_given && timeouts->request_ms > 0)
                must(timeouts->backend_request_ms <= timeouts->request_ms);
        must(!retry || (retry->attempts >= 1 && retry->attempts <= ATTEMPTS_MAX));
        for (size_t i = 0; retry && i < retry->code_count; i++)
                must(retry->codes[i] >= (i ? retry->codes[i - 1] + 1 : 400) &&
                     retry->codes[i] <= 599);
        check_filters(snapshot, &rule->filters);
        for (size_t i = 0; i < rule->backend_count; i++)
                check_filters(snapshot, rule->backends[i].filters);
}

static void check_port(const struct snapshot *snapshot, const struct port *port)
{
        struct route_line line;
        for (size_t i = 0; i < port->listener_count; i++) {
                const struct route_table *routes = port->listeners[i].routes;
                for (size_t at = 0; routes && route_table_next(routes, &at, &line);)
                        check_rule(snapshot, line.rule);
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
                const struct snapshot *snapshot = translation->snapshot;
                for (size_t i = 0; i < snapshot->port_count; i++)
                        check_port(snapshot, &snapshot->ports[i]);
                translation_free(translation);
                snapshot_reap();
        }
        objects_unref(objects);
        return 0;
}
