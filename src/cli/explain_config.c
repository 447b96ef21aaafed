/* `pingate explain -c PATH… --gateway NS/NAME --port N`: a client and its request at the gates of a
 * configuration, each gate by the data plane's own function. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "cli/cli.h"
#include "cli/explain.h"
#include "control/source/files.h"
#include "control/translate/translate.h"
#include "http/h1.h"
#include "proxy/exchange_gate.h"
#include "proxy/handshake/handshake.h"

enum {
        REQUEST_BYTES_MAX = 64 * 1024
};

/* What is known so far of one client's way. */
struct walk {
        const struct explain_place *place;
        const struct snapshot *snapshot;
        const struct port *port;
        const struct listener *listener; /* that the server name selects */
        struct slice server_name;
        struct request_head head;
        struct arena arena;
};

/* "GET https://host/path" as the head that a client would send, read by the gateway's reader. */
static bool request_read(struct walk *walk, struct error *err)
{
        struct slice url = slice_of(walk->place->request), method;
        bool two = slice_split(&url, ' ', &method);
        struct slice scheme =
                slice_starts_with(url, SLICE("https://")) ? SLICE("https://") : SLICE("http://");
        if (!two || !slice_starts_with(url, scheme))
                return error_set(err, ERROR_USAGE,
                                 "--request %s: wants something like 'GET https://host/path'",
                                 walk->place->request);
        url = slice_skip(url, scheme.len);
        size_t end = 0;
        while (end < url.len && url.data[end] != '/' && url.data[end] != '?')
                end++;
        struct slice authority = slice_sub(url, 0, end), target = slice_skip(url, end);
        bool rooted = target.len > 0 && target.data[0] == '/';
        struct slice text = arena_printf(&walk->arena, "%.*s %s%.*s HTTP/1.1\r\nHost: %.*s\r\n\r\n",
                                         SLICE_ARG(method), rooted ? "" : "/", SLICE_ARG(target),
                                         SLICE_ARG(authority));
        const struct http_limits limits = http_limits_default();
        struct h1_reader reader;
        size_t consumed;
        h1_reader_init(&reader, &limits, &walk->arena);
        if (h1_request_read(&reader, text, &consumed, &walk->head) != H1_DONE ||
            consumed < text.len)
                return error_set(err, ERROR_INPUT, "--request %s: answered %d (%s)",
                                 walk->place->request,
                                 reader.fault.status ? reader.fault.status : 400,
                                 reader.fault.token ? reader.fault.token : "more than one request");
        return true;
}

static bool port_select(struct walk *walk, struct error *err)
{
        const char *gateway = walk->place->gateway;
        struct slice name = strchr(gateway, '/')
                                    ? slice_of(gateway)
                                    : arena_printf(&walk->arena, "default/%s", gateway);
        for (size_t i = 0; i < walk->snapshot->port_count && !walk->port; i++) {
                const struct port *port = &walk->snapshot->ports[i];
                if (slice_equal(port->gateway, name) && port->number == walk->place->port)
                        walk->port = port;
        }
        return walk->port ? true
                          : error_set(err, ERROR_INPUT,
                                      "Gateway %.*s: no port %u is served (see `pingate check`)",
                                      SLICE_ARG(name), (unsigned)walk->place->port);
}

static void print_port(const struct walk *walk)
{
        const struct port *port = walk->port;
        const char *mode = !port->client                            ? "asks for no certificate"
                           : port->client->mode == ALLOW_VALID_ONLY ? "AllowValidOnly"
                                                                    : "AllowInsecureFallback";
        printf("at %.*s, Gateway %.*s, %s, %s\n", SLICE_ARG(port->text), SLICE_ARG(port->gateway),
               port->protocol == PORT_HTTPS ? "HTTPS" : "HTTP", mode);
}

/* The gates of a ClientHello. */
static bool hello_passes(struct walk *walk)
{
        enum reason reason = handshake_select(walk->port, walk->server_name, &walk->listener);
        struct slice name = walk->server_name.len ? walk->server_name : SLICE("(none)");
        if (reason != REASON_ACCEPTED) {
                const struct client_policy *client = walk->port->client;
                struct slice why = SLICE_NONE;
                if (client)
                        client_policy_is_closed(client, &why);
                printf("  NO   server name %.*s: %s%s%.*s (alert %d)\nrefused: %s\n",
                       SLICE_ARG(name), reason_says(reason), why.len ? "; " : "", SLICE_ARG(why),
                       reason_alert(reason), reason_token(reason));
                return false;
        }
        printf("  yes  server name %.*s: listener %.*s\n", SLICE_ARG(name),
               SLICE_ARG(walk->listener->name));
        return true;
}

