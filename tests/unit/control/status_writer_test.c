/* When a status is written, how often, and what an answer does to it: against a client, a store and
 * a Lease that are told what to say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/must.h"
#include "control/report/lease.h"
#include "control/report/status_writer.h"
#include "kube_calls.h"

enum {
        OBJECTS_MAX = 64,
        WAIT_MS = 10000,
        HEARD_MS = 100,
};

/* ---- what stands in ---- */

static bool leading;

static struct { /* the store */
        struct kube_entry entry;
        struct object object;
        char version[16], status[4096];
} held[OBJECTS_MAX];
static size_t held_count;

const struct kube_entry *kube_store_find(const struct kube_store *store, enum object_kind kind,
                                         struct slice namespace, struct slice name)
{
        (void)store;
        for (size_t i = 0; i < held_count; i++)
                if (held[i].object.kind == kind && slice_equal(held[i].object.name, name) &&
                    slice_equal(held[i].object.namespace, namespace))
                        return &held[i].entry;
        return NULL;
}

bool lease_leads(const struct lease *lease)
{
        (void)lease;
        return leading;
}

/* ---- the world ---- */

static uv_loop_t loop;
static struct status_writer *writer;
static struct object_status statuses[OBJECTS_MAX];
static char names[OBJECTS_MAX][16], ids[OBJECTS_MAX][32];
static struct parent_status parents[OBJECTS_MAX];

static void status_set(size_t at, enum object_kind kind, bool accepted)
{
        struct object_status *status = &statuses[at];
        snprintf(names[at], sizeof(names[at]), "o%zu", at);
        snprintf(ids[at], sizeof(ids[at]), "%s n/o%zu", object_kind_name(kind), at);
        *status = (struct object_status){.kind = kind,
                                         .id = slice_of(ids[at]),
                                         .namespace = SLICE("n"),
                                         .name = slice_of(names[at]),
                                         .generation = 1};
        condition_set(&status->conditions, "Accepted", accepted, "Accepted", SLICE("says so"));
        parents[at] = (struct parent_status){.group = SLICE(GROUP_GATEWAY),
                                             .kind = SLICE("Gateway"),
                                             .name = SLICE("g"),
                                             .conditions = status->conditions};
        status->parents.items = &parents[at];
        status->parents.count = kind == KIND_HTTP_ROUTE;
        held[at].object = (struct object){.kind = kind,
                                          .namespace = SLICE("n"),
                                          .name = slice_of(names[at]),
                                          .generation = 1};
        held[at].entry.object = &held[at].object;
        if (at >= held_count)
                held_count = at + 1;
}

static void store_set(size_t at, const char *version, const char *status)
{
        snprintf(held[at].version, sizeof(held[at].version), "%s", version);
        snprintf(held[at].status, sizeof(held[at].status), "%s", status);
        held[at].entry.resource_version = slice_of(held[at].version);
        held[at].entry.status = slice_of(held[at].status);
}

static void heard(size_t at)
{
        status_writer_heard(writer, held[at].object.kind, SLICE("n"), held[at].object.name);
}

static int setup(void **state)
{
        (void)state;
        struct status_writer_options options = {
                .side = {.loop = &loop, .lease = (struct lease *)(uintptr_t)1},
                .heard_ms = HEARD_MS};
        call_count = held_count = 0;
        leading = true;
        must(uv_loop_init(&loop) == 0);
        writer = status_writer_open(&options);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        status_writer_close(writer);
        uv_run(&loop, UV_RUN_DEFAULT);
        must(uv_loop_close(&loop) == 0);
        return 0;
}

static void give_all(size_t count)
{
        status_writer_begin(writer);
        for (size_t i = 0; i < count; i++)
                status_writer_give(writer, &statuses[i]);
        status_writer_end(writer);
}

static void turns(void)
{
        for (int i = 0; i < 20; i++)
                uv_run(&loop, UV_RUN_NOWAIT);
}

static void wait_for_calls(size_t count)
{
        uint64_t until = uv_hrtime() + WAIT_MS * 1000000ull;
        while (call_count < count && uv_hrtime() < until)
                uv_run(&loop, UV_RUN_ONCE);
        assert_int_equal(call_count, count);
}

static void on_over(uv_timer_t *timer)
{
        *(bool *)timer->data = true;
}

static void run_ms(uint64_t ms)
{
        uv_timer_t timer;
        bool over = false;
        must(uv_timer_init(&loop, &timer) == 0);
        timer.data = &over;
        must(uv_timer_start(&timer, on_over, ms, 0) == 0);
        while (!over)
                uv_run(&loop, UV_RUN_ONCE);
        uv_close((uv_handle_t *)&timer, NULL);
        uv_run(&loop, UV_RUN_NOWAIT);
}

