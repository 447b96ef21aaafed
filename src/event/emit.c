#include "event/emit.h"

#include <stdarg.h>
#include <stdio.h>

#include "event/event.h"
#include "event/hub.h"

/* What a text may take of a record. The sum for each kind is at most EVENT_TEXT_BYTES (there is a
 * test), so no long name can push another field out. */
enum {
        MAX_SNI = 255,
        MAX_NAME = 127, /* pin names (design 1.2), namespace/name of an object */
        MAX_DN = 160,
        MAX_SERIAL = 40, /* 20 octets (RFC 5280, 4.1.2.2) in hex */
        MAX_TOKEN = 48,
        MAX_PATH = 384,
        MAX_LONG = 768,
        MAX_FAULTS = 1152,              /* rules for all kinds that an API server refuses */
        MAX_ISSUERS = 9 * DIGEST_BYTES, /* a path has 10 certificates at most (I10) */
};

static struct event *begin(struct event_sink *sink, struct event_ring *ring, enum event_kind kind,
                           int64_t time_ms)
{
        sink->unread = true;
        struct event *event = event_ring_reserve(ring);
        if (!event)
                return NULL;
        event->kind = kind;
        event->sink = sink->index;
        event->time_ms = time_ms ? time_ms : event_now_ms();
        return event;
}

static void put_handshake(struct event_ring *ring, struct event *event,
                          const struct handshake_facts *facts)
{
        struct handshake_facts *to = &event->handshake;
        *to = *facts;
        event_text_adopt(event, &to->sni, MAX_SNI);
        event_text_adopt(event, &to->pin_name, MAX_NAME);
        event_text_adopt(event, &to->leaf.serial, MAX_SERIAL);
        event_text_adopt(event, &to->tls_version, 8);
        event_text_adopt(event, &to->tls_cipher, MAX_TOKEN);
        event_text_adopt(event, &to->alpn, 16);
        event_text_adopt(event, &to->gateway, MAX_NAME);
        event_text_adopt(event, &to->listener, MAX_NAME);
        event_text_adopt(event, &to->leaf.subject, MAX_DN);
        event_text_adopt(event, &to->leaf.issuer, MAX_DN);
        event_text_adopt(event, &to->scope, MAX_NAME);
        event_text_adopt(event, &to->report_scope, MAX_NAME);
        event_text_adopt(event, &to->pin_owner, MAX_NAME);
        event_text_adopt(event, &to->issuers, MAX_ISSUERS);
        event_ring_commit(ring);
}

static void count_handshake(struct event_sink *sink, const struct handshake_facts *facts)
{
        struct worker_counters *c = &sink->counters;
        histogram_add(&c->handshake_us, facts->duration_us);
        if (facts->report_only != REASON_ACCEPTED)
                counter_add(&c->would_refuse[facts->report_only], 1);
        if (!facts->admitted) {
                counter_add(&c->handshakes_refused, 1);
                counter_add(&c->refused[facts->reason], 1);
        } else if (facts->verified) {
                counter_add(&c->handshakes_accepted, 1);
        } else {
                counter_add(&c->handshakes_unverified, 1);
        }
}

static void put_folded(struct event_sink *sink, enum fold_of of, enum reason reason, uint64_t count,
                       int64_t now_ms)
{
        static const enum event_kind kinds[] = {
                [FOLD_HANDSHAKES] = EVENT_HANDSHAKES_FOLDED,
                [FOLD_REQUESTS] = EVENT_REQUESTS_FOLDED,
                [FOLD_CONNECTIONS] = EVENT_CONNECTIONS_FOLDED,
        };
        if (count == 0)
                return;
        struct event *event = begin(sink, sink->ring, kinds[of], now_ms);
        if (!event)
                return;
        event->folded = (struct folded_facts){.reason = reason, .count = count};
        event_ring_commit(sink->ring);
}

/* True: it is to be written in full. */
static bool refusal_take(struct event_sink *sink, enum fold_of of, enum reason reason,
                         int64_t now_ms)
{
        uint64_t told;
        bool full = fold_take(&sink->folds[of][reason], now_ms, &told);
        put_folded(sink, of, reason, told, now_ms);
        if (!full && sink->folds_due_second == 0)
                sink->folds_due_second = now_ms / 1000;
        return full;
}

static void put_refusal(struct event_sink *sink, const struct handshake_facts *facts)
{
        int64_t now_ms = facts->time_ms ? facts->time_ms : event_now_ms();
        if (!refusal_take(sink, FOLD_HANDSHAKES, facts->reason, now_ms))
                return;
        struct event *event = begin(sink, sink->ring, EVENT_HANDSHAKE, now_ms);
        if (event)
                put_handshake(sink->ring, event, facts);
}

