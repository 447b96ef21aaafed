/* The text is read by a strict reader of the exposition format (version 0.0.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "event/emit.h"
#include "observe/metric_text.h"
#include "observe/metrics.h"

enum {
        SERIES_MAX = 1024
};

struct reading {
        char family[128], type[16];
        char families[128][128]; /* that are over */
        size_t family_count;
        char series[SERIES_MAX][192];
        double values[SERIES_MAX];
        size_t series_count;
};

static size_t name_len(const char *s)
{
        size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:");
        assert_true(len > 0 && !(s[0] >= '0' && s[0] <= '9'));
        return len;
}

/* "# HELP name text" opens a family that was not there before; "# TYPE name kind" follows it. */
static void read_comment(struct reading *r, const char *line)
{
        char name[128], kind[16];
        size_t len = name_len(line + 7);
        snprintf(name, sizeof(name), "%.*s", (int)len, line + 7);
        assert_int_equal(line[7 + len], ' ');
        if (strncmp(line, "# HELP ", 7) == 0) {
                assert_true(strlen(line) > 8 + len);
                for (size_t i = 0; i < r->family_count; i++)
                        assert_string_not_equal(r->families[i], name);
                snprintf(r->families[r->family_count++], 128, "%s", name);
                snprintf(r->family, sizeof(r->family), "%s", name);
                r->type[0] = '\0';
                return;
        }
        assert_int_equal(strncmp(line, "# TYPE ", 7), 0);
        snprintf(kind, sizeof(kind), "%s", line + 8 + len);
        assert_string_equal(name, r->family);
        assert_int_equal(r->type[0], '\0');
        assert_true(strcmp(kind, "counter") == 0 || strcmp(kind, "gauge") == 0 ||
                    strcmp(kind, "histogram") == 0);
        bool total = len > 6 && strcmp(name + len - 6, "_total") == 0;
        assert_int_equal(total, strcmp(kind, "counter") == 0);
        snprintf(r->type, sizeof(r->type), "%s", kind);
}

/* key="value",… without escapes: our values need none. */
static const char *read_labels(const char *at)
{
        for (at++;; at++) {
                at += name_len(at);
                assert_int_equal(at[0], '=');
                assert_int_equal(at[1], '"');
                at += 2;
                size_t len = strcspn(at, "\"\\\n");
                assert_int_equal(at[len], '"');
                at += len + 1;
                if (*at == '}')
                        return at + 1;
                assert_int_equal(*at, ',');
        }
}

static void read_sample(struct reading *r, const char *line)
{
        size_t len = name_len(line);
        bool histogram = strcmp(r->type, "histogram") == 0;
        size_t family = strlen(r->family);
        assert_int_equal(strncmp(line, r->family, family), 0);
        if (histogram)
                assert_true(strncmp(line + family, "_bucket", 7) == 0 ||
                            strncmp(line + family, "_sum", 4) == 0 ||
                            strncmp(line + family, "_count", 6) == 0);
        else
                assert_int_equal(len, family);
        const char *at = line + len;
        if (*at == '{')
                at = read_labels(at);
        assert_int_equal(*at, ' ');
        char *end;
        double value = strtod(at + 1, &end);
        assert_true(end > at + 1 && *end == '\0');
        assert_true(r->series_count < SERIES_MAX);
        char *series = r->series[r->series_count];
        snprintf(series, 192, "%.*s", (int)(at - line), line);
        for (size_t i = 0; i < r->series_count; i++)
                assert_string_not_equal(r->series[i], series);
        r->values[r->series_count++] = value;
}

static struct reading *read_metrics(struct event_hub *hub, const struct metrics_extra *extra)
{
        struct buffer out;
        buffer_init(&out, 1 << 20);
        assert_true(metrics_print(hub, extra, &out));
        assert_int_equal(out.data[out.len - 1], '\n');
        struct reading *r = NEW(struct reading);
        struct slice rest = buffer_slice(&out), line;
        while (slice_split(&rest, '\n', &line)) {
                char text[512];
                assert_true(line.len < sizeof(text));
                snprintf(text, sizeof(text), "%.*s", SLICE_ARG(line));
                if (line.len == 0)
                        assert_null(rest.data); /* only behind the last line end */
                else if (text[0] == '#')
                        read_comment(r, text);
                else
                        read_sample(r, text);
        }
        buffer_done(&out);
        return r;
}

static double value_of(const struct reading *r, const char *series)
{
        for (size_t i = 0; i < r->series_count; i++)
                if (strcmp(r->series[i], series) == 0)
                        return r->values[i];
        fail_msg("%s is not there", series);
        return -1;
}

#define assert_value(r, series, value)                                                             \
        assert_int_equal((long)(value_of(r, series) * 1000), (long)((value)*1000))

