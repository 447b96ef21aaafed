/* What the logs say is read back by a JSON reader, hostile text included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "event/emit.h"
#include "event/ring.h"
#include "observe/format.h"
#include "text/json.h"

struct fixture {
        struct event_hub *hub;
        struct arena arena;
        struct buffer out;
};

static int setup(void **state)
{
        struct fixture *f = NEW(struct fixture);
        struct error err;
        f->hub = event_hub_new(
                &(struct event_hub_options){.workers = 1, .ring_slots = 16, .accept_slots = 16},
                &err);
        arena_init(&f->arena, 65536);
        buffer_init(&f->out, 16384);
        *state = f;
        return f->hub ? 0 : -1;
}

static int teardown(void **state)
{
        struct fixture *f = *state;
        event_hub_free(f->hub);
        arena_done(&f->arena);
        buffer_done(&f->out);
        free(f);
        return 0;
}

/* The next event of the ring as JSON text in f->out, and read back. */
static struct node *logged(struct fixture *f, bool accepts)
{
        struct event_ring *ring = event_hub_ring(f->hub, 0, accepts);
        uint64_t lost;
        const struct event *event = event_ring_peek(ring, &lost);
        assert_non_null(event);
        buffer_clear(&f->out);
        assert_true(format_json(event, &f->out));
        event_ring_release(ring);
        assert_null(f->out.len ? memchr(f->out.data, '\n', f->out.len) : NULL);
        struct node *root;
        struct error err = {0};
        if (!json_parse(&f->arena, buffer_slice(&f->out), "log", &root, &err))
                fail_msg("%s: %.*s", err.text, SLICE_ARG(buffer_slice(&f->out)));
        return root;
}

#define assert_says(node, key, text) assert_true(slice_is(node_text(node, key), text))

static void a_handshake_is_told_with_both_digests_and_its_pin(void **state)
{
        struct fixture *f = *state;
        struct handshake_facts h = {.time_ms = 1793491200123,
                                    .admitted = true,
                                    .verified = true,
                                    .peer = {.family = 4, .port = 4711, .bytes = {192, 0, 2, 1}},
                                    .gateway = SLICE("edge/edge"),
                                    .listener = SLICE("https"),
                                    .sni = SLICE("api.example"),
                                    .pin_name = SLICE("acme-robot"),
                                    .pin_owner = SLICE("payments@acme.example"),
                                    .scope = SLICE("listener edge/edge/https"),
                                    .report_only = REASON_NOT_PINNED,
                                    .report_scope = SLICE("ClientCertificatePolicy edge/new"),
                                    .tls_version = SLICE("TLSv1.3"),
                                    .generation = 7,
                                    .connection = 42,
                                    .duration_us = 812};
        h.leaf = (struct leaf_facts){.serial = SLICE("0a1b"),
                                     .issuer = SLICE("CN=corp"),
                                     .subject = SLICE("CN=robot"),
                                     .not_after_s = 1793491200};
        memset(h.leaf.certificate.bytes, 0xab, DIGEST_BYTES);
        memset(h.leaf.spki.bytes, 0xff, DIGEST_BYTES);
        assert_true(event_handshake(event_hub_sink(f->hub, 0), &h));
        struct node *n = logged(f, true);
        assert_says(n, "event", "handshake");
        assert_says(n, "time", "2026-11-01T00:00:00.123Z");
        assert_says(n, "reason", "accepted");
        assert_says(n, "peer", "192.0.2.1:4711");
        assert_says(n, "sni", "api.example");
        assert_says(n, "certificate_sha256",
                    "abababababababababababababababababababababababababababababababab");
        assert_says(n, "spki_sha256", "//////////////////////////////////////////8=");
        assert_says(n, "not_after", "2026-11-01T00:00:00Z");
        assert_says(n, "pin_name", "acme-robot");
        assert_says(n, "pin_owner", "payments@acme.example");
        assert_says(n, "report_only", "not_pinned");
        assert_says(n, "report_scope", "ClientCertificatePolicy edge/new");
        assert_says(n, "generation", "7");
        assert_true(node_find(n, "admitted")->boolean);
        assert_null(node_find(n, "truncated"));
        assert_null(node_find(n, "alpn"));
}

static void no_text_from_outside_leaves_its_field(void **state)
{
        struct fixture *f = *state;
        static const struct slice hostile[] = {
                SLICE("\",\"admitted\":true,\"x\":\""),
                SLICE("a\nb\r{\"event\":\"handshake\"}"),
                SLICE("nul\0nul"),
                SLICE("\x1b[2Jclear"),
                SLICE("\xff\xfe not utf-8 \xc3"),
                SLICE("\\\\\\"),
                SLICE("\xe2\x80\xae turned around"),
                SLICE("</script>"),
        };
        for (size_t i = 0; i < COUNT_OF(hostile); i++) {
                const struct handshake_facts h = {
                        .reason = REASON_NOT_PINNED,
                        .sni = hostile[i],
                        .leaf = {.subject = hostile[i], .issuer = hostile[i]}};
                event_handshake(event_hub_sink(f->hub, 0), &h);
                struct node *n = logged(f, false);
                assert_false(node_find(n, "admitted")->boolean);
                assert_says(n, "event", "handshake");
                assert_says(n, "reason", "not_pinned");
                assert_int_equal(n->children[n->child_count - 1]->key.len, strlen("worker"));
        }
}

static void text_that_was_cut_is_marked(void **state)
{
        struct fixture *f = *state;
        static char big[65536];
        memset(big, '"', sizeof(big)); /* the worst: each doubles when escaped */
        struct slice s = slice_from(big, sizeof(big));
        event_handshake(event_hub_sink(f->hub, 0),
                        &(struct handshake_facts){.reason = REASON_EXPIRED,
                                                  .sni = s,
                                                  .gateway = s,
                                                  .leaf = {.subject = s, .issuer = s}});
        struct node *n = logged(f, false);
        assert_true(node_find(n, "truncated")->boolean);
        assert_int_equal(node_text(n, "sni").len, 255);
}

