/* What is held of an API server: what counts as a change, what is let go of, what is not known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "control/api/core.h"
#include "control/kube/reflector.h"
#include "control/api/gateway.h"
#include "control/api/policy.h"
#include "control/kube/store.h"

static void assert_slice(struct slice got, const char *want)
{
        assert_int_equal(got.len, strlen(want));
        assert_memory_equal(got.data, want, got.len);
}

static struct error fault;

static enum kube_change put(struct kube_store *store, enum object_kind kind, const char *json)
{
        return kube_store_put(store, kind, slice_of(json), &fault);
}

/* A route that has not changed but for what is spliced in. */
static const char *route(const char *version, const char *more, const char *host,
                         const char *status)
{
        static char text[2048];
        snprintf(text, sizeof(text),
                 "{\"apiVersion\":\"gateway.networking.k8s.io/v1\",\"kind\":\"HTTPRoute\","
                 "\"metadata\":{\"name\":\"app\",\"namespace\":\"edge\",\"uid\":\"u1\"%s,"
                 "\"resourceVersion\":\"%s\"},\"spec\":{\"hostnames\":[\"%s\"]}%s}",
                 more, version, host, status);
        return text;
}

static const struct kube_entry *find_route(struct kube_store *store)
{
        return kube_store_find(store, KIND_HTTP_ROUTE, SLICE("edge"), SLICE("app"));
}

static void what_a_controller_writes_is_no_change(void **state)
{
        struct kube_store *store = kube_store_new();
        (void)state;
        assert_int_equal(put(store, KIND_HTTP_ROUTE, route("1", "", "a.example", "")),
                         KUBE_CHANGED);
        const struct objects *part = find_route(store)->objects;
        assert_int_equal(put(store, KIND_HTTP_ROUTE,
                             route("2", ",\"managedFields\":[{\"manager\":\"x\"}]", "a.example",
                                   ",\"status\":{\"parents\":[]}")),
                         KUBE_SAME);
        const struct kube_entry *entry = find_route(store);
        assert_ptr_equal(entry->objects, part);
        assert_slice(entry->resource_version, "2");
        assert_slice(entry->status, "{\"parents\":[]}");
        assert_slice(entry->uid, "u1");
        kube_store_free(store);
}

static void a_change_of_spec_or_labels_is_one(void **state)
{
        struct kube_store *store = kube_store_new();
        (void)state;
        put(store, KIND_HTTP_ROUTE, route("1", "", "a.example", ""));
        assert_int_equal(put(store, KIND_HTTP_ROUTE, route("2", "", "b.example", "")),
                         KUBE_CHANGED);
        assert_int_equal(put(store, KIND_HTTP_ROUTE,
                             route("3", ",\"labels\":{\"a\":\"b\"}", "b.example", "")),
                         KUBE_CHANGED);
        assert_int_equal(put(store, KIND_HTTP_ROUTE,
                             route("4",
                                   ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\","
                                   "\"finalizers\":[\"a\"]",
                                   "b.example", "")),
                         KUBE_CHANGED);
        assert_true(find_route(store)->deleting);
        assert_slice(find_route(store)->finalizers, "[\"a\"]");
        kube_store_free(store);
}

static void what_is_kept_of_a_status_is_a_change_and_the_rest_of_it_is_none(void **state)
{
        static const char gateway[] = "{\"metadata\":{\"name\":\"edge\",\"namespace\":\"edge\"},"
                                      "\"spec\":{},\"status\":{\"listeners\":[%s],%s}}";
        struct kube_store *store = kube_store_new();
        char text[512];
        (void)state;
        kube_store_keep(store, KIND_GATEWAY, "addresses");
        snprintf(text, sizeof(text), gateway, "", "\"addresses\":[]");
        assert_int_equal(put(store, KIND_GATEWAY, text), KUBE_CHANGED);
        snprintf(text, sizeof(text), gateway, "1", "\"addresses\":[]");
        assert_int_equal(put(store, KIND_GATEWAY, text), KUBE_SAME);
        snprintf(text, sizeof(text), gateway, "1", "\"addresses\":[{\"value\":\"192.0.2.1\"}]");
        assert_int_equal(put(store, KIND_GATEWAY, text), KUBE_CHANGED);
        const struct node *status = node_find(
                kube_store_find(store, KIND_GATEWAY, SLICE("edge"), SLICE("edge"))->object->node,
                "status");
        assert_int_equal(status->child_count, 1);
        kube_store_free(store);
}

