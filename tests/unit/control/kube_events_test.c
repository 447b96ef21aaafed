/* Events: what becomes one, how often it is said, and how it reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/must.h"
#include "control/report/gateway_crd.h"
#include "control/report/kube_events.h"
#include "control/report/status_events.h"
#include "kube_calls.h"
#include "text/json.h"

enum {
        WAIT_MS = 10000,
};

static uv_loop_t loop;
static struct kube_events *events;
static struct arena arena;

static int setup(void **state)
{
        (void)state;
        call_count = 0;
        must(uv_loop_init(&loop) == 0);
        struct kube_events_options options = {.loop = &loop, .identity = SLICE("pingate-1")};
        events = kube_events_open(&options);
        arena_init(&arena, 4096);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        kube_events_close(events);
        uv_run(&loop, UV_RUN_DEFAULT);
        must(uv_loop_close(&loop) == 0);
        arena_done(&arena);
        return 0;
}

static void say(const char *name, const char *text)
{
        struct kube_event event = {.api_version = SLICE("gateway.networking.k8s.io/v1"),
                                   .kind = SLICE("Gateway"),
                                   .namespace = SLICE("edge"),
                                   .name = slice_of(name),
                                   .uid = SLICE("u-1"),
                                   .reason = "NoUsablePin",
                                   .action = "Translate",
                                   .text = slice_of(text)};
        kube_events_say(events, &event);
}

static void wait_for_calls(size_t count)
{
        uint64_t until = uv_hrtime() + WAIT_MS * 1000000ull;
        while (call_count < count && uv_hrtime() < until)
                uv_run(&loop, UV_RUN_ONCE);
        assert_int_equal(call_count, count);
}

static const struct node *body_of(size_t call)
{
        struct node *root;
        struct error err;
        assert_true(json_parse(&arena, slice_of(calls[call].body), "body", &root, &err));
        return root;
}

static void an_event_names_its_object_and_says_why(void **state)
{
        (void)state;
        say("edge", "a \"text\"");
        assert_int_equal(call_count, 1);
        assert_string_equal(calls[0].request.method, "POST");
        assert_string_equal(calls[0].path, "/apis/events.k8s.io/v1/namespaces/edge/events");
        const struct node *body = body_of(0);
        assert_true(slice_is(node_text(body, "reason"), "NoUsablePin"));
        assert_true(slice_is(node_text(body, "action"), "Translate"));
        assert_true(slice_is(node_text(body, "note"), "a \"text\""));
        assert_true(slice_is(node_text(body, "type"), "Warning"));
        assert_true(slice_is(node_text(body, "reportingInstance"), "pingate-1"));
        assert_true(slice_is(node_text(node_find(body, "regarding"), "uid"), "u-1"));
        struct slice name = node_text(node_find(body, "metadata"), "name");
        assert_true(slice_starts_with(name, SLICE("edge.")));
        struct slice time = node_text(body, "eventTime"); /* 2026-01-02T03:04:05.000000Z */
        assert_int_equal(time.len, 27);
        assert_true(slice_ends_with(time, SLICE("000Z")));
}

static void what_regards_the_cluster_is_in_the_namespace_default(void **state)
{
        (void)state;
        struct kube_event event = {.api_version = SLICE("gateway.networking.k8s.io/v1"),
                                   .kind = SLICE("GatewayClass"),
                                   .name = SLICE("pingate"),
                                   .reason = "PinsArePruned",
                                   .action = "ReadCRD"};
        kube_events_say(events, &event);
        assert_string_equal(calls[0].path, "/apis/events.k8s.io/v1/namespaces/default/events");
        assert_null(node_find(node_find(body_of(0), "regarding"), "namespace"));
}

static void the_same_is_said_once(void **state)
{
        (void)state;
        say("edge", "one");
        answer(0, 201, "");
        say("edge", "one");
        say("edge", "two");
        answer(1, 201, "");
        say("other", "one");
        answer(2, 201, "");
        say("edge", "one");
        say("edge", "two");
        assert_int_equal(call_count, 3);
}

static void who_leads_next_gives_it_the_same_name(void **state)
{
        say("edge", "one");
        char first[4096];
        snprintf(first, sizeof(first), "%.*s",
                 SLICE_ARG(node_text(node_find(body_of(0), "metadata"), "name")));
        teardown(state);
        setup(state); /* another process */
        say("edge", "one");
        assert_int_equal(call_count, 1);
        assert_true(slice_is(node_text(node_find(body_of(0), "metadata"), "name"), first));
        answer(0, 409, ""); /* it is there already */
        say("edge", "two");
        assert_int_equal(call_count, 2);
}

static void a_flood_is_a_burst_and_then_one_a_second(void **state)
{
        (void)state;
        char text[32];
        for (int i = 0; i < 200; i++) {
                snprintf(text, sizeof(text), "text %d", i);
                say("edge", text);
        }
        for (size_t i = 0; i < KUBE_EVENTS_BURST; i++)
                answer(i, 201, "");
        assert_int_equal(call_count, KUBE_EVENTS_BURST);
        uint64_t since = uv_hrtime();
        wait_for_calls(KUBE_EVENTS_BURST + 1);
        assert_true(uv_hrtime() - since > 500 * 1000000ull);
}

