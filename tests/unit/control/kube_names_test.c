/* What pingate calls things at an API server: paths, and names that fit a label. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/kube/path.h"
#include "control/api/names.h"

static void assert_slice(struct slice got, const char *want)
{
        assert_int_equal(got.len, strlen(want));
        assert_memory_equal(got.data, want, got.len);
}

static void paths_are_those_of_an_api_server(void **state)
{
        struct arena arena;
        (void)state;
        arena_init(&arena, 4096);
        assert_slice(kube_list_path(&arena, KIND_SECRET), "/api/v1/secrets");
        assert_slice(kube_list_path(&arena, KIND_ENDPOINT_SLICE),
                     "/apis/discovery.k8s.io/v1/endpointslices");
        assert_slice(kube_object_path(&arena, KIND_HTTP_ROUTE, SLICE("edge"), SLICE("app"),
                                      SLICE("status")),
                     "/apis/gateway.networking.k8s.io/v1/namespaces/edge/httproutes/app/status");
        assert_slice(kube_object_path(&arena, KIND_GATEWAY_CLASS, SLICE("ignored"),
                                      SLICE("pingate"), SLICE_NONE),
                     "/apis/gateway.networking.k8s.io/v1/gatewayclasses/pingate");
        assert_slice(kube_object_path(&arena, KIND_SERVICE, SLICE("edge"), SLICE_NONE, SLICE_NONE),
                     "/api/v1/namespaces/edge/services");
        arena_done(&arena);
}

static void a_name_that_fits_stays_and_others_keep_a_hash(void **state)
{
        struct arena arena;
        char longest[200];
        (void)state;
        arena_init(&arena, 4096);
        assert_slice(name_fit(&arena, SLICE("pingate-edge")), "pingate-edge");
        memset(longest, 'a', sizeof(longest));
        struct slice one = name_fit(&arena, slice_from(longest, 100));
        struct slice two = name_fit(&arena, slice_from(longest, 101));
        assert_int_equal(one.len, LABEL_MAX);
        assert_false(slice_equal(one, two));
        struct slice dotted = name_fit(&arena, SLICE("edge.example"));
        assert_true(slice_starts_with(dotted, SLICE("edge-example-")));
        assert_false(slice_equal(dotted, name_fit(&arena, SLICE("edge-example"))));
        assert_true(name_fit(&arena, SLICE("...")).len > 0);
        assert_true(name_looks_fitted(one));
        assert_true(name_looks_fitted(dotted));
        assert_false(name_looks_fitted(SLICE("edge-example")));
        assert_false(name_looks_fitted(SLICE("-0123456789abcde")));
        assert_true(name_looks_fitted(SLICE("-0123456789abcdef")));
        assert_false(name_looks_fitted(SLICE("-0123456789abcdeg")));
        assert_false(name_looks_fitted(SLICE("")));
        arena_done(&arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(paths_are_those_of_an_api_server),
                cmocka_unit_test(a_name_that_fits_stays_and_others_keep_a_hash),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
