/* What the client asks, whom, and what it makes of the answers: by HTTP/2 and without. */
#include "kube_world.h"

#include <fcntl.h>
#include <stdlib.h>

/* How often OpenSSL has looked for a CA of the system's. */
static int system_looks;

int stat(const char *restrict path, struct stat *restrict about)
{
        system_looks += strncmp(path, "/etc/ssl/", 9) == 0;
        return fstatat(AT_FDCWD, path, about, 0);
}

static void connections(struct world *world, char *out)
{
        struct seen *seen = ask(world, "/connections", NOTHING);
        assert_int_equal(seen->status, 200);
        snprintf(out, 16, "%.15s", seen->body);
}

/* --- what is asked --- */

static void a_call_says_who_we_are_and_nothing_else(void **state)
{
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                struct seen *seen = ask(world, "/echo?a=%2Fb&c=..", NOTHING);
                assert_int_equal(seen->status, 200);
                says(seen, door == WITH_H2 ? "\"HTTP/2\"" : "\"HTTP/1.1\"");
                says(seen, "\"target\": \"/echo?a=%2Fb&c=..\"");
                says(seen, "\"authorization\": \"Bearer t0ken\"");
                says(seen, "\"user-agent\": \"pingate/" PINGATE_VERSION "\"");
                says(seen, "\"accept\": \"application/json\"");
                says(seen, ports[door]);
                says(ask(world, "/echo", NOTHING), "\"cookie\": \"\"");
                world_close(world);
        }
}

static void a_body_is_sent_with_its_type(void **state)
{
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                struct seen *seen =
                        ask(world, "/echo",
                            (struct kube_request){.method = "PATCH",
                                                  .content_type = "application/merge-patch+json",
                                                  .body = SLICE("{\"a\":1}")});
                says(seen, "\"method\": \"PATCH\"");
                says(seen, "\"body\": \"{\\\"a\\\":1}\"");
                says(seen, "\"content-type\": \"application/merge-patch+json\"");
                seen = ask(world, "/echo",
                           (struct kube_request){.method = "PUT", .body = SLICE("{}")});
                says(seen, "\"content-type\": \"application/json\"");
                says(ask(world, "/echo", (struct kube_request){.method = "DELETE"}),
                     "\"method\": \"DELETE\"");
                says(ask(world, "/echo", (struct kube_request){.method = "POST"}),
                     "\"method\": \"POST\"");
                world_close(world);
        }
}

static void many_calls_share_one_connection_and_keep_their_answers(void **state)
{
        char before[16], after[16], wanted[48];
        (void)state;
        struct world *other = world_open(WITH_H2), *world = world_open(WITH_H2);
        connections(other, before);
        for (int i = 0; i < 90; i++) { /* none of them waits for the connection to be there */
                snprintf(wanted, sizeof(wanted), "/echo?i=%d", i);
                start(world, wanted, NOTHING);
        }
        wait_for(world, &world->done, 90);
        for (size_t i = 0; i < 90; i++) {
                snprintf(wanted, sizeof(wanted), "\"target\": \"/echo?i=%zu\"", i);
                says(&world->seen[i], wanted);
        }
        connections(other, after);
        assert_int_equal(strtol(after, NULL, 10), strtol(before, NULL, 10) + 1);
        world_close(world);
        world_close(other);
}

static void more_calls_than_a_connection_takes_are_all_answered(void **state)
{
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                for (int i = 0; i < 150; i++)
                        start(world, "/echo", NOTHING);
                wait_for(world, &world->done, 150);
                for (int i = 0; i < 150; i++)
                        assert_int_equal(world->seen[i].status, 200);
                world_close(world);
        }
}

/* --- whom it is asked of --- */

static void a_server_of_another_ca_is_refused(void **state)
{
        (void)state;
        struct world *world = world_open(WITH_H2);
        world->access.ca = read_pem("other.crt");
        struct seen *seen = ask(world, "/echo", NOTHING);
        assert_int_equal(seen->status, 0);
        says(seen, "https://127.0.0.1:");
        says(seen, "certificate");
        assert_int_equal(system_looks, 0);
        world_close(world);
}

static void a_server_of_another_name_is_refused(void **state)
{
        (void)state;
        struct world *world = world_open(NAMED);
        struct seen *seen = ask(world, "/echo", NOTHING);
        assert_int_equal(seen->status, 0);
        says(seen, "127.0.0.1");
        world_close(world);
}

static void a_server_can_have_another_name_than_its_address(void **state)
{
        char authority[32];
        (void)state;
        struct world *world = world_open(NAMED);
        world->access.server_name = SLICE("api.example.com");
        world_open_client(world);
        struct seen *seen = ask(world, "/echo", NOTHING);
        snprintf(authority, sizeof(authority), "\"host\": \"127.0.0.1:%s\"", ports[NAMED]);
        says(seen, authority);
        world->access.server_name = SLICE("other.example.com");
        world_open_client(world);
        seen = ask(world, "/echo", NOTHING);
        assert_int_equal(seen->status, 0);
        says(seen, "other.example.com");
        world_close(world);
}

