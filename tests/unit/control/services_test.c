/* When a Service is written, how often, and what an answer does to it: against a client, a store
 * and a Lease that are told what to say. */
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
#include "control/report/services.h"
#include "kube_calls.h"
#include "text/json.h"

enum {
        HELD_MAX = 16,
        WAIT_MS = 10000,
};

/* ---- what stands in ---- */

static bool leading;
static struct objects *objects;

static struct { /* the store */
        struct kube_entry entry;
        char version[16];
        bool there;
} held[HELD_MAX];
static size_t held_count;

const struct kube_entry *kube_store_find(const struct kube_store *store, enum object_kind kind,
                                         struct slice namespace, struct slice name)
{
        (void)store;
        for (size_t i = 0; kind == KIND_SERVICE && i < held_count; i++)
                if (held[i].there && slice_equal(held[i].entry.object->name, name) &&
                    slice_equal(held[i].entry.object->namespace, namespace))
                        return &held[i].entry;
        return NULL;
}

void kube_store_each(const struct kube_store *store, enum object_kind kind, void *self,
                     kube_entry_fn on_entry)
{
        (void)store, (void)kind;
        for (size_t i = 0; i < held_count; i++)
                if (held[i].there)
                        on_entry(&held[i].entry, self);
}

bool lease_leads(const struct lease *lease)
{
        (void)lease;
        return leading;
}

/* ---- the world ---- */

static uv_loop_t loop;
static struct services *services;
static struct wanted_service wanted[2];
static struct wanted_service_port ports[2] = {{80, 20001}, {80, 20002}};
static struct text_pair labels[2][3];
static struct translation translation;

/* As it is wanted, but for its port. */
static size_t store_put(const char *name, int target)
{
        char json[1024];
        struct node *root;
        struct error err;
        snprintf(json, sizeof(json),
                 "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"pingate-system\",\"labels\":{"
                 "\"app.kubernetes.io/managed-by\":\"pingate\","
                 "\"gateway.networking.k8s.io/gateway-name\":\"%s\","
                 "\"pingate.dev/gateway-namespace\":\"shop\"}},"
                 "\"spec\":{\"type\":\"LoadBalancer\",\"selector\":{\"app\":\"pingate\"},"
                 "\"ports\":[{\"name\":\"p-80\",\"port\":80,\"targetPort\":%d}]}}",
                 name, name, target);
        must(json_parse(&objects->arena, slice_of(json), NULL, &root, &err));
        must(objects_add_lenient(objects, KIND_SERVICE, root, &err));
        const struct object_list *list = &objects->kinds[KIND_SERVICE];
        size_t at = held_count++;
        snprintf(held[at].version, sizeof(held[at].version), "1");
        held[at].there = true;
        held[at].entry = (struct kube_entry){.object = list->items[list->count - 1],
                                             .namespace = list->items[list->count - 1]->namespace,
                                             .name = list->items[list->count - 1]->name,
                                             .uid = SLICE("uid"),
                                             .resource_version = slice_of(held[at].version)};
        services_heard(services);
        return at;
}

static void wanted_set(size_t at, const char *name)
{
        labels[at][0] = (struct text_pair){SLICE(LABEL_MANAGED_BY), SLICE("pingate")};
        labels[at][1] = (struct text_pair){SLICE(LABEL_GATEWAY), slice_of(name)};
        labels[at][2] = (struct text_pair){SLICE(LABEL_GATEWAY_NAMESPACE), SLICE("shop")};
        wanted[at] = (struct wanted_service){.namespace = SLICE("pingate-system"),
                                             .name = slice_of(name),
                                             .gateway_namespace = SLICE("shop"),
                                             .gateway_name = slice_of(name),
                                             .balanced = true,
                                             .ports = {&ports[at], 1},
                                             .labels = {labels[at], 3}};
}

static void take(size_t count)
{
        translation.services.items = wanted;
        translation.services.count = count;
        services_take(services, &translation);
}

static int setup(void **state)
{
        (void)state;
        struct services_options options = {
                .side = {.loop = &loop, .lease = (struct lease *)(uintptr_t)1},
                .namespace = SLICE("pingate-system"),
                .balanced = true,
                .selector = {SLICE("app"), SLICE("pingate")}};
        call_count = held_count = 0;
        leading = true;
        objects = objects_new();
        must(uv_loop_init(&loop) == 0);
        services = services_open(&options);
        wanted_set(0, "one");
        wanted_set(1, "two");
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        services_close(services);
        uv_run(&loop, UV_RUN_DEFAULT);
        must(uv_loop_close(&loop) == 0);
        objects_unref(objects);
        return 0;
}