static void one_that_fails_is_tried_once_more(void **state)
{
        (void)state;
        say("edge", "one");
        answer(0, 503, "");
        assert_int_equal(call_count, 1);
        wait_for_calls(2);
        assert_string_equal(calls[0].body, calls[1].body);
        answer(1, 503, "");
        say("edge", "two");
        assert_int_equal(call_count, 3);
        assert_non_null(strstr(calls[2].body, "two"));
}

static void one_that_is_forbidden_is_dropped(void **state)
{
        (void)state;
        say("edge", "one");
        answer(0, 403, "");
        say("edge", "two");
        assert_int_equal(call_count, 2);
        assert_non_null(strstr(calls[1].body, "two"));
}

/* As kube-apiserver 1.36 says it. */
static void a_namespace_that_goes_is_no_missing_right(void **state)
{
        (void)state;
        struct kube_answer said = {
                .status = 403,
                .body = SLICE(
                        "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"details\":{\"causes\":["
                        "{\"reason\":\"NamespaceTerminating\",\"message\":\"namespace edge is "
                        "being terminated\",\"field\":\"metadata.namespace\"}]},\"code\":403}")};
        assert_true(kube_answer_says_leaving(&said));
        said.body = SLICE("{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"code\":403}");
        assert_false(kube_answer_says_leaving(&said));
        said.body = SLICE_NONE;
        assert_false(kube_answer_says_leaving(&said));
}

static void a_long_name_leaves_room_for_the_digest(void **state)
{
        (void)state;
        char name[254], text[3000];
        memset(name, 'a', 253);
        name[253] = '\0';
        name[199] = '.';
        memset(text, 'x', sizeof(text));
        memcpy(text + 998, "\xe2\x82\xac", 3); /* the cut is within it */
        text[2999] = '\0';
        say(name, text);
        struct slice written = node_text(node_find(body_of(0), "metadata"), "name");
        assert_true(written.len <= 253);
        assert_true(slice_starts_with(slice_skip(written, 198), SLICE("a.")));
        assert_true(slice_starts_with(slice_skip(written, 199), SLICE(".")));
        assert_int_equal(node_text(body_of(0), "note").len, 998);
}

/* ---- what becomes one ---- */

static size_t events_of(const struct condition *condition, enum object_kind kind, bool in_listener,
                        struct status_event out[static STATUS_EVENTS_MAX])
{
        static struct listener_status listener;
        struct object_status status = {.kind = kind};
        listener = (struct listener_status){.name = SLICE("https")};
        condition_set(in_listener ? &listener.conditions : &status.conditions, condition->type,
                      condition->holds, condition->reason, condition->message);
        status.listeners.items = &listener;
        status.listeners.count = in_listener;
        return status_events(&status, out, &arena);
}

static void what_an_operator_should_see_becomes_an_event(void **state)
{
        (void)state;
        static const struct {
                struct condition condition;
                size_t count;
        } cases[] = {
                {{"Accepted", "Accepted", true, SLICE("")}, 0},
                {{"Accepted", "Conflicted", false, SLICE("older")}, 1},
                {{"Accepted", "TargetNotFound", false, SLICE("")}, 0},
                {{"ResolvedRefs", "InvalidPin", false, SLICE("line 2")}, 1},
                {{"Programmed", "Invalid", false, SLICE("")}, 0},
                {{CONDITION_PINNING, "NoUsablePin", false, SLICE("")}, 1},
                {{CONDITION_PINNING, "Pending", false, SLICE("")}, 0},
                {{CONDITION_PINNING, "ReportOnly", false, SLICE("")}, 0},
                {{CONDITION_PINNING, "Enforced", true, SLICE("")}, 0},
                {{CONDITION_WARNING, "SolePin", true, SLICE("")}, 0},
                {{CONDITION_WARNING, "ExpiredPins", true, SLICE("")}, 1},
        };
        struct status_event out[STATUS_EVENTS_MAX];
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                const struct condition *condition = &cases[i].condition;
                size_t count = events_of(condition, KIND_POLICY, false, out);
                if (count != cases[i].count)
                        fail_msg("%s %s: %zu Events", condition->type, condition->reason, count);
                assert_int_equal(events_of(condition, KIND_HTTP_ROUTE, false, out), 0);
        }
        assert_int_equal(events_of(&cases[5].condition, KIND_GATEWAY, true, out), 1);
        assert_true(slice_is(out[0].text, "listener https: "));
        assert_string_equal(out[0].reason, "NoUsablePin");
}

/* ---- the Gateway CRD ---- */