static void an_object_that_does_not_decode_says_why(void **state)
{
        struct kube_store *store = kube_store_new();
        (void)state;
        put(store, KIND_HTTP_ROUTE,
            "{\"metadata\":{\"name\":\"app\",\"namespace\":\"edge\"},\"spec\":{\"hostnames\":7}}");
        assert_non_null(strstr(fault.text, "HTTPRoute edge/app"));
        assert_true(find_route(store)->object->fault.len > 0);
        put(store, KIND_HTTP_ROUTE, route("2", "", "a.example", ""));
        assert_string_equal(fault.text, "");
        assert_int_equal(find_route(store)->object->fault.len, 0);
        kube_store_free(store);
}

/* jansson has no NUL in a string, and Go has: it must not make a restriction vanish. */
static void a_policy_that_is_not_even_json_to_us_is_kept_as_broken(void **state)
{
        struct kube_store *store = kube_store_new();
        (void)state;
        put(store, KIND_POLICY,
            "{\"metadata\":{\"name\":\"pins\",\"namespace\":\"edge\",\"annotations\":{"
            "\"a\":\"\\\\\\\"\\u0000\\\\u0000\"}},\"spec\":{\"targetRefs\":[{\"group\":"
            "\"gateway.networking.k8s.io\",\"kind\":\"Gateway\",\"name\":\"edge\"}]}}");
        const struct kube_entry *entry =
                kube_store_find(store, KIND_POLICY, SLICE("edge"), SLICE("pins"));
        assert_non_null(strstr(fault.text, "not JSON"));
        assert_true(entry->object->fault.len > 0);
        assert_slice(entry->object->name, "pins");
        assert_int_equal(((const struct client_certificate_policy *)entry->object)->targets.count,
                         1); /* which it must not lose */
        kube_store_free(store);
}

/* Found by the fuzzer: what has no namespace decodes as if it were in "default". */
static void objects_that_would_bear_the_same_name_are_not_both_read(void **state)
{
        static const char route[] =
                "{\"metadata\":{\"name\":\"app\"%s},\"spec\":{\"hostnames\":[]}}";
        struct kube_store *store = kube_store_new();
        char text[256];
        (void)state;
        snprintf(text, sizeof(text), route, ",\"namespace\":\"default\"");
        put(store, KIND_HTTP_ROUTE, text);
        assert_string_equal(fault.text, "");
        snprintf(text, sizeof(text), route, "");
        put(store, KIND_HTTP_ROUTE, text);
        assert_true(fault.text[0] != '\0');
        snprintf(text, sizeof(text), route, ",\"namespace\":\"EDGE\"");
        put(store, KIND_HTTP_ROUTE, text);
        assert_true(fault.text[0] != '\0');
        struct objects *objects = kube_store_objects(store);
        assert_int_equal(objects->kinds[KIND_HTTP_ROUTE].count, 1);
        objects_unref(objects);
        kube_store_free(store);
}

static void an_object_without_a_name_is_dropped(void **state)
{
        struct kube_store *store = kube_store_new();
        (void)state;
        assert_int_equal(put(store, KIND_GATEWAY, "{\"metadata\":{},\"spec\":{}}"), KUBE_SAME);
        assert_true(fault.text[0] != '\0');
        assert_int_equal(put(store, KIND_GATEWAY, "[]"), KUBE_SAME);
        assert_true(fault.text[0] != '\0');
        kube_store_free(store);
}

static void put_namespace(struct kube_store *store, const char *name)
{
        char text[256];
        snprintf(text, sizeof(text), "{\"metadata\":{\"name\":\"%s\"}}", name);
        put(store, KIND_NAMESPACE, text);
}

static void a_list_removes_what_it_does_not_name(void **state)
{
        struct kube_store *store = kube_store_new();
        (void)state;
        kube_store_list_begin(store, KIND_NAMESPACE);
        put_namespace(store, "c");
        put_namespace(store, "a");
        put_namespace(store, "b");
        assert_int_equal(kube_store_list_end(store, KIND_NAMESPACE, SLICE("90")), KUBE_SAME);
        kube_store_list_begin(store, KIND_NAMESPACE);
        put_namespace(store, "a"); /* breaks off here */
        kube_store_list_begin(store, KIND_NAMESPACE);
        put_namespace(store, "b");
        put_namespace(store, "c");
        assert_int_equal(kube_store_count(store, KIND_NAMESPACE), 3);
        assert_int_equal(kube_store_list_end(store, KIND_NAMESPACE, SLICE("90")), KUBE_CHANGED);
        assert_int_equal(kube_store_count(store, KIND_NAMESPACE), 2);
        assert_null(kube_store_find(store, KIND_NAMESPACE, SLICE_NONE, SLICE("a")));
        assert_non_null(kube_store_find(store, KIND_NAMESPACE, SLICE("any"), SLICE("c")));
        kube_store_free(store);
}

