/* What is written over a status that is there already, and what is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/report/status_merge.h"
#include "text/json.h"

#define NOW   1790000000 /* 2026-09-21T14:13:20Z */
#define AT    "2026-09-21T14:13:20Z"
#define OLD   "2026-01-02T03:04:05Z"
#define OURS  "\"controllerName\":\"pingate.dev/gateway-controller\""
#define OTHER "\"controllerName\":\"example.net/other\""

/* Of a condition in JSON, as the merge prints it and as an API server would hand it out. */
#define CONDITION(type, status, reason, message, generation, time)                                 \
        "{\"type\":\"" type "\",\"status\":\"" status "\",\"reason\":\"" reason                    \
        "\",\"message\":\"" message "\",\"observedGeneration\":" generation                        \
        ",\"lastTransitionTime\":\"" time "\"}"
#define ACCEPTED(generation, time)                                                                 \
        CONDITION("Accepted", "True", "Accepted", "is valid", generation, time)
#define FOREIGN                                                                                    \
        "{\"type\":\"example.net/Seen\",\"status\":\"True\",\"reason\":\"Seen\",\"message\":"      \
        "\"\",\"observedGeneration\":1,\"lastTransitionTime\":\"" OLD "\"}"

static struct arena arena;
static char printed[65536];

static int setup(void **state)
{
        (void)state;
        arena_init(&arena, 65536);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        arena_done(&arena);
        return 0;
}

static const char *print(const struct node *node)
{
        struct buffer out;
        buffer_init(&out, sizeof(printed) - 1);
        if (node)
                assert_true(node_print_json(node, &out, false));
        snprintf(printed, sizeof(printed), "%.*s", SLICE_ARG(buffer_slice(&out)));
        buffer_done(&out);
        return node ? printed : "nothing";
}

/* RFC 7396 for patches that are one level deep. */
static struct slice patched(const struct node *current, const struct node *patch)
{
        struct node *out = node_new(&arena, NODE_MAP, NULL, 0);
        struct buffer text;
        for (size_t i = 0; current && i < current->child_count; i++)
                if (!node_find(patch, arena_text(&arena, current->children[i]->key)))
                        node_add(&arena, out, current->children[i]->key, current->children[i]);
        for (size_t i = 0; i < patch->child_count; i++)
                if (patch->children[i]->kind != NODE_NULL)
                        node_add(&arena, out, patch->children[i]->key, patch->children[i]);
        buffer_init(&text, 1 << 20);
        assert_true(node_print_json(out, &text, false));
        struct slice copy = arena_slice(&arena, buffer_slice(&text));
        buffer_done(&text);
        return copy;
}

/* The patch as JSON; that it leaves nothing to do is checked each time. */
static const char *merged_by(const struct status_wish *wish)
{
        struct node *patch, *again, *current = NULL;
        struct error err = {.text = ""};
        if (!status_merge(wish, &arena, &patch, &err))
                return arena_text(&arena, arena_printf(&arena, "fails: %s", err.text));
        if (!patch)
                return "nothing";
        if (wish->current.len > 0)
                assert_true(json_parse(&arena, wish->current, "current", &current, &err));
        struct status_wish next = *wish;
        next.current = patched(current, patch);
        next.now = wish->now + 60;
        assert_true(status_merge(&next, &arena, &again, &err));
        assert_string_equal(print(again), "nothing");
        return print(patch);
}

static const char *merged(const struct object_status *status, const char *current)
{
        struct status_wish wish = {.status = status, .current = slice_of(current), .now = NOW};
        return merged_by(&wish);
}

static void set(struct condition_list *list, const char *type, bool holds, const char *reason)
{
        condition_set(list, type, holds, reason, SLICE("is valid"));
}

static struct object_status gateway_of(int64_t generation)
{
        struct object_status status = {.kind = KIND_GATEWAY,
                                       .id = SLICE("Gateway edge/edge"),
                                       .namespace = SLICE("edge"),
                                       .name = SLICE("edge"),
                                       .generation = generation};
        set(&status.conditions, "Accepted", true, "Accepted");
        return status;
}

