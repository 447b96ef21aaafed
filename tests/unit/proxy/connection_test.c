/* What becomes of open connections, through real workers and sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/connection_state.h"
#include "world.h"

static const char get[] = "GET / HTTP/1.1\r\nHost: first.example\r\n\r\n";

static void no_state_leads_back_to_serving(void **state)
{
        (void)state;
        for (enum connection_state from = CONNECTION_HANDSHAKING; from <= CONNECTION_CLOSED;
             from++) {
                assert_int_equal(connection_may_move(from, CONNECTION_SERVING),
                                 from == CONNECTION_HANDSHAKING);
                assert_false(connection_may_move(from, CONNECTION_HANDSHAKING));
                assert_int_equal(connection_may_move(from, CONNECTION_CLOSED),
                                 from != CONNECTION_CLOSED);
                assert_false(connection_may_move(CONNECTION_CLOSED, from));
        }
        assert_false(connection_may_move(CONNECTION_HANDSHAKING, CONNECTION_DRAINING));
        assert_false(connection_may_move(CONNECTION_LINGERING, CONNECTION_DRAINING));
}

static void a_connection_is_kept_for_the_next_request(void **state)
{
        (void)state;
        struct world *world = world_start(&(struct world_config){0});
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        char response[16384];
        struct line line;
        assert_true(line_open(world, &(struct call){.with = &robot}, &line));
        for (int i = 0; i < 3; i++)
                assert_int_equal(line_ask(&line, get, response, sizeof(response)), 200);
        assert_non_null(strstr(response, "pingate-client-verify: SUCCESS"));
        assert_non_null(strstr(response, "client-cert: :"));
        line_close(&line);
        assert_int_equal(counter_get(&world_counters(world)->connections_opened), 1);
        world_stop(world);
}

static void a_removed_pin_ends_the_open_connection(void **state)
{
        (void)state;
        struct world_config config = {.pins = true};
        struct world *world = world_start(&config);
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        struct pki_cert other = world_client(world, &(struct pki_spec){.subject = "other"});
        char response[16384];
        struct line line, kept;
        config.pinned[0] = robot;
        config.pinned[1] = other;
        world_publish(world, &config);
        assert_true(line_open(world, &(struct call){.with = &robot}, &line));
        assert_true(line_open(world, &(struct call){.with = &other}, &kept));
        assert_int_equal(line_ask(&line, get, response, sizeof(response)), 200);
        assert_int_equal(line_ask(&kept, get, response, sizeof(response)), 200);
        config.pinned[0] = other;
        config.pinned[1] = (struct pki_cert){0};
        world_publish(world, &config);
        assert_int_equal(line_ask(&line, get, response, sizeof(response)), 0);
        assert_int_equal(line_ask(&kept, get, response, sizeof(response)), 200);
        assert_int_equal(world_backend_hits(world), 3);
        assert_int_equal(world_call(world, &(struct call){.with = &robot}), -46);
        line_close(&line);
        line_close(&kept);
        world_stop(world);
}

static void a_port_that_goes_takes_its_connections_along(void **state)
{
        (void)state;
        struct world_config config = {0};
        struct world *world = world_start(&config);
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        char response[16384];
        struct line line;
        assert_true(line_open(world, &(struct call){.with = &robot}, &line));
        assert_int_equal(line_ask(&line, get, response, sizeof(response)), 200);
        config.no_port = true;
        world_publish(world, &config);
        assert_int_equal(line_ask(&line, get, response, sizeof(response)), 0);
        line_close(&line);
        config.no_port = false;
        world_publish(world, &config); /* and comes back */
        assert_int_equal(world_call(world, &(struct call){.with = &robot}), 200);
        world_stop(world);
}

