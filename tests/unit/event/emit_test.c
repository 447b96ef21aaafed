#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "event/emit.h"
#include "event/event.h"
#include "event/ring.h"

static struct event_hub *hub_new(size_t accept_slots)
{
        struct error err;
        struct event_hub *hub = event_hub_new(
                &(struct event_hub_options){
                        .workers = 1, .ring_slots = 256, .accept_slots = accept_slots},
                &err);
        assert_non_null(hub);
        return hub;
}

static bool fd_readable(struct event_hub *hub)
{
        struct pollfd p = {.fd = event_hub_fd(hub), .events = POLLIN};
        return poll(&p, 1, 0) == 1;
}

static void handshakes_are_accepted_plus_refused_whatever_the_rings_drop(void **state)
{
        (void)state;
        struct event_hub *hub = hub_new(4);
        struct event_sink *sink = event_hub_sink(hub, 0);
        for (int i = 0; i < 1000; i++) {
                event_handshake_lossy(
                        sink, &(struct handshake_facts){.admitted = true, .verified = i % 2});
                event_handshake_lossy(sink, &(struct handshake_facts){.reason = REASON_NOT_PINNED});
                event_handshake_lossy(sink, &(struct handshake_facts){.reason = REASON_EXPIRED});
        }
        const struct worker_counters *c = event_hub_counters(hub, 0);
        assert_int_equal(counter_get(&c->handshakes_accepted), 500);
        assert_int_equal(counter_get(&c->handshakes_unverified), 500);
        assert_int_equal(counter_get(&c->handshakes_refused), 2000);
        assert_int_equal(counter_get(&c->refused[REASON_NOT_PINNED]), 1000);
        assert_int_equal(event_ring_lost(event_hub_ring(hub, 0, true)), 996);
        event_hub_free(hub);
}

static void strict_audit_learns_that_an_admission_can_not_be_recorded(void **state)
{
        (void)state;
        struct event_hub *hub = hub_new(2);
        struct event_sink *sink = event_hub_sink(hub, 0);
        const struct handshake_facts in = {.admitted = true, .verified = true};
        assert_true(event_handshake(sink, &in));
        assert_true(event_handshake(sink, &in));
        assert_false(event_accept_has_room(sink));
        assert_false(event_handshake(sink, &in));
        assert_true(event_handshake(sink, &(struct handshake_facts){.reason = REASON_AUDIT_FULL}));
        const struct worker_counters *c = event_hub_counters(hub, 0);
        assert_int_equal(counter_get(&c->handshakes_accepted), 2);
        assert_int_equal(counter_get(&c->handshakes_refused), 1);
        assert_int_equal(event_ring_lost(event_hub_ring(hub, 0, true)), 0);
        event_hub_free(hub);
}

static void a_flood_of_refusals_leaves_admissions_their_room(void **state)
{
        (void)state;
        struct event_hub *hub = hub_new(4);
        struct event_sink *sink = event_hub_sink(hub, 0);
        for (int i = 0; i < 100000; i++) {
                const struct handshake_facts out = {.reason = REASON_UNTRUSTED,
                                                    .time_ms = 1000 * (i + 1)};
                event_handshake(sink, &out);
        }
        assert_true(event_handshake(sink, &(struct handshake_facts){.admitted = true}));
        event_hub_free(hub);
}

static void folded_refusals_are_told_when_their_second_is_over(void **state)
{
        (void)state;
        struct event_hub *hub = hub_new(4);
        struct event_sink *sink = event_hub_sink(hub, 0);
        /* A second long past, so that the clock that turn asks is later. */
        for (int i = 0; i < EVENT_FOLD_FULL + 7; i++)
                event_handshake(sink, &(struct handshake_facts){.reason = REASON_UNTRUSTED,
                                                                .time_ms = 5000});
        event_sink_turn(sink);
        struct event_ring *ring = event_hub_ring(hub, 0, false);
        uint64_t lost;
        for (int i = 0; i < EVENT_FOLD_FULL; i++) {
                assert_int_equal(event_ring_peek(ring, &lost)->kind, EVENT_HANDSHAKE);
                event_ring_release(ring);
        }
        const struct event *event = event_ring_peek(ring, &lost);
        assert_int_equal(event->kind, EVENT_HANDSHAKES_FOLDED);
        assert_int_equal(event->folded.reason, REASON_UNTRUSTED);
        assert_int_equal(event->folded.count, 7);
        event_ring_release(ring);
        event_sink_turn(sink);
        assert_null(event_ring_peek(ring, &lost));
        event_hub_free(hub);
}