static void a_reading_is_in_the_order_of_names_and_outlives_what_it_holds(void **state)
{
        struct kube_store *store = kube_store_new();
        (void)state;
        put_namespace(store, "c");
        put_namespace(store, "a");
        put_namespace(store, "b");
        struct objects *objects = kube_store_objects(store);
        assert_int_equal(kube_store_remove(store, KIND_NAMESPACE, SLICE_NONE, SLICE("b")),
                         KUBE_CHANGED);
        assert_int_equal(kube_store_remove(store, KIND_NAMESPACE, SLICE_NONE, SLICE("b")),
                         KUBE_SAME);
        kube_store_free(store);
        assert_int_equal(objects->kinds[KIND_NAMESPACE].count, 3);
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(objects->kinds[KIND_NAMESPACE].items[i]->name.data[0], 'a' + i);
        assert_false(objects->from_files);
        objects_unref(objects);
}

/* --- what is wanted --- */

#define SECRET(name, data)                                                                         \
        "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"edge\"},\"data\":{\"k\":\"" data     \
        "\"}}"

static void want(struct kube_store *store, const char *name)
{
        kube_store_want_begin(store);
        if (name)
                kube_store_want(store, KIND_SECRET, SLICE("edge"), slice_of(name));
        kube_store_want_end(store);
}

static void count(const struct kube_name *name, void *self)
{
        assert_int_equal(name->kind, KIND_SECRET);
        assert_slice(name->namespace, "edge");
        assert_slice(name->name, "tls");
        ++*(size_t *)self;
}

static bool is_held(struct kube_store *store, const char *name)
{
        return kube_store_find(store, KIND_SECRET, SLICE("edge"), slice_of(name)) != NULL;
}

static void secrets_that_nobody_wants_are_not_held(void **state)
{
        struct kube_store *store = kube_store_new();
        (void)state;
        want(store, "tls");
        kube_store_list_begin(store, KIND_SECRET);
        assert_int_equal(put(store, KIND_SECRET, SECRET("other", "YQ==")), KUBE_SAME);
        assert_int_equal(put(store, KIND_SECRET, SECRET("tls", "YQ==")), KUBE_CHANGED);
        kube_store_list_end(store, KIND_SECRET, SLICE("90"));
        assert_true(is_held(store, "tls"));
        assert_false(is_held(store, "other"));
        want(store, NULL);
        assert_false(is_held(store, "tls"));
        kube_store_free(store);
}

static void what_came_to_be_wanted_after_its_list_is_asked_for(void **state)
{
        struct kube_store *store = kube_store_new();
        size_t asked = 0;
        (void)state;
        kube_store_list_begin(store, KIND_SECRET);
        want(store, "tls");
        kube_store_list_end(store, KIND_SECRET, SLICE("90")); /* its page may have been over */
        assert_int_equal(kube_store_unknown(store, &asked, count), 1);
        assert_int_equal(asked, 1);
        kube_store_list_begin(store, KIND_SECRET); /* this one will tell */
        assert_int_equal(kube_store_unknown(store, &asked, count), 1);
        assert_int_equal(asked, 1);
        kube_store_list_end(store, KIND_SECRET, SLICE("90"));
        assert_int_equal(kube_store_unknown(store, &asked, count), 0);
        assert_false(is_held(store, "tls"));
        kube_store_free(store);
}

static void answer(struct kube_store *store, const char *json)
{
        struct kube_name name = {KIND_SECRET, SLICE("edge"), SLICE("tls")};
        kube_store_answer(store, &name, slice_of(json), &fault);
}

static void an_answer_gives_way_to_a_watch_that_was_faster(void **state)
{
        size_t asked = 0;
        (void)state;
        struct kube_store *store = kube_store_new();
        want(store, "tls");
        kube_store_remove(store, KIND_SECRET, SLICE("edge"), SLICE("tls"));
        answer(store, SECRET("tls", "YQ=="));
        assert_false(is_held(store, "tls"));
        kube_store_free(store);

        store = kube_store_new();
        want(store, "tls");
        put(store, KIND_SECRET, SECRET("tls", "YQ=="));
        answer(store, NULL);
        assert_true(is_held(store, "tls"));
        kube_store_free(store);

        store = kube_store_new();
        want(store, "tls");
        answer(store, SECRET("tls", "YQ=="));
        assert_true(is_held(store, "tls"));
        assert_int_equal(kube_store_unknown(store, &asked, count), 0);
        kube_store_free(store);
}

