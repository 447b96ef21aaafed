/* `pingate explain -c PATH… --gateway NS/NAME --port N`: a client and its request at the gates of a
 * configuration, each gate by the data plane's own function. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "cli/cli.h"
#include "cli/explain_story.h"
#include "control/source/files.h"
#include "control/translate/translate.h"
#include "http/h1.h"
#include "proxy/exchange_gate.h"
#include "proxy/handshake/handshake.h"
#include "proxy/stream_gate.h"

enum {
        REQUEST_BYTES_MAX = 64 * 1024
};

/* One client on its way. */
struct walk {
        const struct explain_place *place;
        const struct snapshot *snapshot;
        struct request_head head;
        struct arena arena;
        struct explain_story story;
};

/* What h1 readers would take for more than one field is no field. */
static bool headers_print(const struct explain_place *place, struct buffer *out, struct error *err)
{
        for (size_t i = 0; i < place->header_count; i++) {
                struct slice header = slice_of(place->headers[i]);
                if (slice_find(header, ':') == header.len ||
                    slice_find(header, '\r') + slice_find(header, '\n') < 2 * header.len)
                        return error_set(err, ERROR_USAGE,
                                         "--header: wants 'Name: value', on one line");
                if (!buffer_append(out, header) || !buffer_append(out, SLICE("\r\n")))
                        return error_set(err, ERROR_USAGE, "--header: more than %d bytes",
                                         REQUEST_BYTES_MAX);
        }
        return true;
}

/* "GET https://host/path" and the headers as the head that a client would send. */
static bool request_print(const struct explain_place *place, struct buffer *out, struct error *err)
{
        struct slice url = slice_of(place->request), method;
        bool two = slice_split(&url, ' ', &method);
        struct slice scheme =
                slice_starts_with(url, SLICE("https://")) ? SLICE("https://") : SLICE("http://");
        if (!two || !slice_starts_with(url, scheme))
                return error_set(err, ERROR_USAGE,
                                 "--request %s: wants something like 'GET https://host/path'",
                                 place->request);
        url = slice_skip(url, scheme.len);
        size_t end = 0;
        while (end < url.len && url.data[end] != '/' && url.data[end] != '?')
                end++;
        struct slice authority = slice_sub(url, 0, end), target = slice_skip(url, end);
        bool rooted = target.len > 0 && target.data[0] == '/';
        const struct slice parts[] = {method,    rooted ? SLICE(" ") : SLICE(" /"),
                                      target,    SLICE(" HTTP/1.1\r\nHost: "),
                                      authority, SLICE("\r\n")};
        bool fits = true;
        for (size_t i = 0; i < COUNT_OF(parts); i++)
                fits = fits && buffer_append(out, parts[i]);
        if (!fits)
                return error_set(err, ERROR_USAGE, "--request: more than %d bytes",
                                 REQUEST_BYTES_MAX);
        return headers_print(place, out, err);
}

/* By the gateway's own reader. */
static bool request_read(struct walk *walk, struct error *err)
{
        const struct http_limits limits = http_limits_default();
        struct h1_reader reader;
        struct buffer text;
        size_t consumed = 0;
        buffer_init(&text, REQUEST_BYTES_MAX);
        bool good = request_print(walk->place, &text, err);
        if (good && !buffer_append(&text, SLICE("\r\n")))
                good = error_set(err, ERROR_USAGE, "--header: too long");
        h1_reader_init(&reader, &limits, &walk->arena);
        if (good &&
            (h1_request_read(&reader, buffer_slice(&text), &consumed, &walk->head) != H1_DONE ||
             consumed < text.len))
                good = error_set(err, ERROR_INPUT, "--request %s: answered %d (%s)",
                                 walk->place->request,
                                 reader.fault.status ? reader.fault.status : 400,
                                 reader.fault.token ? reader.fault.token : "more than one request");
        buffer_done(&text);
        return good;
}

static bool port_select(struct walk *walk, struct error *err)
{
        const char *gateway = walk->place->gateway;
        struct slice name = strchr(gateway, '/')
                                    ? slice_of(gateway)
                                    : arena_printf(&walk->arena, "default/%s", gateway);
        for (size_t i = 0; i < walk->snapshot->port_count && !walk->story.port; i++) {
                const struct port *port = &walk->snapshot->ports[i];
                if (slice_equal(port->gateway, name) && port->number == walk->place->port)
                        walk->story.port = port;
        }
        return walk->story.port
                       ? true
                       : error_set(err, ERROR_INPUT,
                                   "Gateway %.*s: no port %u is served (see `pingate check`)",
                                   SLICE_ARG(name), (unsigned)walk->place->port);
}

/* The gates of a ClientHello. */
static bool hello_passes(struct explain_story *story)
{
        story->hello = handshake_select(story->port, story->server_name, &story->listener);
        return story->hello == REASON_ACCEPTED;
}

/* The gates of the certificate. */
static bool client_passes(struct walk *walk, const struct chain *chain)
{
        struct explain_story *story = &walk->story;
        const struct client_policy *client = story->port->client;
        if (!client)
                return true;
        struct trust_store *store = trust_store_new(client->cas);
        struct judge_request request = {.policy = client,
                                        .chain = chain,
                                        .listener = story->listener->index,
                                        .now = walk->place->now,
                                        .store = store};
        judge(&request, &story->verdict);
        trust_store_unref(store);
        story->judged = true;
        return story->verdict.admitted;
}

static bool answered(struct explain_story *story, const char *gate, int status, const char *fault)
{
        story->gate = gate;
        story->status = status;
        story->fault = fault;
        return false;
}

