#include "observe/format.h"

#include "base/must.h"
#include "observe/format_field.h"
#include "text/base64.h"
#include "text/time.h"
#include "text/utf8.h"

static void begin(struct json_writer *w, int64_t time_ms, const char *token)
{
        char time[TIME_SIZE];
        json_begin_object(w);
        json_field_text(w, "time", time_print_ms(time_ms, time));
        json_field_text(w, "event", token);
}

static void reported(struct json_writer *w, enum reason reason, struct slice scope)
{
        if (reason == REASON_ACCEPTED)
                return;
        json_field_text(w, "report_only", reason_token(reason));
        field_known(w, "report_scope", scope);
}

static void handshake(struct json_writer *w, const struct handshake_facts *h)
{
        json_field_bool(w, "admitted", h->admitted);
        json_field_bool(w, "verified", h->verified);
        json_field_text(w, "reason", reason_token(h->reason));
        json_field_text(w, "says", reason_says(h->reason));
        reported(w, h->report_only, h->report_scope);
        field_address(w, "peer", &h->peer, true);
        field_known(w, "gateway", h->gateway);
        field_known(w, "listener", h->listener);
        field_known(w, "sni", h->sni);
        field_digest(w, "certificate_sha256", &h->leaf.certificate);
        field_spki(w, "spki_sha256", &h->leaf.spki);
        field_known(w, "serial", h->leaf.serial);
        field_known(w, "issuer", h->leaf.issuer);
        field_known(w, "subject", h->leaf.subject);
        if (h->leaf.not_after_s) {
                char time[TIME_SIZE];
                json_field_text(w, "not_after", time_print(h->leaf.not_after_s, time));
        }
        field_known(w, "pin_name", h->pin_name);
        field_known(w, "pin_owner", h->pin_owner);
        field_known(w, "renewal_of", h->renewal_of);
        field_known(w, "scope", h->scope);
        json_field_unsigned(w, "generation", h->generation);
        field_known(w, "tls_version", h->tls_version);
        field_known(w, "tls_cipher", h->tls_cipher);
        field_known(w, "alpn", h->alpn);
        json_field_unsigned(w, "connection", h->connection);
        json_field_unsigned(w, "duration_us", h->duration_us);
}

static void refused(struct json_writer *w, const struct refused_facts *r)
{
        json_field_bool(w, "admitted", false);
        json_field_text(w, "reason", reason_token(r->reason));
        json_field_text(w, "says", reason_says(r->reason));
        field_address(w, "peer", &r->peer, true);
        field_known(w, "gateway", r->gateway);
        json_field_unsigned(w, "generation", r->generation);
}

static void closed(struct json_writer *w, const struct closed_facts *c)
{
        field_known(w, "why", c->why);
        if (c->reason != REASON_ACCEPTED)
                json_field_text(w, "reason", reason_token(c->reason));
        field_address(w, "peer", &c->peer, true);
        field_known(w, "gateway", c->gateway);
        field_known(w, "listener", c->listener);
        field_known(w, "client_name", c->client_name);
        field_digest(w, "certificate_sha256", &c->certificate);
        field_spki(w, "spki_sha256", &c->spki);
        json_field_unsigned(w, "generation", c->generation);
        json_field_unsigned(w, "connection", c->connection);
        json_field_unsigned(w, "duration_us", c->duration_us);
        json_field_unsigned(w, "requests", c->requests);
        json_field_unsigned(w, "bytes_in", c->bytes_in);
        json_field_unsigned(w, "bytes_out", c->bytes_out);
}

