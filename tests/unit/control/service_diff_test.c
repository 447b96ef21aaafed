/* What is written so that a Service is as it is wanted, and what of it stays others'. */
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
#include "control/report/service_diff.h"
#include "text/json.h"

static struct arena arena;
static struct objects *objects;

static struct text_pair labels[] = {{SLICE(LABEL_MANAGED_BY), SLICE("pingate")},
                                    {SLICE(LABEL_GATEWAY), SLICE("edge")},
                                    {SLICE(LABEL_GATEWAY_CLASS), SLICE("pingate")},
                                    {SLICE(LABEL_GATEWAY_NAMESPACE), SLICE("shop")},
                                    {SLICE("team"), SLICE("a")}};
static struct text_pair annotations[] = {{SLICE("example.com/kind"), SLICE("internal")}};
static struct wanted_service_port ports[] = {{80, 20001}, {443, 20002}};
static const struct kube_entry gateway = {.uid = SLICE("uid-of-gateway")};

static struct wanted_service wanted_make(void)
{
        return (struct wanted_service){.namespace = SLICE("pingate-system"),
                                       .name = SLICE("pingate-shop-edge"),
                                       .gateway_namespace = SLICE("shop"),
                                       .gateway_name = SLICE("edge"),
                                       .balanced = true,
                                       .ports = {ports, 2},
                                       .labels = {labels, 5},
                                       .annotations = {annotations, 1}};
}

static int setup(void **state)
{
        (void)state;
        arena_init(&arena, 4096);
        objects = objects_new();
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        arena_done(&arena);
        objects_unref(objects);
        return 0;
}

static struct kube_entry entry_of(const char *json)
{
        struct error err;
        struct node *root;
        if (!json_parse(&objects->arena, slice_of(json), NULL, &root, &err) ||
            !objects_add_lenient(objects, KIND_SERVICE, root, &err))
                fail_msg("%s", err.text);
        const struct object_list *list = &objects->kinds[KIND_SERVICE];
        return (struct kube_entry){.object = list->items[list->count - 1],
                                   .uid = SLICE("uid-7"),
                                   .resource_version = SLICE("7")};
}

static enum service_change diff(const struct wanted_service *wanted, const struct kube_entry *is,
                                char text[static 4096])
{
        const struct service_wish wish = {
                .wanted = wanted,
                .is = is,
                .gateway = &gateway,
                .selector = {SLICE("app.kubernetes.io/name"), SLICE("pingate")}};
        struct buffer out;
        struct node *body = NULL;
        enum service_change change = service_diff(&wish, &arena, &body);
        buffer_init(&out, 4095);
        text[0] = '\0';
        if (change != SERVICE_SAME) {
                assert_true(node_print_json(body, &out, false));
                memcpy(text, out.data, out.len);
                text[out.len] = '\0';
        }
        buffer_done(&out);
        return change;
}

#define METADATA                                                                                   \
        "\"labels\":{\"app.kubernetes.io/managed-by\":\"pingate\","                                \
        "\"gateway.networking.k8s.io/gateway-name\":\"edge\","                                     \
        "\"gateway.networking.k8s.io/gateway-class-name\":\"pingate\","                            \
        "\"pingate.dev/gateway-namespace\":\"shop\",\"team\":\"a\"},"                              \
        "\"annotations\":{\"example.com/kind\":\"internal\","                                      \
        "\"pingate.dev/propagated\":\"label:team annotation:example.com/kind\"}"
#define PORTS                                                                                      \
        "\"ports\":[{\"name\":\"p-80\",\"protocol\":\"TCP\",\"port\":80,\"targetPort\":20001},"    \
        "{\"name\":\"p-443\",\"protocol\":\"TCP\",\"port\":443,\"targetPort\":20002}]"