#define SECRET_AT(version, data)                                                                   \
        "{\"metadata\":{\"name\":\"tls\",\"namespace\":\"edge\",\"resourceVersion\":\"" version    \
        "\"},\"data\":{\"k\":\"" data "\"}}"

static struct slice version_held(struct kube_store *store)
{
        const struct kube_entry *entry =
                kube_store_find(store, KIND_SECRET, SLICE("edge"), SLICE("tls"));
        return entry ? entry->resource_version : SLICE("none");
}

/* A watch may lag behind what is asked for by itself: a pin that was removed must not be back for
 * as long as it does. */
static void older_events_do_not_undo_an_answer(void **state)
{
        struct kube_store *store = kube_store_new();
        (void)state;
        kube_store_list_begin(store, KIND_SECRET);
        kube_store_list_end(store, KIND_SECRET, SLICE("90"));
        want(store, "tls");
        answer(store, SECRET_AT("100", "bmV3"));
        assert_int_equal(put(store, KIND_SECRET, SECRET_AT("99", "b2xk")), KUBE_SAME);
        assert_slice(version_held(store), "100");
        assert_int_equal(
                kube_store_remove_item(store, KIND_SECRET, slice_of(SECRET_AT("99", "b2xk"))),
                KUBE_SAME);
        assert_slice(version_held(store), "100");
        assert_int_equal(put(store, KIND_SECRET, SECRET_AT("100", "bmV3")), KUBE_SAME);
        assert_int_equal(put(store, KIND_SECRET, SECRET_AT("101", "b2xk")), KUBE_CHANGED);
        assert_int_equal(
                kube_store_remove_item(store, KIND_SECRET, slice_of(SECRET_AT("102", "b2xk"))),
                KUBE_CHANGED);
        assert_slice(version_held(store), "none");
        kube_store_free(store);
}

static void an_answer_and_a_list_that_cross_come_to_what_is_newer(void **state)
{
        static const struct {
                const char *listed, *version, *want;
        } cases[] = {
                {NULL, "99", "100"},   /* made behind the list */
                {NULL, "101", "none"}, /* gone before it */
                {SECRET_AT("99", "b2xk"), "99", "100"},
                {SECRET_AT("101", "b2xk"), "101", "101"},
        };
        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct kube_store *store = kube_store_new();
                want(store, "tls");
                kube_store_list_begin(store, KIND_SECRET);
                answer(store, SECRET_AT("100", "bmV3"));
                if (cases[i].listed)
                        put(store, KIND_SECRET, cases[i].listed);
                kube_store_list_end(store, KIND_SECRET, slice_of(cases[i].version));
                assert_slice(version_held(store), cases[i].want);
                kube_store_free(store);
        }
}

/* Versions of a store that was brought back from a copy begin again at lower ones. */
static void a_list_that_began_later_is_believed_whatever_its_versions(void **state)
{
        struct kube_store *store = kube_store_new();
        (void)state;
        want(store, "tls");
        answer(store, SECRET_AT("100", "bmV3"));
        kube_store_list_begin(store, KIND_SECRET);
        assert_int_equal(put(store, KIND_SECRET, SECRET_AT("7", "b2xk")), KUBE_CHANGED);
        kube_store_list_end(store, KIND_SECRET, SLICE("8"));
        assert_slice(version_held(store), "7");
        kube_store_list_begin(store, KIND_SECRET);
        kube_store_list_end(store, KIND_SECRET, SLICE("6"));
        assert_slice(version_held(store), "none");
        kube_store_free(store);
}

/* --- observers --- */

static void on_entry(enum object_kind kind, struct slice namespace, struct slice name,
                     const struct kube_entry *entry, void *self)
{
        struct buffer *text = self;
        buffer_printf(text, "%d %.*s/%.*s %.*s;", (int)kind, SLICE_ARG(namespace), SLICE_ARG(name),
                      SLICE_ARG(entry ? entry->resource_version : SLICE("gone")));
}

static void observers_hear_of_statuses_and_of_the_end(void **state)
{
        struct kube_store *store = kube_store_new();
        CLEANUP(buffer_done) struct buffer text;
        (void)state;
        buffer_init(&text, 4096);
        kube_store_observe(store, &text, on_entry);
        put(store, KIND_HTTP_ROUTE, route("1", "", "a.example", ""));
        put(store, KIND_HTTP_ROUTE, route("2", "", "a.example", ",\"status\":{}"));
        kube_store_remove_item(store, KIND_HTTP_ROUTE, slice_of(route("3", "", "a.example", "")));
        assert_slice(buffer_slice(&text), "3 edge/app 1;3 edge/app 2;3 edge/app gone;");
        kube_store_free(store);
}