static void a_client_certificate_is_shown(void **state)
{
        char certificate[4096];
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                says(ask(world, "/echo", NOTHING), "\"certificate\": false");
                struct slice pem = read_pem("client.crt");
                world->access.certificate =
                        slice_from(memcpy(certificate, pem.data, pem.len), pem.len);
                world->access.key = read_pem("client.key");
                world->access.token = SLICE_NONE;
                world_open_client(world);
                struct seen *seen = ask(world, "/echo", NOTHING);
                says(seen, "\"certificate\": true");
                says(seen, "\"authorization\": \"\"");
                world_close(world);
        }
}

static void a_server_that_is_not_there_is_named(void **state)
{
        (void)state;
        struct world *world = world_open(NOBODY);
        struct seen *seen = ask(world, "/echo", NOTHING);
        assert_int_equal(seen->status, 0);
        says(seen, "https://127.0.0.1:1: ");
        world_close(world);
}

/* --- what it answers --- */

static void a_refusal_says_what_the_status_object_says(void **state)
{
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                struct seen *seen =
                        ask(world, "/status?code=403&message=no%0Away&reason=Forbidden", NOTHING);
                assert_int_equal(seen->status, 403);
                assert_string_equal(seen->fault, "403 Forbidden: no way");
                seen = ask(world, "/status?code=409&reason=AlreadyExists", NOTHING);
                assert_string_equal(seen->fault, "409 Conflict: AlreadyExists");
                seen = ask(world, "/text?code=502&text=%3Ch1%3Ebad%0D%0A", NOTHING);
                assert_string_equal(seen->fault, "502: <h1>bad");
                seen = ask(world, "/status?code=418", NOTHING);
                assert_string_equal(seen->fault, "418");
                seen = ask(world, "/status?code=401", NOTHING);
                assert_string_equal(seen->fault, "401 Unauthorized");
                world_close(world);
        }
}

static void how_long_to_wait_is_passed_on(void **state)
{
        (void)state;
        struct world *world = world_open(WITH_H2);
        struct seen *seen = ask(world, "/status?code=429&retry=7", NOTHING);
        assert_int_equal(seen->status, 429);
        assert_int_equal(seen->retry_after_s, 7);
        seen = ask(world, "/status?code=429&retry=-7", NOTHING);
        assert_int_equal(seen->retry_after_s, 0);
        world_close(world);
}

static void a_redirect_is_an_answer_and_nothing_more(void **state)
{
        (void)state;
        struct world *world = world_open(WITH_H2);
        struct seen *seen = ask(world, "/redirect", NOTHING);
        assert_int_equal(seen->status, 302);
        says(seen, "302");
        world_close(world);
}

static void an_answer_has_a_maximum(void **state)
{
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                struct seen *seen =
                        ask(world, "/big?bytes=100001", (struct kube_request){.body_max = 100000});
                assert_int_equal(seen->status, 0);
                assert_int_equal(seen->body_len, 0);
                says(seen, "longer than 100000 bytes");
                seen = ask(world, "/big?bytes=100000", (struct kube_request){.body_max = 100000});
                assert_int_equal(seen->status, 200);
                assert_int_equal(seen->body_len, 100000);
                world_close(world);
        }
}

static void an_answer_has_16_mib_where_nothing_is_said(void **state)
{
        (void)state;
        struct world *world = world_open(WITHOUT_H2);
        struct seen *seen = ask(world, "/big?bytes=16777217", NOTHING);
        says(seen, "longer than 16777216 bytes");
        world_close(world);
}

static void half_an_answer_is_none(void **state)
{
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                struct seen *seen = ask(world, "/one?then=cut", NOTHING);
                assert_int_equal(seen->status, 0);
                assert_int_equal(seen->body_len, 0);
                assert_true(strlen(seen->fault) > 0);
                world_close(world);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_call_says_who_we_are_and_nothing_else),
                cmocka_unit_test(a_body_is_sent_with_its_type),
                cmocka_unit_test(many_calls_share_one_connection_and_keep_their_answers),
                cmocka_unit_test(more_calls_than_a_connection_takes_are_all_answered),
                cmocka_unit_test(a_server_of_another_ca_is_refused),
                cmocka_unit_test(a_server_of_another_name_is_refused),
                cmocka_unit_test(a_server_can_have_another_name_than_its_address),
                cmocka_unit_test(a_client_certificate_is_shown),
                cmocka_unit_test(a_server_that_is_not_there_is_named),
                cmocka_unit_test(a_refusal_says_what_the_status_object_says),
                cmocka_unit_test(how_long_to_wait_is_passed_on),
                cmocka_unit_test(a_redirect_is_an_answer_and_nothing_more),
                cmocka_unit_test(an_answer_has_a_maximum),
                cmocka_unit_test(an_answer_has_16_mib_where_nothing_is_said),
                cmocka_unit_test(half_an_answer_is_none),
        };
        return cmocka_run_group_tests(tests, start_server, stop_server);
}