/* Until so many calls have been made; then all that is due within a moment. */
static void wait_for_calls(size_t count)
{
        uint64_t until = uv_hrtime() + WAIT_MS * 1000000ull;
        while (call_count < count && uv_hrtime() < until)
                uv_run(&loop, UV_RUN_ONCE);
        assert_int_equal(call_count, count);
        until = uv_hrtime() + 30 * 1000000ull;
        while (uv_hrtime() < until)
                uv_run(&loop, UV_RUN_NOWAIT);
        assert_int_equal(call_count, count);
}

/* ---- the tests ---- */

static void a_missing_one_is_made_once_until_the_store_hears_of_it(void **state)
{
        (void)state;
        take(1);
        wait_for_calls(1);
        assert_string_equal(calls[0].request.method, "POST");
        assert_string_equal(calls[0].path,
                            "/api/v1/namespaces/pingate-system/services?fieldManager=pingate");
        assert_non_null(strstr(calls[0].body, "\"targetPort\":20001"));
        services_heard(services);
        answer(0, 201, "{}");
        services_heard(services);
        wait_for_calls(1);
        store_put("one", 20001);
        wait_for_calls(1);
}

static void one_that_differs_is_patched_and_another_made_beside_it(void **state)
{
        (void)state;
        store_put("one", 20009);
        take(2);
        wait_for_calls(2);
        assert_string_equal(calls[0].request.method, "PATCH");
        assert_string_equal(calls[0].request.content_type, "application/merge-patch+json");
        assert_string_equal(calls[0].path, "/api/v1/namespaces/pingate-system/services/"
                                           "one?fieldManager=pingate");
        assert_non_null(strstr(calls[0].body, "\"resourceVersion\":\"1\""));
        assert_string_equal(calls[1].request.method, "POST");
}

static void who_does_not_lead_writes_nothing_until_it_does(void **state)
{
        (void)state;
        leading = false;
        take(1);
        wait_for_calls(0);
        leading = true;
        wait_for_calls(1);
}

static void what_was_refused_is_tried_again_and_a_conflict_too(void **state)
{
        (void)state;
        take(1);
        wait_for_calls(1);
        answer(0, 403, "{}");
        wait_for_calls(2);
        answer(1, 409, "{}");
        wait_for_calls(3);
        answer(2, 201, "{}");
        store_put("one", 20001);
        wait_for_calls(3);
}

static void what_nobody_wants_goes_and_only_the_one_that_was_seen(void **state)
{
        (void)state;
        size_t one = store_put("one", 20001);
        store_put("gone", 20005);
        take(1);
        wait_for_calls(1);
        assert_string_equal(calls[0].request.method, "DELETE");
        assert_string_equal(calls[0].path, "/api/v1/namespaces/pingate-system/services/gone");
        assert_non_null(strstr(calls[0].body,
                               "\"preconditions\":{\"uid\":\"uid\",\"resourceVersion\":\"1\"}"));
        assert_true(held[one].there);
}

static void one_that_is_wanted_again_in_time_stays(void **state)
{
        (void)state;
        store_put("one", 20001);
        store_put("two", 20002);
        take(1);
        wait_for_calls(0);
        take(2);
        uint64_t until = uv_hrtime() + (SERVICE_LEFT_MS + 200) * 1000000ull;
        while (uv_hrtime() < until)
                uv_run(&loop, UV_RUN_NOWAIT);
        assert_int_equal(call_count, 0);
}

static void one_that_is_kept_is_neither_written_nor_deleted(void **state)
{
        (void)state;
        store_put("one", 20009);
        wanted[0].kept = true;
        take(1);
        uint64_t until = uv_hrtime() + (SERVICE_LEFT_MS + 200) * 1000000ull;
        while (uv_hrtime() < until)
                uv_run(&loop, UV_RUN_NOWAIT);
        assert_int_equal(call_count, 0);
}

static void closing_abandons_what_is_in_flight(void **state)
{
        (void)state;
        take(1);
        wait_for_calls(1);
        assert_false(calls[0].over);
        services_close(services);
        assert_true(calls[0].over);
        struct services_options options = {.side = {.loop = &loop}};
        services = services_open(&options);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(a_missing_one_is_made_once_until_the_store_hears_of_it),
                TEST(one_that_differs_is_patched_and_another_made_beside_it),
                TEST(who_does_not_lead_writes_nothing_until_it_does),
                TEST(what_was_refused_is_tried_again_and_a_conflict_too),
                TEST(what_nobody_wants_goes_and_only_the_one_that_was_seen),
                TEST(one_that_is_wanted_again_in_time_stays),
                TEST(one_that_is_kept_is_neither_written_nor_deleted),
                TEST(closing_abandons_what_is_in_flight),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