static void a_client_without_identity_never_gets_one_later(void **state)
{
        (void)state;
        struct world_config config = {.mode = ALLOW_INSECURE_FALLBACK, .pins = true};
        struct world *world = world_start(&config);
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        struct pki_cert other = world_client(world, &(struct pki_spec){.subject = "other"});
        char response[16384];
        struct line line;
        config.pinned[0] = other;
        world_publish(world, &config);
        assert_true(line_open(world, &(struct call){.with = &robot}, &line));
        assert_int_equal(line_ask(&line, get, response, sizeof(response)), 200);
        assert_non_null(strstr(response, "pingate-client-verify: FAILED:"));
        config.pinned[1] = robot;
        world_publish(world, &config);
        assert_int_equal(line_ask(&line, get, response, sizeof(response)), 200);
        assert_non_null(strstr(response, "pingate-client-verify: FAILED:"));
        assert_null(strstr(response, "pingate-client-name"));
        line_close(&line);
        world_stop(world);
}

static size_t count_of(const char *text, const char *part)
{
        size_t count = 0;
        for (const char *at = text; (at = strstr(at, part)); at++)
                count++;
        return count;
}

static void only_the_verified_path_is_shown_to_backends(void **state)
{
        (void)state;
        struct world *world = world_start(&(struct world_config){.forward = 7});
        struct pki_cert issuing =
                world_client(world, &(struct pki_spec){.subject = "issuing", .ca = true});
        struct pki_spec spec = world_valid((struct pki_spec){
                .subject = "robot", .san = "URI:spiffe://test/robot,DNS:robot.test"});
        struct pki_cert robot = pki_make(&issuing, &spec);
        struct pki_cert other = world_client(world, &(struct pki_spec){.subject = "other"});
        char response[16384];
        struct line line;
        struct call call = {.with = &robot, .chain = pki_stack(2, other.x509, issuing.x509)};
        assert_true(line_open(world, &call, &line));
        assert_int_equal(line_ask(&line, get, response, sizeof(response)), 200);
        const char *chain = strstr(response, "client-cert-chain: :");
        assert_non_null(chain);
        char chain_line[8192];
        size_t len = strcspn(chain, "\r");
        memcpy(chain_line, chain, len);
        chain_line[len] = '\0';
        assert_int_equal(count_of(chain_line, ":, :"), 0); /* one certificate: the issuing CA's */
        assert_non_null(strstr(response, "Subject=\"CN=robot\""));
        assert_non_null(strstr(response, "URI=spiffe://test/robot"));
        assert_non_null(strstr(response, "DNS=robot.test"));
        line_close(&line);
        world_stop(world);
}

static void bytes_behind_a_refused_request_are_never_parsed(void **state)
{
        (void)state;
        struct world *world = world_start(&(struct world_config){0});
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        char response[16384];
        struct line line;
        assert_true(line_open(world, &(struct call){.with = &robot}, &line));
        assert_int_equal(line_ask(&line,
                                  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1x\r\n\r\n"
                                  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                  response, sizeof(response)),
                         400);
        assert_int_equal(line_ask(&line, get, response, sizeof(response)), 0);
        assert_int_equal(world_backend_hits(world), 0);
        line_close(&line);
        world_stop(world);
}

static void draining_answers_who_was_accepted_before(void **state)
{
        (void)state;
        struct world *world = world_start(&(struct world_config){0});
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        char response[16384];
        struct line line;
        assert_true(line_open(world, &(struct call){.with = &robot}, &line));
        while (counter_get(&world_counters(world)->connections_serving) == 0)
                usleep(1000);
        world_drain_begin(world);
        while (counter_get(&world_counters(world)->connections_draining) == 0)
                usleep(1000);
        assert_int_equal(line_ask(&line, get, response, sizeof(response)), 200);
        assert_non_null(strstr(response, "onnection: close"));
        line_close(&line);
        world_drain(world);
        world_stop(world);
}

