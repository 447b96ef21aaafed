/* A small snapshot that has one of everything. */
#pragma once

#include <arpa/inet.h>
#include <string.h>

#include "snapshot/snapshot.h"

static inline void harness_routes(struct snapshot *s, struct listener *listener, const char *path)
{
        struct route_match *match = ARENA_NEW(&s->arena, struct route_match);
        struct route_backend *targets = ARENA_ARRAY(&s->arena, struct route_backend, 2);
        struct route_rule *rule = ARENA_NEW(&s->arena, struct route_rule);
        struct route *route = ARENA_NEW(&s->arena, struct route);
        struct slice *host = ARENA_NEW(&s->arena, struct slice);
        match->path = slice_of(path);
        targets[0] = (struct route_backend){0, 1};
        targets[1] = (struct route_backend){ROUTE_BACKEND_INVALID, 2};
        *rule = (struct route_rule){.policy = ROUTE_POLICY_NONE,
                                    .route = SLICE("edge/web"),
                                    .matches = match,
                                    .match_count = 1,
                                    .backends = targets,
                                    .backend_count = 2,
                                    .weight_sum = 3};
        *route = (struct route){host, 1, rule, 1};
        listener->routes = route_table_build(route, 1, &s->arena);
}

static inline struct snapshot *harness_snapshot(const char *path, const char *key)
{
        struct snapshot *s = snapshot_new();
        struct port *port = ARENA_NEW(&s->arena, struct port);
        struct listener *listener = ARENA_NEW(&s->arena, struct listener);
        struct backend *backend = ARENA_NEW(&s->arena, struct backend);
        struct endpoint *endpoint = ARENA_NEW(&s->arena, struct endpoint);
        struct server_certificate *certificate = ARENA_NEW(&s->arena, struct server_certificate);
        const struct server_certificate **list =
                ARENA_ARRAY(&s->arena, const struct server_certificate *, 1);
        endpoint->text = SLICE("10.0.0.7:8080");
        *backend = (struct backend){SLICE("edge/web:80"), endpoint, 1};
        certificate->source = SLICE("Secret edge/tls");
        memset(certificate->digest.bytes, key[0], DIGEST_BYTES);
        list[0] = certificate;
        *listener = (struct listener){.kind = LISTENER_HTTPS,
                                      .gateway = SLICE("edge/edge"),
                                      .name = SLICE("https"),
                                      .hostname = SLICE("*.example.org"),
                                      .certificates = list,
                                      .certificate_count = 1};
        harness_routes(s, listener, path);
        *port = (struct port){.text = SLICE("0.0.0.0:443"),
                              .number = 443,
                              .protocol = PORT_TLS,
                              .gateway = SLICE("edge/edge"),
                              .listeners = listener,
                              .listener_count = 1};
        const struct sockaddr_in bound = {.sin_family = AF_INET, .sin_port = htons(443)};
        memcpy(&port->address, &bound, sizeof(bound));
        s->ports = port;
        s->port_count = 1;
        s->backends = backend;
        s->backend_count = 1;
        s->certificates = list;
        s->certificate_count = 1;
        return s;
}