static void request(struct json_writer *w, const struct request_facts *r)
{
        field_known(w, "http.request.method", r->method);
        field_known(w, "url.path", r->path);
        field_known(w, "server.address", r->authority);
        field_known(w, "network.protocol.version", r->protocol);
        json_field_unsigned(w, "http.response.status_code", r->status);
        field_address(w, "client.address", &r->client, false);
        if (r->client.family)
                json_field_unsigned(w, "client.port", r->client.port);
        json_field_unsigned(w, "http.request.body.size", r->bytes_in);
        json_field_unsigned(w, "http.response.body.size", r->bytes_out);
        json_field_unsigned(w, "duration_us", r->duration_us);
        field_address(w, "upstream.address", &r->upstream, true);
        if (r->upstream.family)
                json_field_unsigned(w, "upstream.duration_us", r->upstream_us);
        if (r->retries)
                json_field_unsigned(w, "http.request.resend_count", r->retries);
        field_known(w, "pingate.client.name", r->client_name);
        field_digest(w, "pingate.client.certificate_sha256", &r->certificate);
        field_spki(w, "pingate.client.spki_sha256", &r->spki);
        field_known(w, "pingate.gateway", r->gateway);
        field_known(w, "pingate.listener", r->listener);
        field_known(w, "http.route", r->route);
        field_known(w, "pingate.request_id", r->request_id);
        if (r->reason != REASON_ACCEPTED)
                json_field_text(w, "pingate.reason", reason_token(r->reason));
        field_known(w, "pingate.scope", r->scope);
        if (r->report_only != REASON_ACCEPTED)
                json_field_text(w, "pingate.report_only", reason_token(r->report_only));
        field_known(w, "pingate.report_scope", r->report_scope);
        field_known(w, "error.type", r->fault);
        json_field_unsigned(w, "pingate.generation", r->generation);
        json_field_unsigned(w, "pingate.connection", r->connection);
}

static void stream(struct json_writer *w, const struct stream_facts *s)
{
        field_known(w, "network.protocol.name", s->protocol);
        field_known(w, "tls.client.server_name", s->sni);
        field_address(w, "client.address", &s->client, false);
        if (s->client.family)
                json_field_unsigned(w, "client.port", s->client.port);
        json_field_unsigned(w, "pingate.bytes_in", s->bytes_in);
        json_field_unsigned(w, "pingate.bytes_out", s->bytes_out);
        json_field_unsigned(w, "duration_us", s->duration_us);
        field_address(w, "upstream.address", &s->upstream, true);
        field_known(w, "pingate.client.name", s->client_name);
        field_digest(w, "pingate.client.certificate_sha256", &s->certificate);
        field_spki(w, "pingate.client.spki_sha256", &s->spki);
        field_known(w, "pingate.gateway", s->gateway);
        field_known(w, "pingate.listener", s->listener);
        field_known(w, "pingate.route", s->route);
        field_known(w, "pingate.request_id", s->request_id);
        field_known(w, "pingate.why", s->why);
        field_known(w, "error.type", s->fault);
        json_field_unsigned(w, "pingate.generation", s->generation);
        json_field_unsigned(w, "pingate.connection", s->connection);
}

static void generation(struct json_writer *w, const struct generation_facts *g)
{
        json_field_unsigned(w, "generation", g->generation);
        field_digest(w, "digest", &g->digest);
        field_known(w, "sources", g->sources);
        json_field_unsigned(w, "listeners", g->listeners);
        json_field_unsigned(w, "routes", g->routes);
        json_field_unsigned(w, "pins", g->pins);
        json_field_unsigned(w, "pins_added", g->pins_added);
        json_field_unsigned(w, "pins_removed", g->pins_removed);
        json_field_unsigned(w, "build_us", g->build_us);
}

static void pin_change(struct json_writer *w, const struct pin_change_facts *p)
{
        json_field_unsigned(w, "generation", p->generation);
        json_field_text(w, "change", p->added ? "added" : "removed");
        json_field_bool(w, "deny", p->deny);
        field_known(w, "kind", p->kind);
        /* Certificates are written in hex and keys in base64, everywhere (design 1.4). */
        if (slice_is(p->kind, "cert"))
                field_digest(w, "digest", &p->digest);
        else
                field_spki(w, "digest", &p->digest);
        field_known(w, "name", p->name);
        field_known(w, "owner", p->owner);
        field_known(w, "object", p->object);
        field_known(w, "scope", p->scope);
}

