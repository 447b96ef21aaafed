#include "cli/explain_story.h"

#include "base/buffer.h"
#include "cli/explain_backend.h"
#include "cli/explain_rule.h"
#include "text/json.h"

enum {
        STORY_BYTES_MAX = 4 << 20
};

static const char *mode_name(const struct port *port)
{
        if (!port->client)
                return NULL;
        return port->client->mode == ALLOW_VALID_ONLY ? "AllowValidOnly" : "AllowInsecureFallback";
}

/* Of the listener, where one is known: ports of TLS may have HTTPS and streams. */
static const char *protocol_name(const struct explain_story *story)
{
        static const char *const names[] = {
                [LISTENER_HTTP] = "HTTP",
                [LISTENER_HTTPS] = "HTTPS",
                [LISTENER_TLS_TERMINATE] = "TLS",
                [LISTENER_TLS_PASSTHROUGH] = "TLS that goes through",
                [LISTENER_TCP] = "TCP",
        };
        if (story->listener)
                return names[story->listener->kind];
        return story->port->protocol == PORT_TLS ? "HTTPS" : "HTTP";
}

/* ---- for people ---- */

static void print_hello(const struct explain_story *story, FILE *out)
{
        struct slice name = story->server_name.len ? story->server_name : SLICE("(none)");
        if (story->hello == REASON_ACCEPTED) {
                fprintf(out, "  yes  server name %.*s: listener %.*s\n", SLICE_ARG(name),
                        SLICE_ARG(story->listener->name));
                return;
        }
        const struct client_policy *client = story->port->client;
        struct slice why = client ? client->refuses_why : SLICE_NONE;
        fprintf(out, "  NO   server name %.*s: %s%s%.*s (alert %d)\nrefused: %s\n", SLICE_ARG(name),
                reason_says(story->hello), why.len ? "; " : "", SLICE_ARG(why),
                reason_alert(story->hello), reason_token(story->hello));
}

static void print_report(enum reason reason, struct slice scope, FILE *out)
{
        if (reason != REASON_ACCEPTED)
                fprintf(out, "ReportOnly:  would be refused: %s (%s), by %.*s\n",
                        reason_says(reason), reason_token(reason), SLICE_ARG(scope));
}

static void print_client(const struct verdict *verdict, FILE *out)
{
        explain_print_evidence(verdict, out);
        if (verdict->pin_source[0])
                fprintf(out, "%s  %s\n",
                        verdict->pinned ? "pinned by: " : "pins:      ", verdict->pin_source);
        if (verdict->pin_name[0])
                fprintf(out, "name:        %s\n", verdict->pin_name);
        if (verdict->admitted)
                print_report(verdict->report_only, slice_of(verdict->report_source), out);
        if (verdict->admitted && !verdict->verified)
                fprintf(out, "identity:    none: Pingate-Client-Verify is %s%s\n",
                        verdict->reason == REASON_NO_CERTIFICATE ? "NONE" : "FAILED:",
                        verdict->reason == REASON_NO_CERTIFICATE ? ""
                                                                 : reason_token(verdict->reason));
        explain_print_word(verdict, out);
}

static struct slice backend_name(const struct explain_backend *backend)
{
        return backend->backend ? backend->backend->name : SLICE("not usable");
}

static void print_backend(const struct explain_backend *backend, uint64_t weight_sum, FILE *out)
{
        struct slice name = backend_name(backend);
        if (backend->status)
                fprintf(out, "  NO   backend %.*s: answered %d (%s)\n", SLICE_ARG(name),
                        backend->status, backend->fault);
        else
                fprintf(out, "  yes  backend %.*s: %zu ready, weight %u of %llu\n", SLICE_ARG(name),
                        backend->backend->endpoint_count, backend->weight,
                        (unsigned long long)weight_sum);
        if (backend->backend)
                explain_backend_print(backend->backend, out);
        explain_filters_print(&backend->filters, out);
}

static struct slice report_source(const struct pin_decision *pins)
{
        return pins->report_scope ? pins->report_scope->source : SLICE_NONE;
}

static void print_pins(const struct explain_story *story, FILE *out)
{
        const struct pin_decision *pins = &story->pins;
        struct slice name = pins->match.name;
        if (pins->reason != REASON_ACCEPTED)
                fprintf(out, "  NO   pins: %s (%s), by %.*s\n", reason_says(pins->reason),
                        reason_token(pins->reason), SLICE_ARG(pins->scope->source));
        else if (pins->scope)
                fprintf(out, "  yes  pins of the route: %.*s%s%.*s\n",
                        SLICE_ARG(pins->scope->source), name.len ? ", name " : "", SLICE_ARG(name));
        print_report(pins->report_only, report_source(pins), out);
}

static void print_rule(const struct explain_story *story, const struct route_rule *rule, FILE *out)
{
        fprintf(out, "  yes  rule of HTTPRoute %.*s%s%.*s\n", SLICE_ARG(rule->route),
                rule->name.len ? ", " : "", SLICE_ARG(rule->name));
        if (story->policy)
                print_pins(story, out);
        explain_rule_print(story->snapshot, rule, out);
        explain_filters_print(&story->filters, out);
        for (size_t i = 0; i < story->backend_count; i++)
                print_backend(&story->backends[i], rule->weight_sum, out);
}