/* A redirect or a preflight: what the rule is for, and no refusal. */
static bool filters_answered(struct walk *walk, const struct redirect_request *request)
{
        struct explain_filters filters;
        explain_filters_apply(walk->story.rule, NULL, request, &walk->arena, &filters);
        if (filters.answer.status == 0)
                return false;
        walk->story.filters = filters;
        return true;
}

/* Every backend that the rule can pick. */
static bool backends_pass(struct walk *walk, const struct redirect_request *request)
{
        struct explain_story *story = &walk->story;
        const struct route_rule *rule = story->rule;
        struct explain_backend *list =
                ARENA_ARRAY(&walk->arena, struct explain_backend, rule->backend_count);
        bool all = true;
        for (size_t i = 0; i < rule->backend_count; i++) {
                const struct route_backend *target = &rule->backends[i];
                struct explain_backend *told = &list[story->backend_count];
                if (target->weight == 0)
                        continue;
                struct exchange_gate gate =
                        exchange_gate_backend(walk->snapshot, target, &told->backend);
                if (told->backend)
                        explain_filters_apply(rule, target, request, &walk->arena, &told->filters);
                told->weight = target->weight;
                if (told->filters.answer.status == 0) {
                        told->status = gate.status;
                        told->fault = gate.fault;
                }
                all = all && told->status == 0;
                story->backend_count++;
        }
        story->backends = list;
        return rule->weight_sum > 0 ? all : answered(story, "backend", 500, "no_backend");
}

/* The policies of the rule and of its route. */
static bool rule_passes(struct walk *walk)
{
        struct explain_story *story = &walk->story;
        story->policy = rule_policy_find(walk->snapshot, story->rule);
        struct standing *standing = story->judged ? standing_new(&story->verdict) : NULL;
        struct exchange_gate gate = exchange_gate_rule(walk->snapshot, story->rule, standing,
                                                       walk->place->now, &story->pins);
        free(standing);
        if (gate.status == 0)
                return true;
        bool pins = story->pins.reason != REASON_ACCEPTED;
        return answered(story, pins ? "pins" : "rule", gate.status, gate.fault);
}

/* The gates of the request. */
static bool request_passes(struct walk *walk)
{
        struct explain_story *story = &walk->story;
        struct route_found found = {0};
        story->asked = true;
        story->host = walk->head.host;
        struct exchange_gate gate = exchange_gate_route(story->port, story->listener, &walk->head,
                                                        &story->host_listener, &found);
        if (gate.status)
                return answered(story, story->host_listener ? "rule" : "host", gate.status,
                                gate.fault);
        story->rule = found.rule;
        const struct redirect_request request = {
                .head = &walk->head,
                .match = found.match,
                .scheme = story->port->protocol == PORT_TLS ? SLICE("https") : SLICE("http"),
                .listener_port = story->port->number,
        };
        return rule_passes(walk) &&
               (filters_answered(walk, &request) || backends_pass(walk, &request));
}

/* A request has no say where bytes are not read. */
static bool stream_passes(struct walk *walk)
{
        struct explain_story *story = &walk->story;
        return explain_stream_walk(walk->snapshot, story->listener, story->server_name,
                                   &walk->arena, &story->stream);
}

/* Before any TLS; false: it ends here, or is none. */
static bool goes_through(struct explain_story *story)
{
        bool through = false;
        if (story->port->protocol == PORT_TCP)
                story->listener = story->port->listeners;
        else if (story->port->passes_through)
                story->listener = explain_stream_peek(story->port, story->server_name, &through);
        else
                return false;
        story->through = through || !story->listener || story->port->protocol == PORT_TCP;
        return story->through;
}

static bool all_pass(struct walk *walk, const struct chain *chain)
{
        struct explain_story *story = &walk->story;
        if (goes_through(story))
                return stream_passes(walk);
        if (story->port->protocol == PORT_TLS &&
            !(hello_passes(story) && client_passes(walk, chain)))
                return false;
        if (story->listener && listener_is_of_streams(story->listener))
                return stream_passes(walk);
        return !walk->place->request || request_passes(walk);
}

static int walk_gates(struct walk *walk, const struct chain *chain, struct error *err)
{
        struct explain_story *story = &walk->story;
        if (!port_select(walk, err) || (walk->place->request && !request_read(walk, err))) {
                cli_fail(err);
                return EXIT_USAGE;
        }
        story->request = walk->place->request;
        if (walk->place->sni)
                story->server_name = slice_of(walk->place->sni);
        else if (walk->place->request)
                story->server_name = walk->head.host;
        story->passes = all_pass(walk, chain);
        if (walk->place->json)
                explain_story_print_json(story, stdout);
        else
                explain_story_print_text(story, stdout);
        return story->passes ? EXIT_OK : EXIT_FAILED;
}

int explain_config(const struct explain_place *place, const struct chain *chain)
{
        struct objects *objects;
        struct translation *translation;
        struct error err;
        if (!source_files_read(place->paths, place->path_count, NULL, &objects, &err)) {
                cli_fail(&err);
                return EXIT_USAGE;
        }
        const struct translate_request request = {.objects = objects,
                                                  .generation = 1,
                                                  .now = place->now,
                                                  .require_pinning = place->require_pinning};
        bool ok = translate(&request, &translation, &err);
        objects_unref(objects);
        if (!ok) {
                cli_fail(&err);
                return EXIT_USAGE;
        }
        struct walk walk = {.place = place,
                            .snapshot = translation->snapshot,
                            .story.snapshot = translation->snapshot};
        arena_init(&walk.arena, REQUEST_BYTES_MAX);
        int code = walk_gates(&walk, chain, &err);
        arena_done(&walk.arena);
        translation_free(translation);
        snapshot_reap();
        return code;
}
