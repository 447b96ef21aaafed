/* The command line of `pingate run`. */
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run.h"
#include "observe/admin.h"
#include "text/duration.h"

struct run_words { /* as given */
        struct cli_list paths, limits;
        const char *audit, *drain_delay, *address_pool, *service_ports, *service_selector;
        uint64_t workers;
};

static bool limits_read(const struct cli_list *settings, struct limits *limits, struct error *err)
{
        *limits = limits_default();
        for (size_t i = 0; i < settings->count; i++) {
                if (!limits_set(limits, slice_of(settings->items[i]), err))
                        return false;
        }
        return true;
}

static bool source_read(const struct run_words *words, const struct run_options *options,
                        struct error *err)
{
        if ((words->paths.count > 0) == options->kubernetes)
                return error_set(err, ERROR_USAGE,
                                 "run: wants either -c PATH or --kubernetes (see `pingate run "
                                 "--help`)");
        if (!options->kubernetes &&
            (options->kubeconfig || options->context || options->namespace || options->identity ||
             options->pod_uid || words->address_pool || words->service_ports ||
             words->service_selector))
                return error_set(
                        err, ERROR_USAGE,
                        "run: --kubeconfig, --context, --namespace, --identity, --pod-uid, "
                        "--address-pool, --service-ports and --service-selector want "
                        "--kubernetes");
        if (words->address_pool && (words->service_ports || words->service_selector))
                return error_set(err, ERROR_USAGE,
                                 "run: with --address-pool no Service leads to pingate, so "
                                 "--service-ports and --service-selector have no meaning");
        if (options->pod_uid && !options->identity)
                return error_set(err, ERROR_USAGE, "run: --pod-uid wants --identity");
        if (options->context && !options->kubeconfig)
                return error_set(err, ERROR_USAGE, "run: --context wants --kubeconfig");
        return true;
}

/* Where Gateways have their addresses. */
static bool addresses_read(const struct run_words *words, struct run_options *options,
                           struct error *err)
{
        const char *ports = words->service_ports ? words->service_ports : SERVICE_PORTS_DEFAULT;
        const char *selector =
                words->service_selector ? words->service_selector : SERVICE_SELECTOR_DEFAULT;
        if (words->address_pool &&
            !address_pool_parse(slice_of(words->address_pool), &options->pool, err))
                return error_wrap(err, "run: --address-pool");
        if (!service_ports_parse(slice_of(ports), &options->services, err))
                return error_wrap(err, "run: --service-ports");
        return service_selector_parse(slice_of(selector), &options->selector, err) ||
               error_wrap(err, "run: --service-selector");
}

static bool words_read(const struct run_words *words, struct run_options *options,
                       struct error *err)
{
        int64_t delay_ms;
        if (!source_read(words, options, err) || !addresses_read(words, options, err))
                return false;
        if (strcmp(words->audit, "strict") != 0 && strcmp(words->audit, "lossy") != 0)
                return error_set(err, ERROR_USAGE, "run: --audit %s: wants strict or lossy",
                                 words->audit);
        if (!duration_parse(slice_of(words->drain_delay), &delay_ms, err)) {
                err->code = ERROR_USAGE;
                return error_wrap(err, "run: --drain-delay");
        }
        if (!limits_read(&words->limits, &options->limits, err))
                return error_wrap(err, "run");
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        options->paths = words->paths.items;
        options->path_count = words->paths.count;
        options->strict_audit = strcmp(words->audit, "strict") == 0;
        options->drain_delay_ms = (uint64_t)delay_ms;
        options->workers =
                words->workers ? (size_t)words->workers : (size_t)(processors > 0 ? processors : 1);
        return true;
}

enum {
        SOURCE_OPTIONS = 10,
        RUN_OPTIONS = 22
};

