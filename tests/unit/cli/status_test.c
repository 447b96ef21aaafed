/* `pingate status` against a real admin server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>

#include "capture.h"
#include "cli/cli.h"
#include "event/emit.h"
#include "observe/admin.h"
#include "observe/observe.h"
#include "observe/state.h"
#include "text/json.h"

static struct event_hub *hub;
static struct gateway_state *gateway;
static struct observer *observer;
static struct admin *admin;
static char address[32], out[65536];

static int setup(void **state)
{
        (void)state;
        struct error err;
        hub = event_hub_new(&(struct event_hub_options){.workers = 1, .ring_slots = 64}, &err);
        gateway = gateway_state_new(hub);
        observer = observer_start(&(struct observe_options){.quiet = true}, hub, &err);
        admin = admin_start(&(struct admin_options){.address = "127.0.0.1:0",
                                                    .hub = hub,
                                                    .state = gateway,
                                                    .observer = observer},
                            &err);
        snprintf(address, sizeof(address), "127.0.0.1:%d", admin ? admin_port(admin) : 0);
        return admin ? 0 : -1;
}

static int teardown(void **state)
{
        (void)state;
        admin_stop(admin);
        observer_stop(observer);
        gateway_state_free(gateway);
        event_hub_free(hub);
        return 0;
}

static void listeners_pins_and_generations_are_shown(void **state)
{
        (void)state;
        const struct state_condition programmed = {SLICE("Programmed"), SLICE("PortUnavailable"),
                                                   SLICE("taken\x1b[2J")};
        const struct state_listener listeners[] = {{.gateway = SLICE("edge/edge"),
                                                    .name = SLICE("https"),
                                                    .address = SLICE("0.0.0.0:8443"),
                                                    .protocol = SLICE("HTTPS"),
                                                    .mode = SLICE("AllowValidOnly"),
                                                    .conditions = {&programmed, 1},
                                                    .pinned = true,
                                                    .pins = 3,
                                                    .digest = {{0xab, 0xcd}}}};
        gateway_state_set_generation(gateway, &(struct state_generation){.number = 12,
                                                                         .pins = 3,
                                                                         .routes = 2,
                                                                         .published_ms = 1000,
                                                                         .listeners = listeners,
                                                                         .listener_count = 1});
        gateway_state_set_source_error(
                gateway,
                SLICE("config/edge.yaml:3: \x1b[31mClientCertificatePolicy default/partners: "
                      "spec.pins[2].spkiHash: 2 bytes, wants 32"));
        assert_int_equal(
                capture(cli_status, WORDS("status", "--admin", address), 1, out, sizeof(out)),
                EXIT_OK);
        assert_non_null(strstr(out, "generation  12, published 1970-01-01T00:00:01.000Z"));
        assert_non_null(
                strstr(out, "listener    edge/edge https on 0.0.0.0:8443, HTTPS, AllowValidOnly, "
                            "pinned (3 pins, abcd00000000), NOT SERVED (PortUnavailable): taken"));
        assert_non_null(strstr(out, "CAN'T BE READ since "));
        assert_non_null(strstr(out, "spec.pins[2].spkiHash: 2 bytes, wants 32\n"));
        assert_null(strchr(out, 0x1b)); /* nothing acts on the terminal */
        assert_int_equal(capture(cli_status, WORDS("status", "--admin", address, "-o", "json"), 1,
                                 out, sizeof(out)),
                         EXIT_OK);
        struct arena arena;
        arena_init(&arena, 65536);
        struct node *root;
        assert_true(json_parse(&arena, slice_of(out), "status", &root, NULL));
        arena_done(&arena);
}

static void a_refusal_is_shown_with_the_pin_that_would_admit(void **state)
{
        (void)state;
        struct handshake_facts h = {.reason = REASON_NOT_PINNED,
                                    .sni = SLICE("a\0b\n"),
                                    .leaf = {.subject = SLICE("CN=\x1b[2J")}};
        memset(h.leaf.spki.bytes, 0xff, DIGEST_BYTES);
        event_handshake(event_hub_sink(hub, 0), &h);
        event_sink_turn(event_hub_sink(hub, 0));
        /* The observe thread has its own pace; the test's time limit is the deadline. */
        do {
                assert_int_equal(capture(cli_status,
                                         WORDS("status", "--admin", address, "--refusals"), 1, out,
                                         sizeof(out)),
                                 EXIT_OK);
        } while (!strstr(out, "not_pinned"));
        assert_non_null(strstr(out, "pin: spki://////////////////////////////////////////8=\n"));
        assert_null(strchr(out, 0x1b));
}

static void what_report_only_lets_in_is_marked(void **state)
{
        (void)state;
        struct handshake_facts h = {.admitted = true,
                                    .verified = true,
                                    .report_only = REASON_NOT_PINNED,
                                    .report_scope = SLICE("ClientCertificatePolicy a/b")};
        struct request_facts r = {.reason = REASON_DENIED,
                                  .request_id = SLICE("1f2e"),
                                  .method = SLICE("GET"),
                                  .authority = SLICE("a.example"),
                                  .path = SLICE("/x")};
        event_handshake(event_hub_sink(hub, 0), &h);
        event_request(event_hub_sink(hub, 0), &r);
        event_sink_turn(event_hub_sink(hub, 0));
        do {
                assert_int_equal(capture(cli_status,
                                         WORDS("status", "--admin", address, "--refusals"), 1, out,
                                         sizeof(out)),
                                 EXIT_OK);
        } while (!strstr(out, "1f2e"));
        assert_non_null(strstr(out, "let in, but would be refused: not_pinned  sni -\n"
                                    "    by ClientCertificatePolicy a/b\n"));
        assert_non_null(strstr(out, "  denied  sni -\n    request 1f2e: GET a.example/x\n"));
}

static void a_gateway_that_is_not_there_is_one_line_and_exit_code_1(void **state)
{
        (void)state;
        assert_int_equal(
                capture(cli_status, WORDS("status", "--admin", "127.0.0.1:1"), 2, out, sizeof(out)),
                EXIT_FAILED);
        assert_non_null(strstr(out, "pingate: 127.0.0.1:1: no gateway answers there: "));
        assert_int_equal(
                capture(cli_status, WORDS("status", "--admin", "nonsense"), 2, out, sizeof(out)),
                EXIT_USAGE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(listeners_pins_and_generations_are_shown, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(a_refusal_is_shown_with_the_pin_that_would_admit,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(what_report_only_lets_in_is_marked, setup,
                                                teardown),
                cmocka_unit_test(a_gateway_that_is_not_there_is_one_line_and_exit_code_1),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