/* The patch as an API server would have applied it, and the watch would tell. */
static void applied(size_t call, size_t at, const char *version)
{
        const char *status = strstr(calls[call].body, "\"status\":");
        assert_non_null(status);
        char text[4096];
        snprintf(text, sizeof(text), "%s", status + strlen("\"status\":"));
        text[strlen(text) - 1] = '\0';
        store_set(at, version, text);
}

static void one_gateway(void)
{
        status_set(0, KIND_GATEWAY, true);
        store_set(0, "7", "");
        give_all(1);
        turns();
}

/* ---- tests ---- */

static void a_status_is_written_once_and_not_again(void **state)
{
        (void)state;
        one_gateway();
        assert_int_equal(call_count, 1);
        assert_string_equal(calls[0].request.method, "PATCH");
        assert_string_equal(calls[0].path, "/apis/gateway.networking.k8s.io/v1/namespaces/n/"
                                           "gateways/o0/status?fieldManager=pingate");
        assert_string_equal(calls[0].request.content_type, "application/merge-patch+json");
        assert_non_null(strstr(calls[0].body, "{\"metadata\":{\"resourceVersion\":\"7\"},"
                                              "\"status\":{\"conditions\":[{"));
        answer(0, 200, "{\"metadata\":{\"resourceVersion\":\"8\"}}");
        applied(0, 0, "8");
        heard(0);
        turns();
        give_all(1);
        heard(0);
        turns();
        assert_int_equal(call_count, 1);
}

static void a_status_that_says_something_else_is_written_again(void **state)
{
        (void)state;
        one_gateway();
        applied(0, 0, "8");
        answer(0, 200, "");
        status_set(0, KIND_GATEWAY, false);
        give_all(1);
        turns();
        assert_int_equal(call_count, 2);
        assert_non_null(strstr(calls[1].body, "\"resourceVersion\":\"8\""));
        assert_non_null(strstr(calls[1].body, "\"status\":\"False\""));
}

static void what_somebody_else_did_to_ours_is_put_right(void **state)
{
        (void)state;
        one_gateway();
        answer(0, 200, "");
        applied(0, 0, "8");
        heard(0);
        turns();
        store_set(0, "9", "{}");
        heard(0);
        turns();
        assert_int_equal(call_count, 2);
}

static void nothing_is_written_upon_a_version_that_is_written_over(void **state)
{
        (void)state;
        one_gateway();
        answer(0, 200, "");
        status_set(0, KIND_GATEWAY, false);
        give_all(1); /* before the store has heard of the first */
        turns();
        assert_int_equal(call_count, 1);
        applied(0, 0, "8");
        heard(0);
        turns();
        assert_int_equal(call_count, 2);
        assert_non_null(strstr(calls[1].body, "\"resourceVersion\":\"8\""));
}

static void a_conflict_waits_for_the_newer_version(void **state)
{
        (void)state;
        one_gateway();
        answer(0, 409, "");
        turns();
        assert_int_equal(call_count, 1);
        store_set(0, "9", "");
        heard(0);
        turns();
        assert_int_equal(call_count, 2);
        assert_non_null(strstr(calls[1].body, "\"resourceVersion\":\"9\""));
}

static void a_conflict_with_what_is_heard_already_is_merged_anew_at_once(void **state)
{
        (void)state;
        one_gateway();
        store_set(0, "9", "");
        heard(0); /* while it is in flight */
        answer(0, 409, "");
        turns();
        assert_int_equal(call_count, 2);
        assert_non_null(strstr(calls[1].body, "\"resourceVersion\":\"9\""));
}

static void what_the_server_drops_is_not_written_for_ever(void **state)
{
        (void)state;
        one_gateway();
        answer(0, 200, "{\"metadata\":{\"name\":\"o0\",\"resourceVersion\":\"7\"}}");
        turns();
        give_all(1);
        turns();
        assert_int_equal(call_count, 1);
}

static void a_class_claims_what_the_cluster_can_hold(void **state)
{
        (void)state;
        status_set(0, KIND_GATEWAY_CLASS, true);
        status_set(1, KIND_GATEWAY, true);
        store_set(0, "7", "");
        store_set(1, "7", "");
        give_all(2);
        turns();
        assert_int_equal(call_count, 2);
        assert_non_null(strstr(calls[0].body, "\"HTTPRouteSchemeRedirect\""));
        assert_null(strstr(calls[0].body, "\"GatewayStaticAddresses\""));
        assert_null(strstr(calls[0].body, "\"HTTPRouteRetry"));
        for (size_t i = 0; i < 2; i++) {
                applied(i, i, "8");
                answer(i, 200, "");
                heard(i);
        }
        turns();
        status_writer_claim(writer, (struct features_ground){.pooled = true, .retry = true});
        turns();
        assert_int_equal(call_count, 3);
        assert_non_null(strstr(calls[2].body, "\"GatewayStaticAddresses\""));
        assert_non_null(strstr(calls[2].body, "\"HTTPRouteRetry\""));
        assert_non_null(strstr(calls[2].body, "\"HTTPRouteRetryBackendTimeout\""));
        assert_non_null(strstr(calls[2].body, "\"TLSRouteModeMixed\""));
}

