#include "harness.h"

#include "base/memory.h"
#include "text/duration.h"
#include "text/time.h"

static void moments_are_read_as_unix_seconds(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                int64_t unix_s;
        } rows[] = {
                {"1970-01-01T00:00:00Z", 0},
                {"2026-11-01T00:00:00Z", 1793491200},
                {"2026-11-01t01:30:00.999z", 1793496600},
                {"2026-11-01T01:30:00+01:30", 1793491200},
                {"2026-10-31T16:00:00-08:00", 1793491200},
                {"2026-11-01T00:00:00-00:00", 1793491200},
                {"2000-02-29T00:00:00Z", 951782400},
                {"2024-02-29T23:59:59Z", 1709251199},
                {"1969-12-31T23:59:59Z", -1},
                {"0001-01-01T00:00:00Z", -62135596800},
                {"9999-12-31T23:59:59Z", 253402300799},
                {"2016-12-31T23:59:60Z", 1483228800},
                {"2017-01-01T05:29:60+05:30", 1483228800},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                int64_t unix_s = 0;
                struct error err = {.text = ""};
                bool good = time_parse(slice_of(rows[i].text), &unix_s, &err);
                assert_string_equal(err.text, "");
                assert_true(good && unix_s == rows[i].unix_s);
        }
}

static void what_is_no_moment_is_refused(void **state)
{
        (void)state;
        static const char *const texts[] = {
                "",
                "2026-11-01",
                "2026-11-01 00:00:00Z",
                "2026-11-01T00:00:00",
                "2026-11-01T00:00:00.Z",
                "2026-11-01T00:00:00,5Z",
                "2026-11-01T00:00:00Z ",
                "2026-11-01T00:00:00ZZ",
                "2026-11-1T00:00:00Z",
                "+2026-11-01T00:00:00Z",
                "2026-00-01T00:00:00Z",
                "2026-13-01T00:00:00Z",
                "2026-11-00T00:00:00Z",
                "2026-11-31T00:00:00Z",
                "2025-02-29T00:00:00Z",
                "1900-02-29T00:00:00Z",
                "2026-11-01T24:00:00Z",
                "2026-11-01T00:60:00Z",
                "2026-11-01T00:00:61Z",
                "2026-11-01T00:00:60Z",
                "2016-12-30T23:59:60Z",
                "2016-12-31T23:59:60+01:00",
                "2026-11-01T00:00:00+24:00",
                "2026-11-01T00:00:00+01:60",
                "2026-11-01T00:00:00+0100",
                "0000-01-01T00:00:00Z",
                "0001-01-01T00:00:00+00:01",
                "9999-12-31T23:59:59-00:01",
                "9999-12-31T23:59:60Z",
        };
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
                int64_t unix_s = 77;
                struct error err;
                if (time_parse(slice_of(texts[i]), &unix_s, &err))
                        fail_msg("%s was taken", texts[i]);
                assert_true(unix_s == 77);
                assert_non_null(strstr(err.text, "is no time such as"));
        }
}

static void printed_moments_read_back(void **state)
{
        (void)state;
        char out[TIME_SIZE];
        /* A step of a prime number of seconds meets every month, leap years and century years. */
        for (int64_t at = -62135596800; at <= 253402300799; at += 7654321) {
                int64_t again;
                assert_true(time_parse(slice_of(time_print(at, out)), &again, NULL) && again == at);
        }
        assert_string_equal(time_print(1793491200, out), "2026-11-01T00:00:00Z");
        assert_string_equal(time_print_ms(1793491200007, out), "2026-11-01T00:00:00.007Z");
        assert_string_equal(time_print_ms(-1, out), "1969-12-31T23:59:59.999Z");
        assert_string_equal(time_print(INT64_MAX, out), "9999-12-31T23:59:59Z");
        assert_string_equal(time_print_ms(INT64_MIN, out), "0001-01-01T00:00:00.000Z");
}

static void durations_are_read_and_printed_in_one_form(void **state)
{
        (void)state;
        static const struct {
                const char *text, *printed;
                int64_t ms;
        } rows[] = {
                {"0s", "0s", 0},
                {"10s", "10s", 10000},
                {"1h2m3s4ms", "1h2m3s4ms", 3723004},
                {"90m", "1h30m", 5400000},
                {"4ms3s", "3s4ms", 3004},
                {"1s1s", "2s", 2000},
                {"00010s", "10s", 10000},
                {"99999h59m59s999ms", "99999h59m59s999ms", DURATION_MS_MAX},
        };
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                int64_t ms;
                char out[DURATION_SIZE];
                assert_true(duration_parse(slice_of(rows[i].text), &ms, NULL));
                assert_true(ms == rows[i].ms);
                assert_string_equal(duration_print(ms, out), rows[i].printed);
        }
}

static void what_is_no_duration_is_refused(void **state)
{
        (void)state;
        static const char *const texts[] = {
                "",    "0",   "10",  "s",         "-1s",          "+1s",        "1.5s",
                "1d",  "1us", "1 s", "10S",       "123456s",      "1s1s1s1s1s", "1h-1m",
                "1hm", " 1s", "1s ", "99999h60m", "99999h99999h",
        };
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
                int64_t ms = 77;
                struct error err;
                if (duration_parse(slice_of(texts[i]), &ms, &err))
                        fail_msg("%s was taken", texts[i]);
                assert_true(ms == 77);
                assert_non_null(strstr(err.text, "is no duration such as"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(moments_are_read_as_unix_seconds),
                cmocka_unit_test(what_is_no_moment_is_refused),
                cmocka_unit_test(printed_moments_read_back),
                cmocka_unit_test(durations_are_read_and_printed_in_one_form),
                cmocka_unit_test(what_is_no_duration_is_refused),
        };
        return RUN(tests);
}