static void a_request_has_the_names_of_opentelemetry_and_no_query(void **state)
{
        struct fixture *f = *state;
        event_request(
                event_hub_sink(f->hub, 0),
                &(struct request_facts){.method = SLICE("GET"),
                                        .path = SLICE("/a/b"),
                                        .authority = SLICE("api.example"),
                                        .protocol = SLICE("2"),
                                        .status = 403,
                                        .client = {.family = 4, .port = 1, .bytes = {127, 0, 0, 1}},
                                        .client_name = SLICE("acme-robot"),
                                        .reason = REASON_NOT_PINNED,
                                        .report_only = REASON_PIN_OUT_OF_WINDOW,
                                        .fault = SLICE("route_not_pinned"),
                                        .bytes_in = 3,
                                        .bytes_out = 4,
                                        .duration_us = 5});
        struct node *n = logged(f, false);
        assert_says(n, "http.request.method", "GET");
        assert_says(n, "url.path", "/a/b");
        assert_null(node_find(n, "url.query"));
        assert_says(n, "server.address", "api.example");
        assert_says(n, "http.response.status_code", "403");
        assert_says(n, "client.address", "127.0.0.1");
        assert_says(n, "pingate.client.name", "acme-robot");
        assert_says(n, "pingate.reason", "not_pinned");
        assert_says(n, "pingate.report_only", "pin_out_of_window");
        assert_says(n, "error.type", "route_not_pinned");
}

static void every_kind_of_event_prints_as_json(void **state)
{
        struct fixture *f = *state;
        struct event_sink *sink = event_hub_sink(f->hub, 0);
        event_connection_closed(sink, &(struct closed_facts){.why = SLICE("pin_removed"),
                                                             .reason = REASON_NOT_PINNED});
        assert_says(logged(f, false), "why", "pin_removed");
        event_generation(sink, &(struct generation_facts){.generation = 3,
                                                          .pins_added = 2,
                                                          .sources = SLICE("edge.yaml")});
        assert_says(logged(f, false), "pins_added", "2");
        event_pin_change(sink,
                         &(struct pin_change_facts){.kind = SLICE("cert"),
                                                    .digest = {{1}},
                                                    .object = SLICE("ConfigMap edge/devices")});
        struct node *n = logged(f, false);
        assert_says(n, "change", "removed");
        assert_int_equal(node_text(n, "digest").len, 64);
        event_source_error(sink, &(struct source_facts){.source = SLICE("edge.yaml"),
                                                        .text = SLICE("line 3: tab")});
        assert_says(logged(f, false), "says", "line 3: tab");
        event_lifecyclef(sink, "ready", "on %d sockets", 4);
        assert_says(logged(f, false), "says", "on 4 sockets");
        event_warningf(sink, "edge", "sole pin");
        assert_says(logged(f, false), "where", "edge");
}

static void people_get_one_line_whatever_the_source_says(void **state)
{
        struct fixture *f = *state;
        event_source_error(event_hub_sink(f->hub, 0),
                           &(struct source_facts){.source = SLICE("edge.yaml"),
                                                  .text = SLICE("bad\npingate: ready\x1b[31m"),
                                                  .generation = 4});
        uint64_t lost;
        assert_true(
                format_people(event_ring_peek(event_hub_ring(f->hub, 0, false), &lost), &f->out));
        static const char wanted[] =
                "pingate: edge.yaml: bad\\npingate: ready\\u{1b}[31m (generation 4 serves on)";
        if (!slice_is(buffer_slice(&f->out), wanted))
                fail_msg("%.*s", SLICE_ARG(buffer_slice(&f->out)));
}

static void a_pin_line_is_given_only_where_a_pin_would_admit(void **state)
{
        struct fixture *f = *state;
        static struct event event = {.kind = EVENT_HANDSHAKE};
        struct handshake_facts *h = &event.handshake;
        h->reason = REASON_NOT_PINNED;
        assert_false(format_pin_line(&event, &f->out)); /* no leaf, no pin */
        memset(h->leaf.spki.bytes, 0xff, DIGEST_BYTES);
        assert_true(format_pin_line(&event, &f->out));
        assert_true(slice_is(buffer_slice(&f->out),
                             "spki://////////////////////////////////////////8="));
        const enum reason useless[] = {REASON_UNTRUSTED, REASON_EXPIRED, REASON_DENIED,
                                       REASON_WEAK_KEY, REASON_REVOKED};
        for (size_t i = 0; i < COUNT_OF(useless); i++) {
                h->reason = useless[i];
                assert_false(format_pin_line(&event, &f->out));
        }
        /* What ReportOnly let in: the reason that it had counts. */
        *h = (struct handshake_facts){
                .admitted = true, .report_only = REASON_DENIED, .leaf = h->leaf};
        assert_false(format_pin_line(&event, &f->out));
        h->report_only = REASON_PIN_OUT_OF_WINDOW;
        assert_true(format_pin_line(&event, &f->out));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_handshake_is_told_with_both_digests_and_its_pin,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(no_text_from_outside_leaves_its_field, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(text_that_was_cut_is_marked, setup, teardown),
                cmocka_unit_test_setup_teardown(
                        a_request_has_the_names_of_opentelemetry_and_no_query, setup, teardown),
                cmocka_unit_test_setup_teardown(every_kind_of_event_prints_as_json, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(people_get_one_line_whatever_the_source_says, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(a_pin_line_is_given_only_where_a_pin_would_admit,
                                                setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
