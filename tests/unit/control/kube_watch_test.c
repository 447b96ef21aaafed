/* Calls that go on, and all that ends one: time, the connection, the client. */
#include "kube_world.h"

#include <curl/curl.h>

/* --- watches --- */

static void a_watch_is_told_as_it_comes(void **state)
{
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                struct seen *seen = watch(world, "/lines", 1000000, CANCEL);
                wait_for(world, &seen->lines, 5);
                assert_int_equal(seen->answers, 0);
                kube_call_cancel(seen->call);
                says(ask(world, "/echo", NOTHING), "/echo");
                assert_int_equal(seen->answers, 0);
                world_close(world);
        }
}

static void a_watch_that_has_heard_enough_ends(void **state)
{
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                struct seen *seen = watch(world, "/lines", 3, END);
                wait_for(world, &world->done, 1);
                assert_int_equal(seen->status, 0);
                assert_string_equal(seen->fault, "ended");
                world_close(world);
        }
}

static void a_cancelled_call_hears_nothing_more(void **state)
{
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                struct seen *seen = watch(world, "/big?bytes=200000", 0, CANCEL);
                wait_for(world, &seen->bytes, 1);
                size_t first = seen->bytes;
                says(ask(world, "/echo", NOTHING), "/echo");
                assert_int_equal(seen->bytes, first);
                assert_in_range(first, 1, CURL_MAX_WRITE_SIZE);
                assert_int_equal(seen->answers, 0);
                world_close(world);
        }
}

static void a_watch_that_ends_as_it_should_is_no_fault(void **state)
{
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                struct seen *seen = watch(world, "/one?then=", 1000, CANCEL);
                wait_for(world, &world->done, 1);
                assert_int_equal(seen->status, 200);
                assert_int_equal(seen->lines, 1);
                assert_int_equal(seen->body_len, 0);
                world_close(world);
        }
}

static void what_is_no_200_is_not_taken_for_events(void **state)
{
        (void)state;
        struct world *world = world_open(WITH_H2);
        struct seen *seen = watch(world, "/status?code=410&message=too%20old", 1, END);
        wait_for(world, &world->done, 1);
        assert_int_equal(seen->bytes, 0);
        assert_string_equal(seen->fault, "410 Gone: too old");
        world_close(world);
}

static void a_watch_may_cancel_itself_start_others_and_close_the_client(void **state)
{
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                struct seen *cancelled = watch(world, "/lines", 2, CANCEL);
                struct seen *starter = watch(world, "/lines", 2, START);
                wait_for(world, &world->done, 6);
                for (size_t i = 2; i < 8; i++)
                        assert_int_equal(world->seen[i].status, 200);
                assert_int_equal(cancelled->answers, 0);
                assert_true(cancelled->lines >= 2);
                starter->then = CLOSE;
                size_t lines = starter->lines;
                wait_for(world, &starter->lines, lines + 1);
                world->client = NULL;
                world_close(world);
        }
}

/* --- time --- */

static void silence_ends_a_call_and_bytes_put_it_off(void **state)
{
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                struct kube_request request = {.silence_ms = 2500, .on_bytes = on_bytes};
                struct seen *lively = start(world, "/lines", request);
                lively->lines_max = 1000000;
                struct seen *silent = start(world, "/one?then=silence", request);
                silent->lines_max = 1000000;
                wait_for(world, &world->done, 1);
                assert_int_equal(silent->answers, 1);
                assert_int_equal(silent->lines, 1);
                says(silent, "nothing was heard for 2500 ms");
                assert_int_equal(lively->answers, 0);
                world_close(world);
        }
}

static void a_call_has_its_time(void **state)
{
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                struct seen *seen = ask(world, "/never", (struct kube_request){.timeout_ms = 200});
                assert_int_equal(seen->status, 0);
                says(seen, "timed out");
                world_close(world);
        }
}