/* Of a flood each has its access record, and few stand in the audit log. */
static void a_flood_of_refused_requests_is_folded_too(void **state)
{
        (void)state;
        enum {
                FLOOD = 200
        };
        struct event_hub *hub = hub_new(1024);
        struct event_sink *sink = event_hub_sink(hub, 0);
        struct event_ring *ring = event_hub_ring(hub, 0, false);
        uint64_t lost, told = 0, full = 0, requests = 0;
        for (int i = 0; i < FLOOD; i++)
                event_request(sink, &(struct request_facts){.reason = REASON_NOT_PINNED});
        event_request(sink, &(struct request_facts){.status = 200});
        while (told + full < FLOOD + 1) {
                const struct event *event = event_ring_peek(ring, &lost);
                if (!event) {
                        event_sink_turn(sink);
                        usleep(1000);
                        continue;
                }
                if (event->kind == EVENT_REQUESTS_FOLDED) {
                        assert_int_equal(event->folded.reason, REASON_NOT_PINNED);
                        told += event->folded.count;
                } else {
                        requests++;
                        full += !event->request.folded;
                }
                event_ring_release(ring);
        }
        assert_int_equal(requests, FLOOD + 1);
        assert_true(full >= EVENT_FOLD_FULL + 1 && full <= 2 * EVENT_FOLD_FULL + 1);
        assert_int_equal(counter_get(&event_sink_counters(sink)->handshakes_refused), 0);
        event_hub_free(hub);
}

static void a_flood_of_refused_connections_is_folded_for_itself(void **state)
{
        (void)state;
        struct event_hub *hub = hub_new(1024);
        struct event_sink *sink = event_hub_sink(hub, 0);
        const struct refused_facts facts = {.reason = REASON_ADDRESS_OVER_CAPACITY,
                                            .time_ms = 5000}; /* long past */
        for (int i = 0; i < EVENT_FOLD_FULL + 7; i++)
                event_connection_refused(sink, &facts);
        event_sink_turn(sink);
        struct event_ring *ring = event_hub_ring(hub, 0, false);
        uint64_t lost;
        for (int i = 0; i < EVENT_FOLD_FULL; i++) {
                assert_int_equal(event_ring_peek(ring, &lost)->kind, EVENT_CONNECTION_REFUSED);
                event_ring_release(ring);
        }
        const struct event *event = event_ring_peek(ring, &lost);
        assert_int_equal(event->kind, EVENT_CONNECTIONS_FOLDED);
        assert_int_equal(event->folded.reason, REASON_ADDRESS_OVER_CAPACITY);
        assert_int_equal(event->folded.count, 7);
        event_ring_release(ring);
        assert_null(event_ring_peek(ring, &lost));
        const struct worker_counters *counters = event_sink_counters(sink);
        assert_int_equal(counter_get(&counters->connections_refused), EVENT_FOLD_FULL + 7);
        assert_int_equal(counter_get(&counters->handshakes_refused), 0);
        event_hub_free(hub);
}

/* Each field of `length` bytes of its own letter. */
static struct slice filled(char *bytes, char letter, size_t length)
{
        memset(bytes, letter, length);
        return slice_from(bytes, length);
}

static void no_long_text_pushes_another_field_out(void **state)
{
        (void)state;
        struct event_hub *hub = hub_new(4);
        static char big[13][70000];
        struct handshake_facts f = {.admitted = true};
        struct slice *fields[] = {&f.sni,          &f.pin_name,    &f.leaf.serial, &f.tls_version,
                                  &f.tls_cipher,   &f.alpn,        &f.gateway,     &f.listener,
                                  &f.leaf.subject, &f.leaf.issuer, &f.scope,       &f.pin_owner,
                                  &f.report_scope};
        for (size_t i = 0; i < COUNT_OF(fields); i++)
                *fields[i] = filled(big[i], (char)('a' + i), sizeof(big[i]));
        assert_true(event_handshake(event_hub_sink(hub, 0), &f));
        uint64_t lost;
        const struct event *event = event_ring_peek(event_hub_ring(hub, 0, true), &lost);
        assert_true(event->truncated);
        const struct handshake_facts *h = &event->handshake;
        assert_int_equal(h->sni.len, 255);
        assert_int_equal(h->pin_owner.len, 127);
        assert_int_equal(h->pin_owner.data[126], 'l');
        assert_int_equal(h->report_scope.len, 127);
        assert_int_equal(h->report_scope.data[126], 'm');
        assert_int_equal(h->leaf.subject.len, 160);
        assert_int_equal(h->sni.data[0], 'a');

        struct request_facts r = {.status = 200,
                                  .method = f.sni,
                                  .path = f.sni,
                                  .authority = f.sni,
                                  .protocol = f.sni,
                                  .client_name = f.sni,
                                  .gateway = f.sni,
                                  .listener = f.sni,
                                  .route = f.sni,
                                  .request_id = f.sni,
                                  .fault = f.sni,
                                  .scope = f.sni,
                                  .report_scope = f.sni,
                                  .subject = f.sni};
        event_request(event_hub_sink(hub, 0), &r);
        event = event_ring_peek(event_hub_ring(hub, 0, false), &lost);
        assert_int_equal(event->request.path.len, 384);
        assert_int_equal(event->request.scope.len, 127);
        assert_int_equal(event->request.report_scope.len, 127);
        assert_int_equal(event->request.subject.len, 160);
        event_hub_free(hub);
}