static void print_identity(const struct verdict *verdict)
{
        if (verdict->pin_source[0])
                printf("%s  %s\n",
                       verdict->pinned ? "pinned by: " : "pins:      ", verdict->pin_source);
        if (verdict->pin_name[0])
                printf("name:        %s\n", verdict->pin_name);
        if (verdict->admitted && !verdict->verified)
                printf("identity:    none: Pingate-Client-Verify is %s%s\n",
                       verdict->reason == REASON_NO_CERTIFICATE ? "NONE" : "FAILED:",
                       verdict->reason == REASON_NO_CERTIFICATE ? ""
                                                                : reason_token(verdict->reason));
}

/* The gates of the certificate. */
static bool client_passes(const struct walk *walk, const struct chain *chain)
{
        const struct client_policy *client = walk->port->client;
        if (!client) {
                printf("  yes  client: this port does not ask for certificates\n");
                return true;
        }
        struct trust_store *store = trust_store_new(client->cas);
        struct judge_request request = {.policy = client,
                                        .chain = chain,
                                        .listener = walk->listener->index,
                                        .now = walk->place->now,
                                        .store = store};
        struct verdict verdict;
        judge(&request, &verdict);
        trust_store_free(store);
        explain_print_evidence(&verdict, stdout);
        print_identity(&verdict);
        explain_print_word(&verdict, stdout);
        return verdict.admitted;
}

/* Every backend that the rule can pick: one request would meet just one of them. */
static bool backends_pass(const struct walk *walk, const struct route_rule *rule)
{
        bool all = true;
        for (size_t i = 0; i < rule->backend_count; i++) {
                const struct backend *backend = NULL;
                struct route_rule one = *rule;
                one.backends = &rule->backends[i];
                one.backend_count = 1;
                one.weight_sum = rule->backends[i].weight;
                if (one.weight_sum == 0)
                        continue;
                struct exchange_gate gate =
                        exchange_gate_backend(walk->snapshot, &one, 0, &backend);
                struct slice name = backend ? backend->name : SLICE("not usable");
                if (gate.status)
                        printf("  NO   backend %.*s: answered %d (%s)\n", SLICE_ARG(name),
                               gate.status, gate.fault);
                else
                        printf("  yes  backend %.*s: %zu ready, weight %u of %llu\n",
                               SLICE_ARG(name), backend->endpoint_count, rule->backends[i].weight,
                               (unsigned long long)rule->weight_sum);
                all = all && gate.status == 0;
        }
        if (rule->weight_sum == 0)
                printf("  NO   backend: answered 500 (no_backend)\n");
        return all && rule->weight_sum > 0;
}

/* The gates of the request. */
static bool request_passes(const struct walk *walk)
{
        const struct listener *listener = NULL;
        const struct route_rule *rule = NULL;
        printf("then %s\n", walk->place->request);
        struct exchange_gate gate =
                exchange_gate_route(walk->port, walk->listener, &walk->head, &listener, &rule);
        if (listener)
                printf("  yes  host %.*s: listener %.*s\n", SLICE_ARG(walk->head.host),
                       SLICE_ARG(listener->name));
        if (gate.status) {
                printf("  NO   %s: answered %d (%s)\n", listener ? "rule" : "host", gate.status,
                       gate.fault);
                return false;
        }
        printf("  yes  rule of HTTPRoute %.*s%s%.*s\n", SLICE_ARG(rule->route),
               rule->name.len ? ", " : "", SLICE_ARG(rule->name));
        return backends_pass(walk, rule);
}

static int walk_gates(struct walk *walk, const struct chain *chain, struct error *err)
{
        if (!port_select(walk, err) || (walk->place->request && !request_read(walk, err))) {
                cli_fail(err);
                return EXIT_USAGE;
        }
        if (walk->place->sni)
                walk->server_name = slice_of(walk->place->sni);
        else if (walk->place->request)
                walk->server_name = walk->head.host;
        print_port(walk);
        if (walk->port->protocol == PORT_HTTPS &&
            !(hello_passes(walk) && client_passes(walk, chain)))
                return EXIT_FAILED;
        return !walk->place->request || request_passes(walk) ? EXIT_OK : EXIT_FAILED;
}

int explain_config(const struct explain_place *place, const struct chain *chain)
{
        struct objects *objects;
        struct translation *translation;
        struct error err;
        if (!source_files_read(place->paths, place->path_count, &objects, &err)) {
                cli_fail(&err);
                return EXIT_USAGE;
        }
        const struct translate_request request = {.objects = objects,
                                                  .generation = 1,
                                                  .now = place->now,
                                                  .require_pinning = place->require_pinning};
        bool ok = translate(&request, &translation, &err);
        objects_free(objects);
        if (!ok) {
                cli_fail(&err);
                return EXIT_USAGE;
        }
        struct walk walk = {.place = place, .snapshot = translation->snapshot};
        arena_init(&walk.arena, REQUEST_BYTES_MAX);
        int code = walk_gates(&walk, chain, &err);
        arena_done(&walk.arena);
        translation_free(translation);
        snapshot_reap();
        return code;
}