static void print_request(const struct explain_story *story, FILE *out)
{
        fprintf(out, "then %s\n", story->request);
        if (story->host_listener)
                fprintf(out, "  yes  host %.*s: listener %.*s\n", SLICE_ARG(story->host),
                        SLICE_ARG(story->host_listener->name));
        if (story->rule)
                print_rule(story, story->rule, out);
        if (story->status)
                fprintf(out, "  NO   %s: answered %d (%s)\n", story->gate, story->status,
                        story->fault);
}

void explain_story_print_text(const struct explain_story *story, FILE *out)
{
        const struct port *port = story->port;
        bool https = port->protocol == PORT_TLS && !story->through;
        fprintf(out, "at %.*s, Gateway %.*s, %s, %s\n", SLICE_ARG(port->text),
                SLICE_ARG(port->gateway), protocol_name(story),
                mode_name(port) && !story->through ? mode_name(port) : "asks for no certificate");
        if (story->through && story->listener)
                fprintf(out, "  yes  listener %.*s: nobody is judged here\n",
                        SLICE_ARG(story->listener->name));
        if (https)
                print_hello(story, out);
        if (story->judged)
                print_client(&story->verdict, out);
        else if (https && story->hello == REASON_ACCEPTED)
                fprintf(out, "  yes  client: this port does not ask for certificates\n");
        if (story->stream.reached)
                explain_stream_print(&story->stream, out);
        if (story->asked)
                print_request(story, out);
}

/* ---- for programs ---- */

static void field_if(struct json_writer *w, const char *key, struct slice value)
{
        if (value.len > 0)
                json_field_string(w, key, value);
}

static void write_answer(struct json_writer *w, int status, const char *fault)
{
        if (status == 0)
                return;
        json_field_integer(w, "status", status);
        json_field_text(w, "fault", fault);
}

static void write_backends(struct json_writer *w, const struct explain_story *story)
{
        json_key(w, SLICE("backends"));
        json_begin_array(w);
        for (size_t i = 0; i < story->backend_count; i++) {
                const struct explain_backend *backend = &story->backends[i];
                json_begin_object(w);
                json_field_string(w, "name", backend_name(backend));
                json_field_unsigned(w, "ready",
                                    backend->backend ? backend->backend->endpoint_count : 0);
                json_field_unsigned(w, "weight", backend->weight);
                write_answer(w, backend->status, backend->fault);
                if (backend->backend)
                        explain_backend_write(backend->backend, w);
                explain_filters_write(&backend->filters, w);
                json_end_object(w);
        }
        json_end_array(w);
}

static void write_pins(struct json_writer *w, const struct pin_decision *pins)
{
        json_key(w, SLICE("pins"));
        json_begin_object(w);
        json_field_text(w, "reason", reason_token(pins->reason));
        if (pins->scope)
                json_field_string(w, "scope", pins->scope->source);
        if (pins->reason == REASON_ACCEPTED)
                field_if(w, "name", pins->match.name);
        if (pins->report_only != REASON_ACCEPTED) {
                json_field_text(w, "reportOnly", reason_token(pins->report_only));
                json_field_string(w, "reportScope", report_source(pins));
        }
        json_end_object(w);
}

static void write_request(struct json_writer *w, const struct explain_story *story)
{
        json_key(w, SLICE("request"));
        json_begin_object(w);
        json_field_string(w, "host", story->host);
        if (story->host_listener)
                json_field_string(w, "listener", story->host_listener->name);
        if (story->rule) {
                json_field_string(w, "route", story->rule->route);
                field_if(w, "rule", story->rule->name);
                explain_rule_write(story->snapshot, story->rule, w);
        }
        if (story->policy)
                write_pins(w, &story->pins);
        explain_filters_write(&story->filters, w);
        if (story->status)
                json_field_text(w, "gate", story->gate);
        write_answer(w, story->status, story->fault);
        write_backends(w, story);
        json_end_object(w);
}

static void write_handshake(struct json_writer *w, const struct explain_story *story)
{
        field_if(w, "serverName", story->server_name);
        if (story->listener)
                json_field_string(w, "listener", story->listener->name);
        enum reason reason = story->judged ? story->verdict.reason : story->hello;
        if (reason == REASON_ACCEPTED && !story->judged)
                reason = REASON_NO_CLIENT_AUTH;
        json_field_text(w, "reason", reason_token(reason));
        if (story->judged) {
                json_key(w, SLICE("certificate"));
                explain_write_verdict(w, &story->verdict);
        }
}

bool explain_story_print_json(const struct explain_story *story, FILE *out)
{
        const struct port *port = story->port;
        struct buffer buffer;
        struct json_writer w;
        buffer_init(&buffer, STORY_BYTES_MAX);
        json_writer_init(&w, &buffer);
        json_begin_object(&w);
        json_field_bool(&w, "passes", story->passes);
        json_field_string(&w, "gateway", port->gateway);
        json_field_string(&w, "address", port->text);
        json_field_text(&w, "protocol", protocol_name(story));
        if (mode_name(port) && !story->through)
                json_field_text(&w, "mode", mode_name(port));
        if (story->through) {
                field_if(&w, "serverName", story->server_name);
                if (story->listener)
                        json_field_string(&w, "listener", story->listener->name);
        } else if (port->protocol == PORT_TLS) {
                write_handshake(&w, story);
        }
        if (story->stream.reached)
                explain_stream_write(&story->stream, &w);
        if (story->asked)
                write_request(&w, story);
        json_end_object(&w);
        bool good = json_writer_done(&w) &&
                    fprintf(out, "%.*s\n", SLICE_ARG(buffer_slice(&buffer))) > 0;
        buffer_done(&buffer);
        return good;
}