static void a_sleeping_consumer_is_woken_once(void **state)
{
        (void)state;
        struct event_hub *hub = hub_new(4);
        struct event_sink *sink = event_hub_control(hub);
        assert_true(event_hub_sleep(hub));
        event_sink_turn(sink);
        assert_false(fd_readable(hub)); /* nothing was written */
        event_warningf(sink, "here", "%d", 1);
        assert_false(fd_readable(hub)); /* only at the turn's end */
        event_sink_turn(sink);
        assert_true(fd_readable(hub));
        assert_false(event_hub_sleep(hub)); /* there is something to read */
        assert_false(fd_readable(hub));
        event_warningf(sink, "here", "%d", 2);
        event_sink_turn(sink);
        assert_false(fd_readable(hub)); /* the consumer is awake */
        event_hub_free(hub);
}

enum {
        WAKES = 20000
};

static void *warn_often(void *self)
{
        for (int i = 0; i < WAKES; i++) {
                event_warningf(self, "thread", "%d", i);
                event_sink_turn(self);
        }
        return NULL;
}

/* A lost wake-up would leave poll waiting for ever, and the test's own time limit ends it. */
static void no_wake_up_is_lost(void **state)
{
        (void)state;
        struct event_hub *hub = hub_new(4);
        pthread_t producer;
        pthread_create(&producer, NULL, warn_often, event_hub_control(hub));
        struct event_ring *ring = event_hub_ring(hub, 1, false);
        for (uint64_t seen = 0; seen < WAKES;) {
                uint64_t lost;
                const struct event *event = event_ring_peek(ring, &lost);
                seen += lost;
                if (event) {
                        event_ring_release(ring);
                        seen++;
                } else if (seen < WAKES && event_hub_sleep(hub)) {
                        struct pollfd p = {.fd = event_hub_fd(hub), .events = POLLIN};
                        assert_int_equal(poll(&p, 1, 10000), 1);
                }
        }
        pthread_join(producer, NULL);
        event_hub_free(hub);
}

static void requests_are_counted_by_class_and_by_time(void **state)
{
        (void)state;
        struct event_hub *hub = hub_new(4);
        const uint16_t statuses[] = {101, 200, 204, 302, 403, 421, 500, 999};
        for (size_t i = 0; i < COUNT_OF(statuses); i++)
                event_request(event_hub_sink(hub, 0), &(struct request_facts){.status = statuses[i],
                                                                              .duration_us = 700,
                                                                              .bytes_in = 3});
        const struct worker_counters *c = event_hub_counters(hub, 0);
        assert_int_equal(counter_get(&c->requests_2xx), 2);
        assert_int_equal(counter_get(&c->requests_4xx), 2);
        assert_int_equal(counter_get(&c->requests_5xx), 2);
        assert_int_equal(counter_get(&c->requests_misdirected), 1);
        assert_int_equal(counter_get(&c->body_bytes_in), 24);
        assert_int_equal(counter_get(&c->request_us.buckets[2]), 8);
        assert_int_equal(counter_get(&c->upstream_us.sum_us), 0);
        event_hub_free(hub);
}

static void addresses_print_as_people_write_them(void **state)
{
        (void)state;
        const struct {
                const char *text, *host, *full;
        } rows[] = {
                {"192.0.2.1", "192.0.2.1", "192.0.2.1:443"},
                {"::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1:443"},
                {"2001:db8::1", "2001:db8::1", "[2001:db8::1]:443"},
        };
        char out[EVENT_ADDRESS_SIZE];
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
                struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(443)};
                bool is_v6 = inet_pton(AF_INET6, rows[i].text, &v6.sin6_addr) == 1;
                inet_pton(AF_INET, rows[i].text, &v4.sin_addr);
                struct event_address a = event_address_of(is_v6 ? (void *)&v6 : (void *)&v4);
                assert_string_equal(event_address_print(&a, false, out), rows[i].host);
                assert_string_equal(event_address_print(&a, true, out), rows[i].full);
        }
        struct event_address none = event_address_of(NULL);
        assert_string_equal(event_address_print(&none, true, out), "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(handshakes_are_accepted_plus_refused_whatever_the_rings_drop),
                cmocka_unit_test(strict_audit_learns_that_an_admission_can_not_be_recorded),
                cmocka_unit_test(a_flood_of_refusals_leaves_admissions_their_room),
                cmocka_unit_test(folded_refusals_are_told_when_their_second_is_over),
                cmocka_unit_test(a_flood_of_refused_requests_is_folded_too),
                cmocka_unit_test(a_flood_of_refused_connections_is_folded_for_itself),
                cmocka_unit_test(no_long_text_pushes_another_field_out),
                cmocka_unit_test(a_sleeping_consumer_is_woken_once),
                cmocka_unit_test(no_wake_up_is_lost),
                cmocka_unit_test(requests_are_counted_by_class_and_by_time),
                cmocka_unit_test(addresses_print_as_people_write_them),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