static void fields(struct json_writer *w, const struct event *event)
{
        switch (event->kind) {
        case EVENT_HANDSHAKE:
                handshake(w, &event->handshake);
                break;
        case EVENT_HANDSHAKES_FOLDED:
        case EVENT_REQUESTS_FOLDED:
        case EVENT_CONNECTIONS_FOLDED:
                json_field_bool(w, "admitted", false);
                json_field_text(w, "reason", reason_token(event->folded.reason));
                json_field_unsigned(w, "count", event->folded.count);
                break;
        case EVENT_CONNECTION_REFUSED:
                refused(w, &event->refused);
                break;
        case EVENT_CONNECTION_CLOSED:
                closed(w, &event->closed);
                break;
        case EVENT_REQUEST:
                request(w, &event->request);
                break;
        case EVENT_STREAM:
                stream(w, &event->stream);
                break;
        case EVENT_GENERATION_PUBLISHED:
                generation(w, &event->generation);
                break;
        case EVENT_PIN_CHANGED:
                pin_change(w, &event->pin_change);
                break;
        case EVENT_SOURCE_ERROR:
        case EVENT_SOURCE_RECOVERED:
                field_known(w, "source", event->source.source);
                field_known(w, "says", event->source.text);
                json_field_unsigned(w, "generation", event->source.generation);
                break;
        case EVENT_LIFECYCLE:
                field_known(w, "what", event->lifecycle.what);
                field_known(w, "says", event->lifecycle.detail);
                break;
        case EVENT_WARNING:
                field_known(w, "where", event->warning.where);
                field_known(w, "says", event->warning.text);
                break;
        case EVENT_KIND_COUNT:
                must(event->kind < EVENT_KIND_COUNT);
        }
}

static bool end(struct json_writer *w, const struct event *event)
{
        json_field_unsigned(w, "worker", event->sink);
        if (event->truncated)
                json_field_bool(w, "truncated", true);
        json_end_object(w);
        return json_writer_done(w);
}

bool format_json(const struct event *event, struct buffer *out)
{
        struct json_writer w;
        json_writer_init(&w, out);
        begin(&w, event->time_ms, event_token(event->kind));
        fields(&w, event);
        return end(&w, event);
}

bool format_gap(int64_t time_ms, int sink, const char *what, uint64_t lost, struct buffer *out)
{
        struct json_writer w;
        json_writer_init(&w, out);
        begin(&w, time_ms, "gap");
        json_field_text(&w, "what", what);
        json_field_unsigned(&w, "lost", lost);
        if (sink >= 0)
                json_field_integer(&w, "worker", sink);
        json_end_object(&w);
        return json_writer_done(&w);
}

static bool people_generation(const struct generation_facts *g, struct buffer *out)
{
        char hex[DIGEST_HEX_SIZE];
        return buffer_printf(
                out,
                "generation %llu: %llu listeners, %llu routes, %llu pins (+%llu -%llu), "
                "digest %.12s",
                (unsigned long long)g->generation, (unsigned long long)g->listeners,
                (unsigned long long)g->routes, (unsigned long long)g->pins,
                (unsigned long long)g->pins_added, (unsigned long long)g->pins_removed,
                digest_hex(&g->digest, hex));
}

static bool people_pair(struct slice head, struct slice tail, struct buffer *out)
{
        return utf8_print(head, out) &&
               (tail.len == 0 || head.len == 0 || buffer_append(out, SLICE(": "))) &&
               utf8_print(tail, out);
}

static bool people_source(const struct event *event, struct buffer *out)
{
        if (!people_pair(event->source.source, event->source.text, out))
                return false;
        if (event->kind == EVENT_SOURCE_RECOVERED)
                return event->source.text.len > 0 ||
                       buffer_append(out, SLICE(": can be read again"));
        if (event->source.generation == 0)
                return true;
        return buffer_printf(out, " (generation %llu serves on)",
                             (unsigned long long)event->source.generation);
}