bool event_accept_has_room(struct event_sink *sink)
{
        return event_ring_has_room(sink->accepts);
}

void event_handshake_lossy(struct event_sink *sink, const struct handshake_facts *facts)
{
        count_handshake(sink, facts);
        if (!facts->admitted) {
                put_refusal(sink, facts);
                return;
        }
        struct event *event = begin(sink, sink->accepts, EVENT_HANDSHAKE, facts->time_ms);
        if (event)
                put_handshake(sink->accepts, event, facts);
}

bool event_handshake(struct event_sink *sink, const struct handshake_facts *facts)
{
        if (facts->admitted && !event_accept_has_room(sink))
                return false;
        event_handshake_lossy(sink, facts);
        return true;
}

static void count_request(struct event_sink *sink, const struct request_facts *facts)
{
        struct worker_counters *c = &sink->counters;
        struct counter *classes[] = {&c->requests_1xx, &c->requests_2xx, &c->requests_3xx,
                                     &c->requests_4xx, &c->requests_5xx};
        unsigned class = facts->status / 100U;
        counter_add(classes[class >= 1 && class <= 5 ? class - 1 : 4], 1);
        if (facts->reason != REASON_ACCEPTED)
                counter_add(&c->requests_refused[facts->reason], 1);
        if (facts->report_only != REASON_ACCEPTED)
                counter_add(&c->requests_would_refuse[facts->report_only], 1);
        if (facts->status == 421)
                counter_add(&c->requests_misdirected, 1);
        counter_add(&c->body_bytes_in, facts->bytes_in);
        counter_add(&c->body_bytes_out, facts->bytes_out);
        counter_add(&c->upstream_retries, facts->retries);
        histogram_add(&c->request_us, facts->duration_us);
        if (facts->upstream.family)
                histogram_add(&c->upstream_us, facts->upstream_us);
}

void event_request(struct event_sink *sink, const struct request_facts *facts)
{
        count_request(sink, facts);
        bool folded = facts->reason != REASON_ACCEPTED &&
                      !refusal_take(sink, FOLD_REQUESTS, facts->reason, event_now_ms());
        struct event *event = begin(sink, sink->ring, EVENT_REQUEST, facts->time_ms);
        if (!event)
                return;
        struct request_facts *to = &event->request;
        *to = *facts;
        to->folded = folded;
        event_text_adopt(event, &to->method, 24);
        event_text_adopt(event, &to->protocol, 8);
        event_text_adopt(event, &to->request_id, 64);
        event_text_adopt(event, &to->client_name, MAX_NAME);
        event_text_adopt(event, &to->fault, MAX_TOKEN);
        event_text_adopt(event, &to->route, MAX_NAME);
        event_text_adopt(event, &to->gateway, MAX_NAME);
        event_text_adopt(event, &to->listener, MAX_NAME);
        event_text_adopt(event, &to->authority, MAX_NAME);
        event_text_adopt(event, &to->path, MAX_PATH);
        event_text_adopt(event, &to->scope, MAX_NAME);
        event_text_adopt(event, &to->report_scope, MAX_NAME);
        event_text_adopt(event, &to->subject, MAX_DN);
        event_text_adopt(event, &to->issuers, MAX_ISSUERS);
        event_ring_commit(sink->ring);
}

void event_stream(struct event_sink *sink, const struct stream_facts *facts)
{
        struct event *event = begin(sink, sink->ring, EVENT_STREAM, facts->time_ms);
        if (!event)
                return;
        struct stream_facts *to = &event->stream;
        *to = *facts;
        event_text_adopt(event, &to->protocol, 24);
        event_text_adopt(event, &to->why, MAX_TOKEN);
        event_text_adopt(event, &to->fault, MAX_TOKEN);
        event_text_adopt(event, &to->request_id, 64);
        event_text_adopt(event, &to->client_name, MAX_NAME);
        event_text_adopt(event, &to->route, MAX_NAME);
        event_text_adopt(event, &to->gateway, MAX_NAME);
        event_text_adopt(event, &to->listener, MAX_NAME);
        event_text_adopt(event, &to->sni, MAX_SNI);
        event_ring_commit(sink->ring);
}

void event_connection_refused(struct event_sink *sink, const struct refused_facts *facts)
{
        int64_t now_ms = facts->time_ms ? facts->time_ms : event_now_ms();
        counter_add(&sink->counters.connections_refused, 1);
        if (!refusal_take(sink, FOLD_CONNECTIONS, facts->reason, now_ms))
                return;
        struct event *event = begin(sink, sink->ring, EVENT_CONNECTION_REFUSED, now_ms);
        if (!event)
                return;
        event->refused = *facts;
        event_text_adopt(event, &event->refused.gateway, MAX_NAME);
        event_ring_commit(sink->ring);
}