static void who_does_not_read_the_answer_is_let_go(void **state)
{
        (void)state;
        struct world *world = world_start(&(struct world_config){0});
        const struct worker_counters *counters = world_counters(world);
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        static const char ask[] = "GET /endless HTTP/1.1\r\nHost: first.example\r\n\r\n";
        struct line line;
        assert_true(line_open(world, &(struct call){.with = &robot}, &line));
        assert_int_equal(SSL_write(line.ssl, ask, sizeof(ask) - 1), sizeof(ask) - 1);
        while (world_backend_hits(world) == 0)
                usleep(1000);
        for (int i = 0; counter_get(&counters->connections_serving) > 0; i++) {
                assert_true(i < 5000);
                usleep(1000);
        }
        line_close(&line);
        world_stop(world);
}

/* False: the connection has ended meanwhile. */
static bool update_keys(struct line *line, int times)
{
        for (int i = 0; i < times; i++) {
                if (SSL_key_update(line->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1 ||
                    SSL_do_handshake(line->ssl) != 1)
                        return false;
        }
        return true;
}

static void keys_may_be_updated_between_requests(void **state)
{
        (void)state;
        struct world *world = world_start(&(struct world_config){0});
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        char response[16384];
        struct line line;
        assert_true(
                line_open(world, &(struct call){.with = &robot, .version = TLS1_3_VERSION}, &line));
        for (int i = 0; i < 5; i++) {
                assert_true(update_keys(&line, 20));
                assert_int_equal(SSL_key_update(line.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
                assert_int_equal(line_ask(&line, get, response, sizeof(response)), 200);
        }
        line_close(&line);
        world_stop(world);
}

static void a_flood_of_key_updates_ends_its_connection(void **state)
{
        (void)state;
        struct world *world = world_start(&(struct world_config){0});
        const struct worker_counters *counters = world_counters(world);
        struct pki_cert robot = world_client(world, &(struct pki_spec){.subject = "robot"});
        struct line line;
        assert_true(
                line_open(world, &(struct call){.with = &robot, .version = TLS1_3_VERSION}, &line));
        update_keys(&line, 10000); /* all in vain from the 33rd on */
        for (int i = 0; counter_get(&counters->limit_refusals) == 0; i++) {
                assert_true(i < 5000);
                usleep(1000);
        }
        line_close(&line);
        assert_int_equal(world_call(world, &(struct call){.with = &robot}), 200);
        world_stop(world);
}

static void a_plain_port_serves_without_identity(void **state)
{
        (void)state;
        struct world *world = world_start(&(struct world_config){.plain = 1});
        char response[4096] = "";
        size_t len = 0;
        int fd = world_connect(world);
        static const char ask[] = "GET / HTTP/1.1\r\nHost: first.example\r\nConnection: close\r\n"
                                  "Pingate-Client-Name: robot\r\n\r\n";
        assert_int_equal(write(fd, ask, sizeof(ask) - 1), sizeof(ask) - 1);
        for (ssize_t n; (n = read(fd, response + len, sizeof(response) - 1 - len)) > 0;)
                len += (size_t)n;
        response[len] = '\0';
        assert_memory_equal(response, "HTTP/1.1 200", 12);
        assert_null(strstr(response, "client-name"));
        close(fd);
        world_stop(world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_state_leads_back_to_serving),
                cmocka_unit_test(a_connection_is_kept_for_the_next_request),
                cmocka_unit_test(a_removed_pin_ends_the_open_connection),
                cmocka_unit_test(a_port_that_goes_takes_its_connections_along),
                cmocka_unit_test(a_client_without_identity_never_gets_one_later),
                cmocka_unit_test(only_the_verified_path_is_shown_to_backends),
                cmocka_unit_test(bytes_behind_a_refused_request_are_never_parsed),
                cmocka_unit_test(draining_answers_who_was_accepted_before),
                cmocka_unit_test(who_does_not_read_the_answer_is_let_go),
                cmocka_unit_test(keys_may_be_updated_between_requests),
                cmocka_unit_test(a_flood_of_key_updates_ends_its_connection),
                cmocka_unit_test(a_plain_port_serves_without_identity),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