#define SELECTOR "\"selector\":{\"app.kubernetes.io/name\":\"pingate\"}"
#define NAMES    "\"name\":\"pingate-shop-edge\",\"namespace\":\"pingate-system\""
#define AS_WANTED                                                                                  \
        "{\"metadata\":{" NAMES "," METADATA "},\"spec\":{\"type\":\"LoadBalancer\"," SELECTOR     \
        "," PORTS "}}"

static void a_balanced_service_is_made_whole(void **state)
{
        struct wanted_service wanted = wanted_make();
        char text[4096];
        (void)state;
        assert_int_equal(diff(&wanted, NULL, text), SERVICE_CREATE);
        assert_string_equal(text, "{\"metadata\":{" NAMES "," METADATA
                                  "},\"spec\":{\"type\":\"LoadBalancer\","
                                  "\"externalTrafficPolicy\":\"Local\"," SELECTOR "," PORTS "},"
                                  "\"apiVersion\":\"v1\",\"kind\":\"Service\"}");
}

static void one_that_is_as_wanted_is_left_alone_whatever_others_add(void **state)
{
        struct wanted_service wanted = wanted_make();
        char text[4096];
        (void)state;
        struct kube_entry is = entry_of(AS_WANTED);
        assert_int_equal(diff(&wanted, &is, text), SERVICE_SAME);
        struct kube_entry more = entry_of(
                "{\"metadata\":{\"name\":\"more\",\"namespace\":\"pingate-system\","
                "\"labels\":{\"app.kubernetes.io/managed-by\":\"pingate\","
                "\"gateway.networking.k8s.io/gateway-name\":\"edge\","
                "\"gateway.networking.k8s.io/gateway-class-name\":\"pingate\","
                "\"pingate.dev/gateway-namespace\":\"shop\",\"team\":\"a\",\"cloud\":\"7\"},"
                "\"annotations\":{\"example.com/kind\":\"internal\",\"cloud/id\":\"8\","
                "\"pingate.dev/propagated\":\"label:team annotation:example.com/kind\"}},"
                "\"spec\":{\"type\":\"LoadBalancer\",\"externalTrafficPolicy\":\"Cluster\","
                "\"clusterIP\":\"10.0.0.1\"," SELECTOR ",\"ports\":["
                "{\"name\":\"p-443\",\"port\":443,\"targetPort\":20002,\"nodePort\":30001},"
                "{\"name\":\"p-80\",\"port\":80,\"targetPort\":20001,\"nodePort\":30002}]}}");
        assert_int_equal(diff(&wanted, &more, text), SERVICE_SAME);
}

static void ports_are_replaced_upon_the_version_that_was_seen(void **state)
{
        struct wanted_service wanted = wanted_make();
        struct wanted_service_port fewer[] = {{443, 20002}};
        char text[4096];
        (void)state;
        struct kube_entry is = entry_of(AS_WANTED);
        wanted.ports.items = fewer;
        wanted.ports.count = 1;
        assert_int_equal(diff(&wanted, &is, text), SERVICE_PATCH);
        assert_string_equal(text, "{\"metadata\":{\"resourceVersion\":\"7\",\"labels\":{},"
                                  "\"annotations\":{}},\"spec\":{\"selector\":{},\"ports\":["
                                  "{\"name\":\"p-443\",\"protocol\":\"TCP\",\"port\":443,"
                                  "\"targetPort\":20002}]}}");
        struct wanted_service_port moved[] = {{80, 20009}, {443, 20002}};
        wanted.ports.items = moved;
        wanted.ports.count = 2;
        assert_int_equal(diff(&wanted, &is, text), SERVICE_PATCH);
        assert_non_null(strstr(text, "\"port\":80,\"targetPort\":20009"));
}