void event_connection_closed(struct event_sink *sink, const struct closed_facts *facts)
{
        struct event *event = begin(sink, sink->ring, EVENT_CONNECTION_CLOSED, facts->time_ms);
        if (!event)
                return;
        struct closed_facts *to = &event->closed;
        *to = *facts;
        event_text_adopt(event, &to->why, MAX_TOKEN);
        event_text_adopt(event, &to->client_name, MAX_NAME);
        event_text_adopt(event, &to->gateway, MAX_NAME);
        event_text_adopt(event, &to->listener, MAX_NAME);
        event_ring_commit(sink->ring);
}

void event_generation(struct event_sink *sink, const struct generation_facts *facts)
{
        struct event *event = begin(sink, sink->ring, EVENT_GENERATION_PUBLISHED, facts->time_ms);
        if (!event)
                return;
        event->generation = *facts;
        event_text_adopt(event, &event->generation.sources, MAX_LONG);
        event_ring_commit(sink->ring);
}

void event_pin_change(struct event_sink *sink, const struct pin_change_facts *facts)
{
        struct event *event = begin(sink, sink->ring, EVENT_PIN_CHANGED, facts->time_ms);
        if (!event)
                return;
        struct pin_change_facts *to = &event->pin_change;
        *to = *facts;
        event_text_adopt(event, &to->kind, MAX_TOKEN);
        event_text_adopt(event, &to->name, MAX_NAME);
        event_text_adopt(event, &to->owner, MAX_NAME);
        event_text_adopt(event, &to->object, 2 * MAX_NAME);
        event_text_adopt(event, &to->scope, 2 * MAX_NAME);
        event_ring_commit(sink->ring);
}

static void put_source(struct event_sink *sink, enum event_kind kind,
                       const struct source_facts *facts)
{
        struct event *event = begin(sink, sink->ring, kind, facts->time_ms);
        if (!event)
                return;
        event->source = *facts;
        event_text_adopt(event, &event->source.source, 2 * MAX_NAME);
        event_text_adopt(event, &event->source.text, MAX_FAULTS);
        event_ring_commit(sink->ring);
}

void event_source_error(struct event_sink *sink, const struct source_facts *facts)
{
        put_source(sink, EVENT_SOURCE_ERROR, facts);
}

void event_source_recovered(struct event_sink *sink, const struct source_facts *facts)
{
        put_source(sink, EVENT_SOURCE_RECOVERED, facts);
}

void event_lifecycle(struct event_sink *sink, const struct lifecycle_facts *facts)
{
        struct event *event = begin(sink, sink->ring, EVENT_LIFECYCLE, facts->time_ms);
        if (!event)
                return;
        event->lifecycle = *facts;
        event_text_adopt(event, &event->lifecycle.what, MAX_TOKEN);
        event_text_adopt(event, &event->lifecycle.detail, MAX_LONG);
        event_ring_commit(sink->ring);
}

void event_warning(struct event_sink *sink, const struct warning_facts *facts)
{
        struct event *event = begin(sink, sink->ring, EVENT_WARNING, facts->time_ms);
        if (!event)
                return;
        event->warning = *facts;
        event_text_adopt(event, &event->warning.where, 2 * MAX_NAME);
        event_text_adopt(event, &event->warning.text, MAX_LONG);
        event_ring_commit(sink->ring);
}

void event_lifecyclef(struct event_sink *sink, const char *what, const char *format, ...)
{
        char text[MAX_LONG];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        event_lifecycle(
                sink, &(struct lifecycle_facts){.what = slice_of(what), .detail = slice_of(text)});
}

void event_warningf(struct event_sink *sink, const char *where, const char *format, ...)
{
        char text[MAX_LONG];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        event_warning(sink,
                      &(struct warning_facts){.where = slice_of(where), .text = slice_of(text)});
}

static void tell_folds(struct event_sink *sink)
{
        int64_t now_ms = event_now_ms();
        if (now_ms / 1000 == sink->folds_due_second)
                return;
        sink->folds_due_second = 0;
        for (size_t i = 0; i < FOLD_COUNT * REASON_COUNT; i++) {
                enum fold_of of = (enum fold_of)(i / REASON_COUNT);
                enum reason reason = (enum reason)(i % REASON_COUNT);
                struct fold *fold = &sink->folds[of][reason];
                put_folded(sink, of, reason, fold_tell(fold, now_ms), now_ms);
                if (fold->counted > 0)
                        sink->folds_due_second = fold->second;
        }
}

void event_sink_turn(struct event_sink *sink)
{
        if (sink->folds_due_second != 0)
                tell_folds(sink);
        if (!sink->unread)
                return;
        sink->unread = false;
        event_hub_wake(sink->hub);
}