#define CRD(version, bundle, tls)                                                                  \
        "{\"metadata\":{\"annotations\":{\"gateway.networking.k8s.io/bundle-version\":\"" bundle   \
        "\"}},\"spec\":{\"versions\":[{\"name\":\"" version                                        \
        "\",\"schema\":{\"openAPIV3Schema\":{\"properties\":{\"spec\":{\"properties\":{\"tls\":{"  \
        "\"properties\":{\"frontend\":" tls "}}}}}}}}]}}"
#define VALIDATION(fields) "{\"properties\":{\"validation\":{\"properties\":{" fields "}}}}"
#define FRONTEND(by_default, per_port)                                                             \
        "{\"properties\":{\"default\":" VALIDATION(                                                \
                by_default) ",\"perPort\":{\"items\":{"                                            \
                            "\"properties\":{\"tls\":" VALIDATION(per_port) "}}}}}"
#define PINS "\"certificatePinning\":{}"

static void the_crd_says_whether_it_keeps_pins(void **state)
{
        (void)state;
        static const struct {
                const char *json;
                bool prunes;
        } cases[] = {
                {CRD("v1", "v1.6.1", FRONTEND(PINS, PINS)), false},
                {CRD("v1", "v1.6.1", FRONTEND("", PINS)), true},
                {CRD("v1", "v1.6.1", FRONTEND(PINS, "")), true},
                {CRD("v1", "v1.6.1", "{}"), true},
                {CRD("v1", "v1.6.1", "{\"x-kubernetes-preserve-unknown-fields\":true}"), false},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                struct gateway_crd_facts facts = {0};
                struct error err;
                if (!gateway_crd_read(slice_of(cases[i].json), &facts, &err))
                        fail_msg("%s", err.text);
                assert_true(facts.known && facts.supported);
                if (facts.prunes_pins != cases[i].prunes)
                        fail_msg("case %zu", i);
        }
}

static void another_release_of_gateway_api_is_not_supported(void **state)
{
        (void)state;
        struct gateway_crd_facts facts = {0};
        struct error err;
        assert_true(
                gateway_crd_read(SLICE(CRD("v1", "v1.60.0", FRONTEND(PINS, PINS))), &facts, &err));
        assert_false(facts.supported);
        assert_string_equal(facts.version, "v1.60.0");
        assert_true(gateway_crd_read(SLICE(CRD("v1", "", FRONTEND(PINS, PINS))), &facts, &err));
        assert_false(facts.supported);
        assert_false(gateway_crd_read(SLICE(CRD("v9", "v1.6.1", "{}")), &facts, &err));
        assert_false(gateway_crd_read(SLICE("{"), &facts, &err));
}

#define ROUTE_CRD(version, rules)                                                                  \
        "{\"spec\":{\"versions\":[{\"name\":\"" version                                            \
        "\",\"schema\":{\"openAPIV3Schema\":{\"properties\":{\"spec\":{\"properties\":{\"rules\":" \
        "{\"items\":{\"properties\":{" rules "}}}}}}}}}]}}"

/* Each CRD says its own part, and takes nothing back of the other's. */
static void the_crd_of_routes_says_whether_it_keeps_retry(void **state)
{
        (void)state;
        struct gateway_crd_facts facts = {0};
        struct error err;
        assert_true(
                gateway_crd_read(SLICE(CRD("v1", "v1.6.1", FRONTEND(PINS, PINS))), &facts, &err));
        assert_false(facts.keeps_retry);
        assert_true(route_crd_read(SLICE(ROUTE_CRD("v1", "\"retry\":{}")), &facts, &err));
        assert_true(facts.keeps_retry);
        assert_false(route_crd_read(SLICE(ROUTE_CRD("v9", "\"matches\":{}")), &facts, &err));
        assert_non_null(strstr(err.text, "the HTTPRoute CRD has no version v1"));
        assert_true(
                gateway_crd_read(SLICE(CRD("v1", "v1.6.1", FRONTEND(PINS, PINS))), &facts, &err));
        assert_true(facts.keeps_retry);
        assert_true(route_crd_read(SLICE(ROUTE_CRD("v1", "\"matches\":{}")), &facts, &err));
        assert_false(facts.keeps_retry);
        assert_true(facts.known && facts.supported && !facts.prunes_pins);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(an_event_names_its_object_and_says_why),
                TEST(what_regards_the_cluster_is_in_the_namespace_default),
                TEST(the_same_is_said_once),
                TEST(who_leads_next_gives_it_the_same_name),
                TEST(a_flood_is_a_burst_and_then_one_a_second),
                TEST(one_that_fails_is_tried_once_more),
                TEST(one_that_is_forbidden_is_dropped),
                TEST(a_namespace_that_goes_is_no_missing_right),
                TEST(a_long_name_leaves_room_for_the_digest),
                TEST(what_an_operator_should_see_becomes_an_event),
                TEST(the_crd_says_whether_it_keeps_pins),
                TEST(another_release_of_gateway_api_is_not_supported),
                TEST(the_crd_of_routes_says_whether_it_keeps_retry),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