/* ---- conditions of a Gateway ---- */

static void an_object_without_status_gets_one(void **state)
{
        (void)state;
        struct object_status status = gateway_of(3);
        assert_string_equal(merged(&status, ""), "{\"conditions\":[" ACCEPTED("3", AT) "]}");
}

static void what_says_so_already_is_not_written(void **state)
{
        (void)state;
        struct object_status status = gateway_of(3);
        assert_string_equal(merged(&status, "{\"conditions\":[" ACCEPTED("3", OLD) "]}"),
                            "nothing");
        /* keys in another order say the same */
        assert_string_equal(
                merged(&status, "{\"conditions\":[{\"lastTransitionTime\":\"" OLD
                                "\",\"observedGeneration\":3,\"message\":\"is valid\",\"reason\":"
                                "\"Accepted\",\"status\":\"True\",\"type\":\"Accepted\"}]}"),
                "nothing");
}

static void a_new_generation_keeps_the_time_of_the_last_transition(void **state)
{
        (void)state;
        struct object_status status = gateway_of(4);
        assert_string_equal(merged(&status, "{\"conditions\":[" ACCEPTED("3", OLD) "]}"),
                            "{\"conditions\":[" ACCEPTED("4", OLD) "]}");
}

static void a_condition_that_flips_gets_a_new_time(void **state)
{
        (void)state;
        struct object_status status = gateway_of(3);
        assert_string_equal(merged(&status, "{\"conditions\":[" CONDITION("Accepted", "False",
                                                                          "ListenersNotValid",
                                                                          "none", "3", OLD) "]}"),
                            "{\"conditions\":[" ACCEPTED("3", AT) "]}");
}

static void the_defaults_of_the_crd_are_overwritten(void **state)
{
        (void)state;
        struct object_status status = gateway_of(1);
        set(&status.conditions, "Programmed", true, "Programmed");
        assert_string_equal(
                merged(&status,
                       "{\"conditions\":[{\"type\":\"Accepted\",\"status\":\"Unknown\",\"reason\":"
                       "\"Pending\",\"message\":\"Waiting for controller\",\"lastTransitionTime\":"
                       "\"1970-01-01T00:00:00Z\"},{\"type\":\"Programmed\",\"status\":\"Unknown\","
                       "\"reason\":\"Pending\",\"message\":\"Waiting for controller\","
                       "\"lastTransitionTime\":\"1970-01-01T00:00:00Z\"}]}"),
                "{\"conditions\":[" ACCEPTED("1", AT) "," CONDITION(
                        "Programmed", "True", "Programmed", "is valid", "1", AT) "]}");
}

static void conditions_of_ours_that_no_longer_hold_go(void **state)
{
        (void)state;
        struct object_status status = gateway_of(3);
        assert_string_equal(
                merged(&status,
                       "{\"conditions\":[" CONDITION(
                               "InsecureFrontendValidationMode", "True", "ConfigurationChanged", "",
                               "3", OLD) "," ACCEPTED("3", OLD) "," CONDITION("pingate.dev/Warning",
                                                                              "True", "SolePin", "",
                                                                              "3", OLD) "]}"),
                "{\"conditions\":[" ACCEPTED("3", OLD) "]}");
}

static void conditions_of_others_stay_where_they_are(void **state)
{
        (void)state;
        struct object_status status = gateway_of(4);
        assert_string_equal(
                merged(&status, "{\"conditions\":[" FOREIGN "," ACCEPTED("3", OLD) "]}"),
                "{\"conditions\":[" FOREIGN "," ACCEPTED("4", OLD) "]}");
        assert_string_equal(
                merged(&status, "{\"conditions\":[" ACCEPTED("4", OLD) "," FOREIGN "]}"),
                "nothing");
}

