/* What run is told of Services: which texts are a range of ports, and which a label. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "cli/service_options.h"

static void a_range_of_ports_is_read_with_both_its_ends(void **state)
{
        struct service_plan plan;
        struct error err;
        (void)state;
        assert_true(service_ports_parse(SLICE(SERVICE_PORTS_DEFAULT), &plan, &err));
        assert_int_equal(plan.first_port, 20000);
        assert_int_equal(plan.last_port, 29999);
        assert_true(service_ports_parse(SLICE("65535-65535"), &plan, &err));
        assert_int_equal(plan.first_port, 65535);
}

static void what_is_no_range_of_ports_is_told(void **state)
{
        static const char *const cases[] = {"",           "20000",         "20000-",     "-20000",
                                            "1023-2000",  "2000-1999",     "1024-65536", "a-b",
                                            "2000 -3000", "2000-3000-4000"};
        (void)state;
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                struct service_plan plan;
                struct error err;
                assert_false(service_ports_parse(slice_of(cases[i]), &plan, &err));
                assert_int_equal(err.code, ERROR_USAGE);
                assert_non_null(strstr(err.text, "wants FROM-TO of 1024 to 65535"));
        }
}

static void a_label_is_a_key_and_a_value(void **state)
{
        static const char *const bad[] = {"", "app", "=pingate", "app=", "a b=c", "/a=b", "a=b=c"};
        struct service_selector selector;
        struct error err;
        (void)state;
        assert_true(service_selector_parse(SLICE(SERVICE_SELECTOR_DEFAULT), &selector, &err));
        assert_true(slice_is(selector.key, "app.kubernetes.io/name"));
        assert_true(slice_is(selector.value, "pingate"));
        for (size_t i = 0; i < COUNT_OF(bad); i++) {
                assert_false(service_selector_parse(slice_of(bad[i]), &selector, &err));
                assert_int_equal(err.code, ERROR_USAGE);
                assert_non_null(strstr(err.text, "wants KEY=VALUE"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_range_of_ports_is_read_with_both_its_ends),
                cmocka_unit_test(what_is_no_range_of_ports_is_told),
                cmocka_unit_test(a_label_is_a_key_and_a_value),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