static void pauses_double_to_five_seconds(void **state)
{
        (void)state;
        assert_int_equal(reflector_pause_ms(1, 0), 200);
        assert_int_equal(reflector_pause_ms(2, 0), 400);
        assert_int_equal(reflector_pause_ms(5, 0), 3200);
        assert_int_equal(reflector_pause_ms(6, 0), 5000);
        assert_int_equal(reflector_pause_ms(4000000000U, 0), 5000);
        for (uint64_t random = 0; random < 1000; random++)
                assert_in_range(reflector_pause_ms(3, random * 7919), 401, 800);
}

#define PINS                                                                                       \
        ",\"certificatePinning\":{\"spkiHashes\":[\"NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A=\"]}"

/* uid, generation, and what stands beside the CA. */
static const char *gateway(const char *uid, int generation, const char *pinning)
{
        static char text[1024];
        snprintf(text, sizeof(text),
                 "{\"metadata\":{\"name\":\"edge\",\"namespace\":\"edge\",\"uid\":\"%s\","
                 "\"generation\":%d},\"spec\":{\"gatewayClassName\":\"pingate\",\"listeners\":["
                 "{\"name\":\"a\",\"port\":443,\"protocol\":\"HTTPS\",\"tls\":{"
                 "\"certificateRefs\":[{\"name\":\"tls\"}]}}],\"tls\":{\"frontend\":{\"default\":"
                 "{\"validation\":{\"caCertificateRefs\":[{\"group\":\"\",\"kind\":"
                 "\"ConfigMap\",\"name\":\"ca\"}]%s}}}}}}",
                 uid, generation, pinning);
        return text;
}

static bool is_pinned(const struct kube_store *store)
{
        const struct kube_entry *entry =
                kube_store_find(store, KIND_GATEWAY, SLICE("edge"), SLICE("edge"));
        assert_non_null(entry->object);
        assert_int_equal(entry->object->fault.len, 0);
        return gateway_validation((const struct gateway *)entry->object, 443)->pinning != NULL;
}

/* Upstream's CRD over ours: the same generation without the field, from one event to the next. */
static void pins_that_a_crd_hides_stay_until_somebody_edits(void **state)
{
        struct kube_store *store = kube_store_new();
        (void)state;
        put(store, KIND_GATEWAY, gateway("1", 1, PINS));
        assert_true(is_pinned(store));
        assert_int_equal(put(store, KIND_GATEWAY, gateway("1", 1, "")), KUBE_HIDDEN);
        assert_non_null(strstr(fault.text, "hides its certificatePinning"));
        assert_true(is_pinned(store));
        put(store, KIND_GATEWAY, gateway("1", 1, PINS));
        assert_true(is_pinned(store));
        put(store, KIND_GATEWAY, gateway("1", 2, "")); /* an edit takes them out */
        assert_false(is_pinned(store));
        put(store, KIND_GATEWAY, gateway("1", 3, PINS));
        put(store, KIND_GATEWAY, gateway("2", 3, "")); /* another Gateway of that name */
        assert_false(is_pinned(store));
        kube_store_free(store);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(pins_that_a_crd_hides_stay_until_somebody_edits),
                cmocka_unit_test(what_a_controller_writes_is_no_change),
                cmocka_unit_test(a_change_of_spec_or_labels_is_one),
                cmocka_unit_test(what_is_kept_of_a_status_is_a_change_and_the_rest_of_it_is_none),
                cmocka_unit_test(an_object_that_does_not_decode_says_why),
                cmocka_unit_test(a_policy_that_is_not_even_json_to_us_is_kept_as_broken),
                cmocka_unit_test(objects_that_would_bear_the_same_name_are_not_both_read),
                cmocka_unit_test(an_object_without_a_name_is_dropped),
                cmocka_unit_test(a_list_removes_what_it_does_not_name),
                cmocka_unit_test(a_reading_is_in_the_order_of_names_and_outlives_what_it_holds),
                cmocka_unit_test(secrets_that_nobody_wants_are_not_held),
                cmocka_unit_test(what_came_to_be_wanted_after_its_list_is_asked_for),
                cmocka_unit_test(an_answer_gives_way_to_a_watch_that_was_faster),
                cmocka_unit_test(older_events_do_not_undo_an_answer),
                cmocka_unit_test(an_answer_and_a_list_that_cross_come_to_what_is_newer),
                cmocka_unit_test(a_list_that_began_later_is_believed_whatever_its_versions),
                cmocka_unit_test(observers_hear_of_statuses_and_of_the_end),
                cmocka_unit_test(pauses_double_to_five_seconds),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