static void a_connection_that_breaks_ends_all_its_calls_at_once(void **state)
{
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                for (int i = 0; i < 20; i++)
                        watch(world, "/one?then=silence", 1000, CANCEL);
                for (int i = 0; i < 20; i++)
                        wait_for(world, &world->seen[i].lines, 1);
                start(world, "/drop", NOTHING);
                wait_for(world, &world->done, 21);
                for (int i = 0; i < 20; i++)
                        assert_int_equal(world->seen[i].status, 0);
                says(ask(world, "/echo", NOTHING), "/echo");
                world_close(world);
        }
}

static void a_server_that_leaves_loses_no_call(void **state)
{
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                struct seen *seen = watch(world, "/lines", 1000000, CANCEL);
                wait_for(world, &seen->lines, 1);
                says(ask(world, "/leave", NOTHING), "left");
                for (int i = 0; i < 10; i++)
                        start(world, "/echo", NOTHING);
                wait_for(world, &world->done, 11);
                for (size_t i = 2; i < 12; i++)
                        if (world->seen[i].status != 200) /* it may end, and must say so */
                                assert_true(strlen(world->seen[i].fault) > 0);
                says(ask(world, "/echo", NOTHING), "/echo");
                world_close(world);
        }
}

static void a_half_open_connection_is_not_asked_again(void **state)
{
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                says(ask(world, "/freeze", NOTHING), "frozen");
                struct seen *seen;
                do {
                        seen = ask(world, "/echo", (struct kube_request){.timeout_ms = 300});
                } while (seen->status == 200); /* until it has frozen */
                says(seen, "timed out");
                seen = ask(world, "/echo", (struct kube_request){.timeout_ms = 30000});
                assert_int_equal(seen->status, 200);
                world_close(world);
        }
}

/* --- ends --- */

static void closing_ends_calls_in_every_state_without_a_word(void **state)
{
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                start(world, "/echo", NOTHING);
                world_close(world); /* not even connected */
                world = world_open(door);
                struct seen *seen = watch(world, "/lines", 1000000, CANCEL);
                start(world, "/never", NOTHING);
                start(world, "/never",
                      (struct kube_request){.method = "PUT", .body = SLICE("secret")});
                wait_for(world, &seen->lines, 1);
                start(world, "/echo", NOTHING);
                world_close(world);
        }
        kube_client_close(NULL);
        kube_call_cancel(NULL);
}

static void on_done_closes(const struct kube_answer *answer, void *self)
{
        struct world *world = self;
        (void)answer;
        uv_stop(&world->loop);
        world->done++;
        kube_client_close(world->client);
        world->client = NULL;
}

static void the_client_may_be_closed_within_an_answer(void **state)
{
        (void)state;
        BOTH(door)
        {
                struct world *world = world_open(door);
                struct kube_request request = {.method = "GET",
                                               .path = SLICE("/echo"),
                                               .self = world,
                                               .on_done = on_done_closes};
                for (int i = 0; i < 10; i++)
                        kube_call_start(world->client, &request);
                wait_for(world, &world->done, 1);
                world_close(world);
                world = world_open(door);
                request.self = world;
                request.path = SLICE("/never");
                request.silence_ms = 50;
                kube_call_start(world->client, &request);
                kube_call_start(world->client, &request);
                wait_for(world, &world->done, 1);
                world_close(world);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_watch_is_told_as_it_comes),
                cmocka_unit_test(a_watch_that_has_heard_enough_ends),
                cmocka_unit_test(a_cancelled_call_hears_nothing_more),
                cmocka_unit_test(a_watch_that_ends_as_it_should_is_no_fault),
                cmocka_unit_test(what_is_no_200_is_not_taken_for_events),
                cmocka_unit_test(a_watch_may_cancel_itself_start_others_and_close_the_client),
                cmocka_unit_test(silence_ends_a_call_and_bytes_put_it_off),
                cmocka_unit_test(a_call_has_its_time),
                cmocka_unit_test(a_connection_that_breaks_ends_all_its_calls_at_once),
                cmocka_unit_test(a_server_that_leaves_loses_no_call),
                cmocka_unit_test(a_half_open_connection_is_not_asked_again),
                cmocka_unit_test(closing_ends_calls_in_every_state_without_a_word),
                cmocka_unit_test(the_client_may_be_closed_within_an_answer),
        };
        return cmocka_run_group_tests(tests, start_server, stop_server);
}