bool format_people(const struct event *event, struct buffer *out)
{
        if (!buffer_append(out, SLICE("pingate: ")))
                return false;
        switch (event->kind) {
        case EVENT_GENERATION_PUBLISHED:
                return people_generation(&event->generation, out);
        case EVENT_SOURCE_ERROR:
        case EVENT_SOURCE_RECOVERED:
                return people_source(event, out);
        case EVENT_LIFECYCLE:
                return people_pair(event->lifecycle.what, event->lifecycle.detail, out);
        case EVENT_WARNING:
                return buffer_append(out, SLICE("warning: ")) &&
                       people_pair(event->warning.where, event->warning.text, out);
        default:
                return buffer_append(out, slice_of(event_token(event->kind)));
        }
}

bool event_is_refusal(const struct event *event)
{
        return (event->kind == EVENT_HANDSHAKE && !event->handshake.admitted) ||
               (event->kind == EVENT_REQUEST && event->request.reason != REASON_ACCEPTED);
}

bool event_is_would_refuse(const struct event *event)
{
        if (event_is_refusal(event))
                return false;
        return (event->kind == EVENT_HANDSHAKE &&
                event->handshake.report_only != REASON_ACCEPTED) ||
               (event->kind == EVENT_REQUEST && event->request.report_only != REASON_ACCEPTED);
}

static void request_refused(struct json_writer *w, const struct request_facts *r)
{
        json_field_bool(w, "admitted", r->reason == REASON_ACCEPTED);
        json_field_text(w, "reason", reason_token(r->reason));
        json_field_text(w, "says", reason_says(r->reason));
        reported(w, r->report_only, r->report_scope);
        field_address(w, "peer", &r->client, true);
        field_known(w, "gateway", r->gateway);
        field_known(w, "listener", r->listener);
        field_known(w, "route", r->route);
        field_known(w, "method", r->method);
        field_known(w, "authority", r->authority);
        field_known(w, "path", r->path);
        field_known(w, "request_id", r->request_id);
        field_digest(w, "certificate_sha256", &r->certificate);
        field_spki(w, "spki_sha256", &r->spki);
        field_known(w, "subject", r->subject);
        field_known(w, "client_name", r->client_name);
        field_known(w, "scope", r->scope);
        json_field_unsigned(w, "generation", r->generation);
        json_field_unsigned(w, "connection", r->connection);
}

bool format_refusal(const struct event *event, struct buffer *out)
{
        if (event->kind != EVENT_REQUEST)
                return format_json(event, out);
        struct json_writer w;
        json_writer_init(&w, out);
        begin(&w, event->time_ms, "request_refused");
        request_refused(&w, &event->request);
        return end(&w, event);
}

bool format_pin_line(const struct event *refusal, struct buffer *out)
{
        const struct handshake_facts *h = &refusal->handshake;
        const struct request_facts *r = &refusal->request;
        bool handshake = refusal->kind == EVENT_HANDSHAKE, would = event_is_would_refuse(refusal);
        enum reason reason = handshake ? h->reason : r->reason;
        if (would)
                reason = handshake ? h->report_only : r->report_only;
        const struct digest *spki = handshake ? &h->leaf.spki : &r->spki;
        bool pin_would_help = reason == REASON_NOT_PINNED || reason == REASON_NO_USABLE_PIN ||
                              reason == REASON_PIN_IN_WRONG_LIST ||
                              reason == REASON_PIN_OUT_OF_WINDOW;
        if (!pin_would_help || digest_is_none(spki))
                return false;
        return buffer_append(out, SLICE("spki:")) &&
               base64_encode(slice_from(spki->bytes, DIGEST_BYTES), BASE64_STANDARD, out);
}