static void what_is_not_installed_is_not_claimed(void **state)
{
        (void)state;
        status_set(0, KIND_GATEWAY_CLASS, true);
        store_set(0, "7", "");
        status_writer_claim(writer, (struct features_ground){.absent = BIT(KIND_TLS_ROUTE) |
                                                                       BIT(KIND_LISTENER_SET)});
        give_all(1);
        turns();
        assert_int_equal(call_count, 1);
        assert_non_null(strstr(calls[0].body, "\"TCPRoute\""));
        assert_null(strstr(calls[0].body, "\"TLSRoute"));
        assert_null(strstr(calls[0].body, "\"ListenerSet\""));
}

/* A watch that is being made anew. */
static void what_was_not_heard_of_in_time_is_looked_at_where_it_has_to_be(void **state)
{
        (void)state;
        one_gateway();
        answer(0, 200, "");
        run_ms(1000); /* written, and nothing else to say */
        assert_int_equal(call_count, 1);
        status_set(0, KIND_GATEWAY, false);
        give_all(1);
        turns();
        assert_int_equal(call_count, 2);
        answer(1, 409, "");
        wait_for_calls(3);
        answer(2, 200, "");
        status_set(0, KIND_GATEWAY, true); /* news, before it is heard of */
        give_all(1);
        turns();
        assert_int_equal(call_count, 3);
        wait_for_calls(4);
}

static void an_object_that_is_gone_is_left_alone(void **state)
{
        (void)state;
        one_gateway();
        answer(0, 404, "");
        turns();
        assert_int_equal(call_count, 1);
        held_count = 0;
        status_set(1, KIND_GATEWAY, true);
        held_count = 0; /* nothing is there at all */
        give_all(2);
        turns();
        assert_int_equal(call_count, 1);
}

static void another_generation_than_was_translated_is_not_told(void **state)
{
        (void)state;
        status_set(0, KIND_GATEWAY, true);
        store_set(0, "7", "");
        held[0].object.generation = 2;
        give_all(1);
        turns();
        assert_int_equal(call_count, 0);
        statuses[0].generation = 2;
        give_all(1);
        turns();
        assert_int_equal(call_count, 1);
        assert_non_null(strstr(calls[0].body, "\"observedGeneration\":2"));
}

static void only_the_leader_writes(void **state)
{
        (void)state;
        leading = false;
        one_gateway();
        heard(0);
        turns();
        assert_int_equal(call_count, 0);
        leading = true;
        status_writer_look_again(writer);
        turns();
        assert_int_equal(call_count, 1);
}

static void who_no_longer_leads_begins_no_more_writes(void **state)
{
        (void)state;
        for (size_t i = 0; i < 40; i++) {
                status_set(i, KIND_HTTP_ROUTE, true);
                store_set(i, "1", "");
        }
        give_all(40);
        turns();
        leading = false;
        answer(0, 200, "");
        turns();
        assert_int_equal(call_count, STATUS_ROUTES_MAX);
}

static void few_writes_are_in_flight_and_gateways_go_first(void **state)
{
        (void)state;
        for (size_t i = 0; i < 50; i++) {
                status_set(i, i >= 30 ? KIND_GATEWAY : KIND_HTTP_ROUTE, true);
                store_set(i, "1", "");
        }
        give_all(50);
        turns();
        assert_int_equal(call_count, STATUS_WRITES_MAX);
        for (size_t i = 0; i < STATUS_WRITES_MAX; i++)
                assert_non_null(strstr(calls[i].path, "/gateways/"));
        answer(3, 200, "");
        turns();
        assert_int_equal(call_count, STATUS_WRITES_MAX + 1);
}

static void routes_leave_room_for_gateways(void **state)
{
        (void)state;
        for (size_t i = 0; i < 30; i++) {
                status_set(i, KIND_HTTP_ROUTE, true);
                store_set(i, "1", "");
        }
        give_all(30);
        turns();
        assert_int_equal(call_count, STATUS_ROUTES_MAX);
        status_set(30, KIND_GATEWAY, true);
        store_set(30, "1", "");
        give_all(31);
        turns();
        assert_int_equal(call_count, STATUS_ROUTES_MAX + 1);
        assert_non_null(strstr(calls[STATUS_ROUTES_MAX].path, "/gateways/"));
        answer(0, 200, "");
        turns(); /* as many as before are still in flight */
        assert_int_equal(call_count, STATUS_ROUTES_MAX + 1);
        answer(1, 200, "");
        turns();
        assert_int_equal(call_count, STATUS_ROUTES_MAX + 2);
}