/* One row an option: the parser and its help. First where objects come from. */
static void source_fill(struct cli_option table[static SOURCE_OPTIONS], struct run_options *options,
                        struct run_words *words)
{
        const struct cli_option rows[SOURCE_OPTIONS] = {
                {.name = "config",
                 .letter = 'c',
                 .value = "PATH",
                 .list = &words->paths,
                 .help = "file or folder of YAML or JSON, watched; may be repeated"},
                {.name = "kubernetes",
                 .flag = &options->kubernetes,
                 .help = "the API server of a cluster is the source, instead of files"},
                {.name = "kubeconfig",
                 .value = "PATH",
                 .text = &options->kubeconfig,
                 .help = "how to reach it; by default as a pod does, by its service account"},
                {.name = "context",
                 .value = "NAME",
                 .text = &options->context,
                 .help = "of that file; its current-context by default"},
                {.name = "namespace",
                 .value = "NAME",
                 .text = &options->namespace,
                 .help = "our own, where Leases and Services are; the pod's or the context's by default"},
                {.name = "identity",
                 .value = "NAME",
                 .text = &options->identity,
                 .help = "of this replica among the others; the host's name by default"},
                {.name = "pod-uid",
                 .value = "UID",
                 .text = &options->pod_uid,
                 .help = "of the Pod that --identity names: Kubernetes removes our Lease with it"},
                {.name = "address-pool",
                 .value = "LIST",
                 .text = &words->address_pool,
                 .help = "addresses of this host, one for each Gateway: 192.0.2.10-192.0.2.20,192.0.2.32/28"},
                {.name = "service-ports",
                 .value = "FROM-TO",
                 .text = &words->service_ports,
                 .help = "that are bound where a Gateway's address is a load balancer's (" SERVICE_PORTS_DEFAULT
                         ")"},
                {.name = "service-selector",
                 .value = "KEY=VALUE",
                 .text = &words->service_selector,
                 .help = "a label of our own pods (" SERVICE_SELECTOR_DEFAULT ")"},
        };
        memcpy(table, rows, sizeof(rows));
}

static void table_fill(struct cli_option table[static RUN_OPTIONS], struct run_options *options,
                       struct run_words *words)
{
        const struct cli_option rows[RUN_OPTIONS - SOURCE_OPTIONS] = {
                {.name = "admin",
                 .value = "ADDR",
                 .text = &options->admin,
                 .help = "address of metrics, status, refusals and probes; off: none (" ADMIN_ADDRESS_DEFAULT
                         ")"},
                {.name = "probe-addr",
                 .value = "ADDR",
                 .text = &options->probe,
                 .help = "address of /metrics, /healthz and /readyz alone"},
                {.name = "workers",
                 .value = "N",
                 .number = &words->workers,
                 .number_max = 256,
                 .help = "worker threads; one a processor by default"},
                {.name = "audit-log",
                 .value = "PATH|-|off",
                 .text = &options->audit_log,
                 .help = "where every handshake and every change is recorded; standard output by default"},
                {.name = "access-log",
                 .value = "PATH|-|off",
                 .text = &options->access_log,
                 .help = "one line a request; off by default"},
                {.name = "audit",
                 .value = "strict|lossy",
                 .text = &words->audit,
                 .help = "strict: who can't be recorded is not let in; lossy (default): a gap is recorded"},
                {.name = "require-pinning",
                 .flag = &options->require_pinning,
                 .help = "ports that validate clients but have no pins refuse every handshake"},
                {.name = "drain-delay",
                 .value = "DURATION",
                 .text = &words->drain_delay,
                 .help = "after SIGTERM: how long listeners stay open while /readyz fails (5s)"},
                {.name = "user",
                 .value = "NAME",
                 .text = &options->user,
                 .help = "become this user once ports and logs are open"},
                {.name = "limit",
                 .value = "NAME=VALUE",
                 .list = &words->limits,
                 .help = "set a limit of those below; may be repeated"},
                {.name = "plain-openssl",
                 .flag = &options->plain_openssl,
                 .help = "TLS goes through all of OpenSSL's key decoders: slower, for debugging"},
                {.name = "no-sandbox",
                 .flag = &options->no_sandbox,
                 .help = "without seccomp, Landlock and dropped capabilities, for debugging"},
        };
        source_fill(table, options, words);
        memcpy(table + SOURCE_OPTIONS, rows, sizeof(rows));
}

int cli_run(int argc, char **argv)
{
        struct run_options options = {
                .admin = ADMIN_ADDRESS_DEFAULT, .audit_log = "-", .access_log = "off"};
        struct run_words words = {.audit = "lossy", .drain_delay = "5s"};
        struct cli_option table[RUN_OPTIONS];
        table_fill(table, &options, &words);
        const struct cli_command command = {
                .name = "run",
                .summary = "Run the gateway",
                .options = table,
                .option_count = COUNT_OF(table),
                .notes = limits_help(),
        };
        char **arguments;
        int code = EXIT_USAGE;
        struct error err = {.text = ""};
        if (cli_parse(&command, argc, argv, &arguments, &code)) {
                if (!words_read(&words, &options, &err))
                        code = cli_fail(&err);
                else if ((code = run_gateway(&options, &err)) != EXIT_OK)
                        cli_fail(&err);
        }
        address_pool_free(options.pool);
        cli_list_done(&words.paths);
        cli_list_done(&words.limits);
        return code;
}