static void there_are_never_more_than_eight_conditions(void **state)
{
        (void)state;
        struct object_status status = gateway_of(1);
        set(&status.conditions, "Programmed", true, "Programmed");
        char current[4096] = "{\"conditions\":[";
        for (int i = 0; i < 8; i++)
                snprintf(current + strlen(current), sizeof(current) - strlen(current),
                         "%s{\"type\":\"example.net/C%d\",\"status\":\"True\"}", i ? "," : "", i);
        snprintf(current + strlen(current), sizeof(current) - strlen(current), "]}");
        merged(&status, current);
        struct node *patch;
        struct error err;
        assert_true(json_parse(&arena, slice_of(printed), "patch", &patch, &err));
        const struct node *list = node_find(patch, "conditions");
        assert_int_equal(list->child_count, 8);
        assert_true(slice_is(node_text(list->children[7], "type"), "Programmed"));
        assert_true(slice_is(node_text(list->children[5], "type"), "example.net/C5"));
}

static void a_condition_that_is_there_twice_is_kept_once(void **state)
{
        (void)state;
        struct object_status status = gateway_of(3);
        assert_string_equal(
                merged(&status, "{\"conditions\":[" ACCEPTED("3", OLD) "," ACCEPTED("3", OLD) "]}"),
                "{\"conditions\":[" ACCEPTED("3", OLD) "]}");
}

static void a_time_that_is_none_is_replaced(void **state)
{
        (void)state;
        struct object_status status = gateway_of(3);
        assert_string_equal(merged(&status, "{\"conditions\":[" ACCEPTED("3", "never") "]}"),
                            "{\"conditions\":[" ACCEPTED("3", AT) "]}");
}

static void a_message_is_cut_between_characters(void **state)
{
        (void)state;
        struct object_status status = gateway_of(3);
        char *text = arena_alloc(&arena, STATUS_MESSAGE_MAX + 3);
        memset(text, 'x', STATUS_MESSAGE_MAX - 1);
        memcpy(text + STATUS_MESSAGE_MAX - 1, "\xc3\xa4", 3);
        condition_set(&status.conditions, "Accepted", true, "Accepted",
                      slice_from(text, STATUS_MESSAGE_MAX + 1));
        merged(&status, "");
        assert_null(strstr(printed, "\\ufffd"));
        assert_non_null(strstr(printed, "xxx\",\"observedGeneration\""));
}

static void a_status_that_cannot_be_read_is_not_written_over(void **state)
{
        (void)state;
        struct object_status status = gateway_of(3);
        assert_memory_equal(merged(&status, "{\"conditions\":["), "fails: its status:1", 19);
}

static void a_status_of_another_shape_is_taken_for_none(void **state)
{
        (void)state;
        struct object_status status = gateway_of(3);
        static const char *const odd[] = {"[]", "7", "{\"conditions\":7}",
                                          "{\"conditions\":[7,[],null]}"};
        for (size_t i = 0; i < COUNT_OF(odd); i++)
                assert_string_equal(merged(&status, odd[i]),
                                    "{\"conditions\":[" ACCEPTED("3", AT) "]}");
}

/* ---- the rest of a Gateway ---- */

#define LISTENER(name, routes, conditions)                                                         \
        "{\"name\":\"" name "\",\"supportedKinds\":[],\"attachedRoutes\":" routes                  \
        ",\"conditions\":[" conditions "]}"

static void there_is_one_entry_for_each_listener(void **state)
{
        (void)state;
        struct listener_status listeners[] = {{.name = SLICE("one"), .attached_routes = 2},
                                              {.name = SLICE("two")}};
        struct object_status status = gateway_of(4);
        set(&listeners[0].conditions, "Accepted", true, "Accepted");
        set(&listeners[1].conditions, "Accepted", true, "Accepted");
        status.listeners.items = listeners;
        status.listeners.count = 2;
        assert_string_equal(
                merged(&status, "{\"conditions\":[" ACCEPTED("4", OLD) "],\"listeners\":[" LISTENER(
                                        "gone", "1",
                                        ACCEPTED("3", OLD)) "," LISTENER("two", "0",
                                                                         ACCEPTED("3", OLD)) "]}"),
                "{\"listeners\":[" LISTENER("one", "2", ACCEPTED("4", AT)) "," LISTENER(
                        "two", "0", ACCEPTED("4", OLD)) "]}");
        assert_string_equal(
                merged(&status,
                       "{\"conditions\":[" ACCEPTED("4", OLD) "],\"listeners\":[" LISTENER(
                               "one", "2",
                               ACCEPTED("4", OLD)) "," LISTENER("two", "0",
                                                                ACCEPTED("4",
                                                                         OLD) "," FOREIGN) "]}"),
                "nothing");
}

