/* The facts of design.md 6 and the alerts, through real handshakes with a real worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "world.h"

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static int call_with(struct world *world, const struct pki_cert *with, int version)
{
        return world_call(world, &(struct call){.with = with, .version = version});
}

static void a_pinned_client_is_let_in_over_both_versions(void **state)
{
        (void)state;
        struct world_config config = {0};
        struct world *world = world_start(&config);
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        config.pins = true;
        config.pinned[0] = robot;
        world_publish(world, &config);
        for (size_t i = 0; i < COUNT_OF(versions); i++)
                assert_int_equal(call_with(world, &robot, versions[i]), 200);
        assert_int_equal(world_backend_hits(world), 2);
        world_stop(world);
}

/* The worker's TLS contexts read keys with the few decoders of tls/library.h. */
static void a_client_with_a_key_of_any_allowed_kind_is_let_in(void **state)
{
        (void)state;
        static const char *const kinds[] = {"RSA:2048", "P-256",   "P-384",
                                            "P-521",    "ED25519", "ED448"};
        struct world *world = world_start(&(struct world_config){0});
        for (size_t i = 0; i < COUNT_OF(kinds); i++) {
                struct pki_cert robot = world_client(world, &(struct pki_spec){.key = kinds[i]});
                for (size_t v = 0; v < COUNT_OF(versions); v++)
                        assert_int_equal(call_with(world, &robot, versions[v]), 200);
        }
        world_stop(world);
}

static void every_refusal_sends_the_alert_of_its_reason(void **state)
{
        (void)state;
        struct world_config config = {0};
        struct world *world = world_start(&config);
        struct pki_spec valid = world_valid((struct pki_spec){0});
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        struct pki_cert revoked = world_client(world, &(struct pki_spec){.serial = 4711});
        const long serials[] = {4711};
        config.pins = true;
        config.pinned[0] = robot;
        config.crl = pki_crl(world_ca(world), serials, 1, time(NULL) - 60, time(NULL) + 600);
        world_publish(world, &config);
        struct pki_cert stranger = pki_make(NULL, &valid);
        struct pki_cert server_only = world_client(world, &(struct pki_spec){.eku = "serverAuth"});
        struct pki_cert weak = world_client(world, &(struct pki_spec){.key = "RSA:1024"});
        struct pki_cert old = world_client(
                world, &(struct pki_spec){.not_before = 1000000000, .not_after = 1000000001});
        struct pki_cert unpinned = world_client(world, &(struct pki_spec){.subject = "other"});
        const struct {
                const struct pki_cert *with;
                int alert_12, alert_13;
        } cases[] = {
                {NULL, 40, 116}, {&stranger, 48, 48}, {&server_only, 43, 43}, {&old, 45, 45},
                {&weak, 43, 43}, {&unpinned, 46, 46}, {&revoked, 44, 44},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                assert_int_equal(call_with(world, cases[i].with, TLS1_2_VERSION),
                                 -cases[i].alert_12);
                assert_int_equal(call_with(world, cases[i].with, TLS1_3_VERSION),
                                 -cases[i].alert_13);
        }
        assert_int_equal(call_with(world, &robot, TLS1_3_VERSION), 200);
        assert_int_equal(world_backend_hits(world), 1);
        world_stop(world);
}

static void a_pinned_certificate_that_is_only_sent_along_admits_nobody(void **state)
{
        (void)state;
        struct world_config config = {0};
        struct world *world = world_start(&config);
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        struct pki_cert thief = world_client(world, &(struct pki_spec){.subject = "thief"});
        config.pins = true;
        config.pinned[0] = robot;
        world_publish(world, &config);
        STACK_OF(X509) * layouts[] = {
                pki_stack(1, robot.x509),
                pki_stack(2, robot.x509, world_ca(world)->x509),
                pki_stack(2, world_ca(world)->x509, robot.x509),
        };
        for (size_t i = 0; i < COUNT_OF(layouts); i++)
                for (size_t v = 0; v < COUNT_OF(versions); v++)
                        assert_int_equal(world_call(world, &(struct call){.with = &thief,
                                                                          .chain = layouts[i],
                                                                          .version = versions[v]}),
                                         -46);
        assert_int_equal(world_backend_hits(world), 0);
        world_stop(world);
}