static void a_server_that_is_busy_is_left_alone_for_a_while(void **state)
{
        (void)state;
        static const int busy[] = {429, 503, 0};
        one_gateway();
        for (size_t i = 0; i < COUNT_OF(busy); i++) {
                uint64_t since = uv_hrtime();
                answer(i, busy[i], "");
                turns();
                assert_int_equal(call_count, i + 1);
                wait_for_calls(i + 2);
                assert_true(uv_hrtime() - since > STATUS_PAUSE_MS / 3 * 1000000ull);
        }
}

static void who_says_when_to_come_again_is_heard(void **state)
{
        (void)state;
        struct kube_answer later = {.status = 429, .fault = SLICE("no"), .retry_after_s = 1};
        uint64_t since = uv_hrtime();
        one_gateway();
        calls[0].request.on_done(&later, calls[0].request.self);
        wait_for_calls(2);
        assert_true(uv_hrtime() - since >= 900 * 1000000ull);
}

static void an_object_that_is_refused_holds_up_no_other(void **state)
{
        (void)state;
        for (size_t i = 0; i < 2; i++) {
                status_set(i, KIND_GATEWAY, true);
                store_set(i, "1", "");
        }
        give_all(1);
        turns();
        answer(0, 422, "");
        give_all(2);
        turns();
        assert_int_equal(call_count, 2);
        assert_non_null(strstr(calls[1].path, "/o1/"));
        wait_for_calls(3); /* it is tried again */
        assert_non_null(strstr(calls[2].path, "/o0/"));
}

static void who_is_not_given_any_more_is_forgotten(void **state)
{
        (void)state;
        status_set(1, KIND_GATEWAY, true);
        store_set(1, "1", "");
        one_gateway();
        assert_int_equal(call_count, 1);
        give_all(0);
        assert_true(calls[0].over); /* in flight, and abandoned */
        heard(0);
        turns();
        assert_int_equal(call_count, 1);
}

static void routes_that_name_nobody_of_ours_are_not_touched(void **state)
{
        (void)state;
        status_set(0, KIND_HTTP_ROUTE, true);
        statuses[0].parents.count = 0;
        store_set(0, "1",
                  "{\"parents\":[{\"parentRef\":{\"name\":\"g\"},\"controllerName\":"
                  "\"example.net/other\"}]}");
        give_all(1);
        turns();
        assert_int_equal(call_count, 0);
        store_set(0, "2",
                  "{\"parents\":[{\"parentRef\":{\"name\":\"g\"},\"controllerName\":"
                  "\"" CONTROLLER_NAME "\"}]}");
        heard(0);
        turns();
        assert_int_equal(call_count, 1);
        assert_non_null(strstr(calls[0].body, "\"status\":{\"parents\":[]}"));
}

static void nothing_is_written_while_statuses_are_given(void **state)
{
        (void)state;
        status_set(0, KIND_GATEWAY, true);
        store_set(0, "7", "");
        status_writer_begin(writer);
        assert_true(status_writer_give(writer, &statuses[0]));
        heard(0);
        turns();
        assert_int_equal(call_count, 0);
        assert_false(status_writer_give(writer, &statuses[0]));
        status_writer_end(writer);
        turns();
        assert_int_equal(call_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_status_is_written_once_and_not_again),
                TEST(a_status_that_says_something_else_is_written_again),
                TEST(what_somebody_else_did_to_ours_is_put_right),
                TEST(nothing_is_written_upon_a_version_that_is_written_over),
                TEST(a_conflict_waits_for_the_newer_version),
                TEST(a_conflict_with_what_is_heard_already_is_merged_anew_at_once),
                TEST(what_the_server_drops_is_not_written_for_ever),
                TEST(a_class_claims_what_the_cluster_can_hold),
                TEST(what_is_not_installed_is_not_claimed),
                TEST(what_was_not_heard_of_in_time_is_looked_at_where_it_has_to_be),
                TEST(an_object_that_is_gone_is_left_alone),
                TEST(another_generation_than_was_translated_is_not_told),
                TEST(only_the_leader_writes),
                TEST(who_no_longer_leads_begins_no_more_writes),
                TEST(few_writes_are_in_flight_and_gateways_go_first),
                TEST(routes_leave_room_for_gateways),
                TEST(a_server_that_is_busy_is_left_alone_for_a_while),
                TEST(who_says_when_to_come_again_is_heard),
                TEST(an_object_that_is_refused_holds_up_no_other),
                TEST(who_is_not_given_any_more_is_forgotten),
                TEST(routes_that_name_nobody_of_ours_are_not_touched),
                TEST(nothing_is_written_while_statuses_are_given),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