static void addresses_have_their_type_and_go_with_the_last(void **state)
{
        (void)state;
        struct object_status status = gateway_of(3);
        struct slice address = SLICE("192.0.2.1");
        const char *current =
                "{\"addresses\":[{\"value\":\"192.0.2.9\"}],\"conditions\":[" ACCEPTED(
                        "3", OLD) "],\"attachedListenerSets\":2}";
        status.addresses.items = &address;
        status.addresses.count = 1;
        status.counts_sets = true;
        status.attached_sets = 1;
        assert_string_equal(merged(&status, current),
                            "{\"addresses\":[{\"type\":\"IPAddress\",\"value\":\"192.0.2.1\"}],"
                            "\"attachedListenerSets\":1}");
        status.addresses.count = 0;
        status.counts_sets = false;
        assert_string_equal(merged(&status, current),
                            "{\"addresses\":null,\"attachedListenerSets\":null}");
}

static void a_class_lists_what_it_supports(void **state)
{
        (void)state;
        static const char *const features[] = {"Gateway", "HTTPRoute"};
        struct object_status status = {
                .kind = KIND_GATEWAY_CLASS, .name = SLICE("pingate"), .generation = 1};
        set(&status.conditions, "Accepted", true, "Accepted");
        struct status_wish wish = {
                .status = &status, .now = NOW, .features = features, .feature_count = 2};
        assert_string_equal(merged_by(&wish),
                            "{\"conditions\":[" ACCEPTED(
                                    "1", AT) "],\"supportedFeatures\":[{"
                                             "\"name\":\"Gateway\"},{\"name\":\"HTTPRoute\"}]}");
        wish.current = SLICE("{\"conditions\":[" ACCEPTED(
                "1", OLD) "],\"supportedFeatures\":[{\"name\":\"HTTPRoute\"}]}");
        assert_string_equal(
                merged_by(&wish),
                "{\"supportedFeatures\":[{\"name\":\"Gateway\"},{\"name\":\"HTTPRoute\"}]}");
}

/* ---- routes ---- */

#define REF(more)              "{\"group\":\"gateway.networking.k8s.io\",\"kind\":\"Gateway\"," more "}"
#define PARENT(ref, who, more) "{\"parentRef\":" ref "," who ",\"conditions\":[" more "]}"

static struct parent_status parents[40];

static struct object_status route_of(int64_t generation, size_t count)
{
        struct object_status status = {.kind = KIND_HTTP_ROUTE,
                                       .namespace = SLICE("app"),
                                       .name = SLICE("app"),
                                       .generation = generation};
        for (size_t i = 0; i < count; i++) {
                parents[i] = (struct parent_status){
                        .group = SLICE(GROUP_GATEWAY),
                        .kind = SLICE("Gateway"),
                        .name = arena_printf(&arena, "g%zu", i),
                };
                set(&parents[i].conditions, "Accepted", true, "Accepted");
        }
        status.parents.items = parents;
        status.parents.count = count;
        return status;
}

static void a_route_gets_an_entry_for_each_parent_of_ours(void **state)
{
        (void)state;
        struct object_status status = route_of(2, 2);
        assert_string_equal(
                merged(&status, ""),
                "{\"parents\":[" PARENT(REF("\"name\":\"g0\""), OURS, ACCEPTED("2", AT)) "," PARENT(
                        REF("\"name\":\"g1\""), OURS, ACCEPTED("2", AT)) "]}");
}