static void no_session_is_ever_resumed(void **state)
{
        (void)state;
        struct world *world = world_start(&(struct world_config){0});
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        char response[16384];
        for (size_t v = 0; v < COUNT_OF(versions); v++) {
                struct call call = {.with = &robot, .version = versions[v]};
                struct line line;
                assert_true(line_open(world, &call, &line));
                assert_int_equal(line_ask(&line, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", response,
                                          sizeof(response)),
                                 200);
                SSL_SESSION *session = SSL_get1_session(line.ssl);
                assert_false(SSL_SESSION_has_ticket(session));
                line_close(&line);
                call.resume = session;
                assert_true(line_open(world, &call, &line));
                assert_false(SSL_session_reused(line.ssl));
                line_close(&line);
                SSL_SESSION_free(session);
        }
        world_stop(world);
}

static void no_server_name_meets_a_weaker_port(void **state)
{
        (void)state;
        struct world *world = world_start(&(struct world_config){.hostname = "first.example"});
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        const char *known[] = {"first.example", "FIRST.example", "first.example."};
        const char *unknown[] = {NULL, "second.example", "x.first.example", "127.0.0.1"};
        for (size_t i = 0; i < COUNT_OF(known); i++) {
                assert_int_equal(world_call(world, &(struct call){.sni = known[i], .with = &robot}),
                                 200);
                assert_int_equal(world_call(world, &(struct call){.sni = known[i]}), -116);
        }
        for (size_t i = 0; i < COUNT_OF(unknown); i++)
                assert_int_equal(
                        world_call(world, &(struct call){.sni = unknown[i], .with = &robot}), -112);
        world_stop(world);
}

static void an_unusable_port_answers_with_access_denied(void **state)
{
        (void)state;
        struct world *world = world_start(
                &(struct world_config){.refuses_all = true, .mode = ALLOW_INSECURE_FALLBACK});
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        for (size_t v = 0; v < COUNT_OF(versions); v++)
                assert_int_equal(call_with(world, &robot, versions[v]), -49);
        world_stop(world);
}

static void an_unknown_alpn_is_refused(void **state)
{
        (void)state;
        struct world *world = world_start(&(struct world_config){0});
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        assert_int_equal(world_call(world, &(struct call){.with = &robot, .alpn = "\x03h99"}),
                         -120);
        assert_int_equal(world_call(world, &(struct call){.with = &robot, .alpn = "\x08http/1.1"}),
                         200);
        world_stop(world);
}

static void without_a_proof_of_the_key_a_pinned_certificate_is_nothing(void **state)
{
        (void)state;
        struct world *world = world_start(&(struct world_config){.mode = ALLOW_INSECURE_FALLBACK});
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        for (size_t v = 0; v < COUNT_OF(versions); v++) {
                assert_int_equal(call_with(world, NULL, versions[v]), 200);
                assert_int_equal(call_with(world, &robot, versions[v]), 200);
        }
        world_stop(world);
}

static void of_two_server_certificates_the_named_one_is_shown(void **state)
{
        (void)state;
        struct world_config config = {0};
        struct world *world = world_start(&config);
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        struct pki_cert servers[] = {
                world_client(world, &(struct pki_spec){.eku = "serverAuth", .san = "DNS:a.test"}),
                world_client(world, &(struct pki_spec){.eku = "serverAuth", .san = "DNS:b.test"}),
        };
        config.server = servers;
        config.server_count = 2;
        world_publish(world, &config);
        const char *names[] = {"a.test", "b.test"};
        for (size_t i = 0; i < 2; i++) {
                struct line line;
                assert_true(
                        line_open(world, &(struct call){.with = &robot, .sni = names[i]}, &line));
                X509 *shown = SSL_get0_peer_certificate(line.ssl);
                assert_int_equal(X509_cmp(shown, servers[i].x509), 0);
                line_close(&line);
        }
        world_stop(world);
}