static void what_infrastructure_no_longer_asks_for_goes_and_what_others_added_stays(void **state)
{
        struct wanted_service wanted = wanted_make();
        char text[4096];
        (void)state;
        struct kube_entry is = entry_of(AS_WANTED);
        wanted.labels.count = 4;
        wanted.annotations.count = 0;
        assert_int_equal(diff(&wanted, &is, text), SERVICE_PATCH);
        assert_string_equal(text, "{\"metadata\":{\"resourceVersion\":\"7\",\"labels\":{\"team\":"
                                  "null},\"annotations\":{\"example.com/kind\":null,"
                                  "\"pingate.dev/propagated\":null}},\"spec\":{\"selector\":{}}}");
        struct text_pair changed[] = {
                labels[0], labels[1], labels[2], labels[3], {SLICE("team"), SLICE("b")}};
        wanted = wanted_make();
        wanted.labels.items = changed;
        assert_int_equal(diff(&wanted, &is, text), SERVICE_PATCH);
        assert_string_equal(text, "{\"metadata\":{\"resourceVersion\":\"7\",\"labels\":{\"team\":"
                                  "\"b\"},\"annotations\":{}},\"spec\":{\"selector\":{}}}");
}

/* By hand, or by somebody who can write annotations: our own labels say whose it is. */
static void a_record_that_names_our_labels_takes_none_of_them(void **state)
{
        struct wanted_service wanted = wanted_make();
        char text[4096];
        (void)state;
        struct kube_entry is = entry_of(
                "{\"metadata\":{" NAMES ",\"labels\":{\"app.kubernetes.io/managed-by\":\"pingate\","
                "\"gateway.networking.k8s.io/gateway-name\":\"edge\","
                "\"gateway.networking.k8s.io/gateway-class-name\":\"pingate\","
                "\"pingate.dev/gateway-namespace\":\"shop\",\"team\":\"a\"},"
                "\"annotations\":{\"example.com/kind\":\"internal\",\"pingate.dev/propagated\":"
                "\"label:pingate.dev/gateway-namespace junk label: label:not-there\"}},"
                "\"spec\":{\"type\":\"LoadBalancer\"," SELECTOR "," PORTS "}}");
        assert_int_equal(diff(&wanted, &is, text), SERVICE_PATCH);
        assert_string_equal(text, "{\"metadata\":{\"resourceVersion\":\"7\",\"labels\":{},"
                                  "\"annotations\":{\"pingate.dev/propagated\":\"label:team "
                                  "annotation:example.com/kind\"}},\"spec\":{\"selector\":{}}}");
}

static void a_selector_an_address_and_a_type_are_set_right(void **state)
{
        struct wanted_service wanted = wanted_make();
        char text[4096];
        (void)state;
        struct kube_entry is = entry_of(
                "{\"metadata\":{" NAMES "," METADATA "},\"spec\":{\"type\":\"NodePort\","
                "\"loadBalancerIP\":\"192.0.2.1\","
                "\"selector\":{\"app\":\"other\",\"app.kubernetes.io/name\":\"pingate\"}," PORTS
                "}}");
        assert_int_equal(diff(&wanted, &is, text), SERVICE_PATCH);
        assert_string_equal(text, "{\"metadata\":{\"resourceVersion\":\"7\",\"labels\":{},"
                                  "\"annotations\":{}},\"spec\":{\"type\":\"LoadBalancer\","
                                  "\"externalTrafficPolicy\":\"Local\",\"loadBalancerIP\":null,"
                                  "\"selector\":{\"app\":null}}}");
        wanted.address = SLICE("192.0.2.7");
        assert_int_equal(diff(&wanted, &is, text), SERVICE_PATCH);
        assert_non_null(strstr(text, "\"loadBalancerIP\":\"192.0.2.7\""));
}

static void one_without_a_balancer_is_owned_by_its_gateway(void **state)
{
        struct wanted_service wanted = wanted_make();
        struct wanted_service_port same[] = {{80, 80}};
        char text[4096];
        (void)state;
        wanted.balanced = false;
        wanted.ports.items = same;
        wanted.ports.count = 1;
        assert_int_equal(diff(&wanted, NULL, text), SERVICE_CREATE);
        assert_non_null(strstr(text, "\"ownerReferences\":[{\"apiVersion\":\"gateway.networking."
                                     "k8s.io/v1\",\"kind\":\"Gateway\",\"name\":\"edge\",\"uid\":"
                                     "\"uid-of-gateway\",\"controller\":true}]"));
        assert_non_null(strstr(text, "\"spec\":{\"clusterIP\":\"None\",\"ports\":["));
        assert_null(strstr(text, "selector"));
}