static struct event_hub *busy_hub(void)
{
        struct error err;
        struct event_hub *hub = event_hub_new(
                &(struct event_hub_options){.workers = 2, .ring_slots = 8, .accept_slots = 2},
                &err);
        assert_non_null(hub);
        for (size_t w = 0; w < 2; w++) {
                struct event_sink *sink = event_hub_sink(hub, w);
                counter_set(&event_sink_counters(sink)->generation, 5 + w);
                for (int i = 0; i < 2; i++)
                        event_handshake_lossy(sink, &(struct handshake_facts){.admitted = true,
                                                                              .verified = true,
                                                                              .duration_us = 700});
                event_handshake_lossy(sink, &(struct handshake_facts){.reason = REASON_EXPIRED,
                                                                      .duration_us = 20000000});
                event_request(sink, &(struct request_facts){.status = 204});
                event_request(sink, &(struct request_facts){.status = 204,
                                                            .report_only = REASON_NOT_PINNED});
                event_request(sink,
                              &(struct request_facts){.status = 403, .reason = REASON_DENIED});
                event_handshake_lossy(sink,
                                      &(struct handshake_facts){.admitted = true,
                                                                .verified = true,
                                                                .duration_us = 700,
                                                                .report_only = REASON_NOT_PINNED});
        }
        return hub;
}

static void the_text_is_strictly_well_formed_and_sums_the_workers(void **state)
{
        (void)state;
        struct event_hub *hub = busy_hub();
        struct reading *r = read_metrics(
                hub, &(struct metrics_extra){
                             .ready = true, .pins = 9, .lines_lost = 4, .started_s = 1793491200.5});
        assert_value(r, "pingate_handshakes_total{result=\"verified\"}", 6);
        assert_value(r, "pingate_handshakes_total{result=\"refused\"}", 2);
        assert_value(r, "pingate_handshakes_refused_total{reason=\"expired\"}", 2);
        assert_value(r, "pingate_handshakes_would_refuse_total{reason=\"not_pinned\"}", 2);
        assert_value(r, "pingate_handshakes_would_refuse_total{reason=\"expired\"}", 0);
        assert_value(r, "pingate_requests_total{class=\"2xx\"}", 4);
        assert_value(r, "pingate_requests_refused_total{reason=\"denied\"}", 2);
        assert_value(r, "pingate_requests_would_refuse_total{reason=\"not_pinned\"}", 2);
        assert_value(r, "pingate_worker_generation{worker=\"1\"}", 6);
        assert_value(r, "pingate_handshake_duration_seconds_bucket{le=\"0.0005\"}", 0);
        assert_value(r, "pingate_handshake_duration_seconds_bucket{le=\"0.001\"}", 6);
        assert_value(r, "pingate_handshake_duration_seconds_bucket{le=\"10\"}", 6);
        assert_value(r, "pingate_handshake_duration_seconds_bucket{le=\"+Inf\"}", 8);
        assert_value(r, "pingate_handshake_duration_seconds_count", 8);
        assert_value(r, "pingate_handshake_duration_seconds_sum", 40.0042);
        assert_value(r, "pingate_log_lost_total{what=\"admissions\"}", 2);
        assert_value(r, "pingate_log_lost_total{what=\"lines\"}", 4);
        assert_value(r, "pingate_ready", 1);
        assert_value(r, "pingate_pins", 9);
        assert_value(r, "pingate_build_info{version=\"" PINGATE_VERSION "\"}", 1);
        free(r);
        event_hub_free(hub);
}

static void refusals_by_reason_add_up_to_all_refused(void **state)
{
        (void)state;
        struct event_hub *hub = busy_hub();
        for (int i = REASON_ACCEPTED + 1; i < REASON_COUNT; i++)
                event_handshake(event_hub_sink(hub, 0),
                                &(struct handshake_facts){.reason = (enum reason)i});
        struct reading *r = read_metrics(hub, &(struct metrics_extra){0});
        double sum = 0;
        for (size_t i = 0; i < r->series_count; i++)
                if (strncmp(r->series[i], "pingate_handshakes_refused_total{", 33) == 0)
                        sum += r->values[i];
        assert_int_equal((long)sum,
                         (long)value_of(r, "pingate_handshakes_total{result=\"refused\"}"));
        assert_int_equal((long)sum, 2 + REASON_COUNT - 1);
        free(r);
        event_hub_free(hub);
}

static void a_label_is_one_line_whoever_wrote_its_value(void **state)
{
        (void)state;
        static const struct {
                struct slice value;
                const char *shown;
        } cases[] = {
                {SLICE(""), "a=\"\""},
                {SLICE("edge/part\xc3\xbcners"), "a=\"edge/part\xc3\xbcners\""},
                {SLICE("x\"} 1\nup 1\\"), "a=\"x\\\"} 1\\nup 1\\\\\""},
                {SLICE("\0\r\x1b[2J"), "a=\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd[2J\""},
                {SLICE("\xe2\x80\xae\xff\xc3"), "a=\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        };
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
                struct buffer labels;
                buffer_init(&labels, 256);
                assert_true(metric_label(&labels, "a", cases[i].value));
                assert_true(slice_is(buffer_slice(&labels), cases[i].shown));
                buffer_done(&labels);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_text_is_strictly_well_formed_and_sums_the_workers),
                cmocka_unit_test(refusals_by_reason_add_up_to_all_refused),
                cmocka_unit_test(a_label_is_one_line_whoever_wrote_its_value),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