static void accepted_and_refused_are_all_handshakes(void **state)
{
        (void)state;
        struct world *world = world_start(&(struct world_config){0});
        const struct worker_counters *counters = world_counters(world);
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        call_with(world, &robot, TLS1_3_VERSION);
        call_with(world, NULL, TLS1_2_VERSION);
        call_with(world, NULL, TLS1_3_VERSION);
        close(world_connect(world)); /* the peer closed */
        int plain = world_connect(world);
        char answer[64];
        assert_int_equal(write(plain, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27), 27);
        ssize_t n = read(plain, answer, sizeof(answer));
        assert_true(n <= 0 || memcmp(answer, "HTTP", 4) != 0); /* I22 */
        close(plain);
        int mute = world_connect(world); /* the deadline ends it */
        assert_int_equal(read(mute, answer, sizeof(answer)), 0);
        close(mute);
        world_drain(world);
        uint64_t decided = counter_get(&counters->handshakes_accepted) +
                           counter_get(&counters->handshakes_unverified) +
                           counter_get(&counters->handshakes_refused);
        assert_int_equal(counter_get(&counters->handshakes_started), 6);
        assert_int_equal(decided, 6);
        assert_int_equal(counter_get(&counters->refused[REASON_TIMEOUT]), 1);
        assert_int_equal(counter_get(&counters->refused[REASON_PEER_CLOSED]), 1);
        assert_int_equal(counter_get(&counters->refused[REASON_NO_CERTIFICATE]), 2);
        world_stop(world);
}

static void at_the_cap_the_oldest_handshake_goes(void **state)
{
        (void)state;
        struct world *world = world_start(&(struct world_config){.handshakes = 2});
        const struct worker_counters *counters = world_counters(world);
        int mute[4];
        char byte;
        for (size_t i = 0; i < COUNT_OF(mute); i++) {
                mute[i] = world_connect(world);
                while (counter_get(&counters->handshakes_started) <= i)
                        usleep(1000);
        }
        assert_int_equal(read(mute[0], &byte, 1), 0);
        assert_int_equal(read(mute[1], &byte, 1), 0);
        assert_int_equal(counter_get(&counters->refused[REASON_OVER_CAPACITY]), 2);
        assert_int_equal(counter_get(&counters->refused[REASON_TIMEOUT]), 0);
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        assert_int_equal(call_with(world, &robot, TLS1_3_VERSION), 200);
        for (size_t i = 0; i < COUNT_OF(mute); i++)
                close(mute[i]);
        world_stop(world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_pinned_client_is_let_in_over_both_versions),
                cmocka_unit_test(a_client_with_a_key_of_any_allowed_kind_is_let_in),
                cmocka_unit_test(every_refusal_sends_the_alert_of_its_reason),
                cmocka_unit_test(a_pinned_certificate_that_is_only_sent_along_admits_nobody),
                cmocka_unit_test(no_session_is_ever_resumed),
                cmocka_unit_test(no_server_name_meets_a_weaker_port),
                cmocka_unit_test(an_unusable_port_answers_with_access_denied),
                cmocka_unit_test(an_unknown_alpn_is_refused),
                cmocka_unit_test(without_a_proof_of_the_key_a_pinned_certificate_is_nothing),
                cmocka_unit_test(of_two_server_certificates_the_named_one_is_shown),
                cmocka_unit_test(at_the_cap_the_oldest_handshake_goes),
                cmocka_unit_test(accepted_and_refused_are_all_handshakes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
