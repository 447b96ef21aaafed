#include "proxy/stream_gate.h"

const char *stream_gate_route(const struct listener *listener, struct slice server_name,
                              const struct stream_route **route)
{
        if (listener->closed.len > 0)
                return "listener_closed";
        *route = listener->streams ? host_table_find(listener->streams, server_name) : NULL;
        return *route ? NULL : "no_route";
}

const char *stream_gate_backend(const struct snapshot *snapshot, const struct stream_route *route,
                                uint64_t random, const struct backend **backend)
{
        const struct route_backend *picked = route_backend_pick(
                route->backends, route->backend_count, route->weight_sum, random);
        if (!picked)
                return "no_backend";
        if (picked->backend >= snapshot->backend_count)
                return "backend_invalid";
        *backend = &snapshot->backends[picked->backend];
        return (*backend)->endpoint_count == 0 ? "no_endpoints" : NULL;
}