static void entries_of_other_controllers_stay_as_they_are(void **state)
{
        (void)state;
        struct object_status status = route_of(2, 1);
        assert_string_equal(
                merged(&status, "{\"parents\":["
                                "{\"parentRef\":{\"name\":\"g0\"}," OTHER
                                ",\"conditions\":[" FOREIGN "],\"more\":[1.5,null,true]}," PARENT(
                                        REF("\"name\":\"g0\""), OURS,
                                        ACCEPTED("1", OLD)) ","
                                                            "{\"parentRef\":{\"name\":\"x\"}," OTHER
                                                            ",\"conditions\":[]}]}"),
                "{\"parents\":["
                "{\"parentRef\":{\"name\":\"g0\"}," OTHER ",\"conditions\":[" FOREIGN
                "],\"more\":[1.5,null,true]}," PARENT(
                        REF("\"name\":\"g0\""), OURS,
                        ACCEPTED("2", OLD)) ","
                                            "{\"parentRef\":{\"name\":\"x\"}," OTHER
                                            ",\"conditions\":[]}]}");
}

static void stale_entries_of_ours_go_and_others_stay(void **state)
{
        (void)state;
        struct object_status status = route_of(2, 0);
        const char *other = PARENT(REF("\"name\":\"g0\""), OTHER, "");
        char current[2048], wanted[2048];
        snprintf(current, sizeof(current), "{\"parents\":[%s,%s]}",
                 PARENT(REF("\"name\":\"g0\""), OURS, ACCEPTED("1", OLD)), other);
        snprintf(wanted, sizeof(wanted), "{\"parents\":[%s]}", other);
        assert_string_equal(merged(&status, current), wanted);
        assert_string_equal(merged(&status, wanted), "nothing");
        assert_string_equal(
                merged(&status, "{\"parents\":[" PARENT(REF("\"name\":\"g0\""), OURS, "") "]}"),
                "{\"parents\":[]}");
}

static void a_route_that_names_nobody_of_ours_gets_no_status(void **state)
{
        (void)state;
        struct object_status status = route_of(2, 0);
        assert_string_equal(merged(&status, ""), "nothing");
        assert_string_equal(merged(&status, "{}"), "nothing");
        assert_string_equal(merged(&status, "{\"parents\":[]}"), "nothing");
}

static void an_entry_keeps_its_place_though_its_reference_is_spelled_otherwise(void **state)
{
        (void)state;
        struct object_status status = route_of(2, 2);
        parents[0].namespace = SLICE("app");
        parents[1].section_name = SLICE("https");
        parents[1].port = 443;
        assert_string_equal(
                merged(&status,
                       "{\"parents\":[" PARENT(
                               "{\"name\":\"g1\",\"sectionName\":\"https\",\"port\":443}", OURS,
                               ACCEPTED(
                                       "1",
                                       OLD)) "," PARENT("{\"name\":\"g1\"}", OURS,
                                                        ACCEPTED(
                                                                "1",
                                                                OLD)) "," PARENT("{\"name\":\"g0\"}",
                                                                                 OURS,
                                                                                 ACCEPTED(
                                                                                         "1",
                                                                                         OLD)) "]}"),
                "{\"parents\":[" PARENT(
                        REF("\"name\":\"g1\",\"sectionName\":\"https\",\"port\":443"), OURS,
                        ACCEPTED("2", OLD)) "," PARENT(REF("\"namespace\":\"app\",\"name\":\"g0\""),
                                                       OURS, ACCEPTED("2", OLD)) "]}");
}

static void an_entry_that_is_there_twice_is_kept_once(void **state)
{
        (void)state;
        struct object_status status = route_of(2, 1);
        assert_string_equal(
                merged(&status, "{\"parents\":[" PARENT(
                                        REF("\"name\":\"g0\""), OURS,
                                        ACCEPTED("2", OLD)) "," PARENT(REF("\"name\":\"g0\""), OURS,
                                                                       ACCEPTED("2", OLD)) "]}"),
                "{\"parents\":[" PARENT(REF("\"name\":\"g0\""), OURS, ACCEPTED("2", OLD)) "]}");
}

/* ---- policies ---- */