static void what_can_not_be_compared_is_not_written(void **state)
{
        struct wanted_service wanted = wanted_make();
        char text[4096];
        (void)state;
        struct kube_entry broken =
                entry_of("{\"metadata\":{" NAMES "," METADATA "},\"spec\":{\"ports\":7}}");
        assert_int_equal(diff(&wanted, &broken, text), SERVICE_SAME);
        struct kube_entry going = entry_of("{\"metadata\":{\"name\":\"going\"},\"spec\":{}}");
        going.deleting = true;
        assert_int_equal(diff(&wanted, &going, text), SERVICE_SAME);
        wanted.kept = true;
        assert_int_equal(diff(&wanted, NULL, text), SERVICE_SAME);
}

static bool ours(const char *spec, const char *namespace, const char *label, bool balanced)
{
        static int count;
        char json[1024];
        snprintf(json, sizeof(json),
                 "{\"metadata\":{\"name\":\"s%d\",\"namespace\":\"%s\",\"labels\":{%s\"a\":\"b\"}},"
                 "\"spec\":%s}",
                 count++, namespace, label, spec);
        struct kube_entry is = entry_of(json);
        return service_is_ours((const struct service *)is.object, SLICE("pingate-system"),
                               balanced);
}

/* Whatever is not certainly ours is never deleted. */
static void only_what_says_that_it_is_ours_is_ours(void **state)
{
        static const char all[] = "\"app.kubernetes.io/managed-by\":\"pingate\","
                                  "\"gateway.networking.k8s.io/gateway-name\":\"edge\","
                                  "\"pingate.dev/gateway-namespace\":\"shop\",";
        static const char no_manager[] = "\"gateway.networking.k8s.io/gateway-name\":\"edge\","
                                         "\"pingate.dev/gateway-namespace\":\"shop\",";
        static const char no_namespace[] = "\"app.kubernetes.io/managed-by\":\"pingate\","
                                           "\"gateway.networking.k8s.io/gateway-name\":\"edge\",";
        static const char balancer[] = "{\"type\":\"LoadBalancer\"}";
        static const char headless[] = "{\"clusterIP\":\"None\"}";
        (void)state;
        assert_true(ours(balancer, "pingate-system", all, true));
        assert_true(ours(balancer, "pingate-system", all, false));
        assert_true(ours(headless, "shop", all, false));
        assert_false(ours(headless, "shop", all, true));
        assert_false(ours(headless, "other", all, false));
        assert_false(ours(balancer, "shop", all, true));
        assert_false(ours("{\"clusterIP\":\"10.0.0.1\"}", "shop", all, false));
        assert_false(ours(balancer, "pingate-system", no_manager, true));
        assert_false(ours(balancer, "pingate-system", no_namespace, true));
        assert_false(ours("{\"ports\":7}", "pingate-system", all, true));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_balanced_service_is_made_whole, setup, teardown),
                cmocka_unit_test_setup_teardown(
                        one_that_is_as_wanted_is_left_alone_whatever_others_add, setup, teardown),
                cmocka_unit_test_setup_teardown(ports_are_replaced_upon_the_version_that_was_seen,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(
                        what_infrastructure_no_longer_asks_for_goes_and_what_others_added_stays,
                        setup, teardown),
                cmocka_unit_test_setup_teardown(a_record_that_names_our_labels_takes_none_of_them,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(a_selector_an_address_and_a_type_are_set_right,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(one_without_a_balancer_is_owned_by_its_gateway,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(what_can_not_be_compared_is_not_written, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(only_what_says_that_it_is_ours_is_ours, setup,
                                                teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
