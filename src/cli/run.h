/* What `pingate run` was asked for, and the running of it. */
#pragma once

#include "base/error.h"
#include "cli/service_options.h"
#include "proxy/limits.h"

struct run_options {
        const char *const *paths;
        size_t path_count, workers;
        bool kubernetes; /* an API server instead of paths */
        const char *kubeconfig, *context, *namespace, *identity, *pod_uid;
        struct address_pool *pool;        /* NULL: none */
        struct service_plan services;     /* but for its namespace */
        struct service_selector selector; /* of our own pods */
        const char *admin, *probe, *audit_log, *access_log, *user;
        bool strict_audit, require_pinning, no_sandbox, plain_openssl;
        uint64_t drain_delay_ms;
        struct limits limits;
};

/* Until a signal ends it: the exit code; err is set when it could not start. */
int run_gateway(const struct run_options *options, struct error *err);