static size_t ours_among(const char *current_ours, size_t foreign, size_t wanted, size_t *all)
{
        struct object_status status = route_of(1, wanted);
        char text[16384] = "{\"ancestors\":[";
        struct node *patch;
        struct error err;
        size_t ours = 0;
        status.kind = KIND_BACKEND_TLS_POLICY;
        for (size_t i = 0; i < foreign; i++)
                snprintf(text + strlen(text), sizeof(text) - strlen(text),
                         "%s{\"ancestorRef\":{\"name\":\"f%zu\"}," OTHER "}", i ? "," : "", i);
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s]}",
                 foreign && *current_ours ? "," : "", current_ours);
        merged(&status, text);
        assert_true(json_parse(&arena, slice_of(printed), "patch", &patch, &err));
        const struct node *list = node_find(patch, "ancestors");
        for (size_t i = 0; i < list->child_count; i++)
                ours += strstr(arena_text(&arena, node_text(list->children[i], "controllerName")),
                               "pingate") != NULL;
        *all = list->child_count;
        return ours;
}

static void a_policy_never_has_more_than_sixteen_ancestors(void **state)
{
        (void)state;
        size_t all;
        assert_int_equal(ours_among("", 0, 20, &all), 16);
        assert_int_equal(all, 16);
        assert_int_equal(ours_among("", 15, 3, &all), 1);
        assert_int_equal(all, 16);
        assert_int_equal(ours_among("{\"ancestorRef\":{\"name\":\"g2\"}," OURS "}", 14, 3, &all),
                         2);
        assert_int_equal(all, 16);
}

static void a_policy_that_others_fill_is_left_as_it_is(void **state)
{
        (void)state;
        struct object_status status = route_of(1, 1);
        char text[4096] = "{\"ancestors\":[";
        status.kind = KIND_POLICY;
        for (size_t i = 0; i < 16; i++)
                snprintf(text + strlen(text), sizeof(text) - strlen(text),
                         "%s{\"ancestorRef\":{\"name\":\"f%zu\"}," OTHER "}", i ? "," : "", i);
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "]}");
        assert_string_equal(merged(&status, text), "nothing");
}

static void an_ancestor_is_named_as_such(void **state)
{
        (void)state;
        struct object_status status = route_of(1, 1);
        status.kind = KIND_POLICY;
        assert_string_equal(
                merged(&status, ""),
                "{\"ancestors\":[{\"ancestorRef\":" REF(
                        "\"name\":\"g0\"") "," OURS ",\"conditions\":[" ACCEPTED("1", AT) "]}]}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(an_object_without_status_gets_one),
                TEST(what_says_so_already_is_not_written),
                TEST(a_new_generation_keeps_the_time_of_the_last_transition),
                TEST(a_condition_that_flips_gets_a_new_time),
                TEST(the_defaults_of_the_crd_are_overwritten),
                TEST(conditions_of_ours_that_no_longer_hold_go),
                TEST(conditions_of_others_stay_where_they_are),
                TEST(there_are_never_more_than_eight_conditions),
                TEST(a_condition_that_is_there_twice_is_kept_once),
                TEST(a_time_that_is_none_is_replaced),
                TEST(a_message_is_cut_between_characters),
                TEST(a_status_that_cannot_be_read_is_not_written_over),
                TEST(a_status_of_another_shape_is_taken_for_none),
                TEST(there_is_one_entry_for_each_listener),
                TEST(addresses_have_their_type_and_go_with_the_last),
                TEST(a_class_lists_what_it_supports),
                TEST(a_route_gets_an_entry_for_each_parent_of_ours),
                TEST(entries_of_other_controllers_stay_as_they_are),
                TEST(stale_entries_of_ours_go_and_others_stay),
                TEST(a_route_that_names_nobody_of_ours_gets_no_status),
                TEST(an_entry_keeps_its_place_though_its_reference_is_spelled_otherwise),
                TEST(an_entry_that_is_there_twice_is_kept_once),
                TEST(a_policy_never_has_more_than_sixteen_ancestors),
                TEST(a_policy_that_others_fill_is_left_as_it_is),
                TEST(an_ancestor_is_named_as_such),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
