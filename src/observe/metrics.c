#include "observe/metrics.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "event/counters.h"
#include "event/emit.h"
#include "event/ring.h"
#include "observe/metric_text.h"

enum metric_type {
        METRIC_COUNTER,
        METRIC_GAUGE
};

struct row {
        const char *metric, *labels, *help;
        enum metric_type type;
        size_t offset;
};

static const struct row rows[] = {
#define COUNTER(field, metric, labels, help)                                                       \
        {metric, labels, help, METRIC_COUNTER, offsetof(struct worker_counters, field)},
#define GAUGE(field, metric, labels, help)                                                         \
        {metric, labels, help, METRIC_GAUGE, offsetof(struct worker_counters, field)},
#include "event/counters.def"
#undef COUNTER
#undef GAUGE
};

static uint64_t value_at(const struct event_hub *hub, size_t worker, size_t offset)
{
        const char *counters = (const char *)event_hub_counters(hub, worker);
        return counter_get((const void *)(counters + offset));
}

static uint64_t sum_at(const struct event_hub *hub, size_t offset)
{
        uint64_t sum = 0;
        for (size_t i = 0; i < event_hub_workers(hub); i++)
                sum += value_at(hub, i, offset);
        return sum;
}

/* Generations alone are not summed: each worker says its own. */
static bool row_samples(const struct event_hub *hub, const struct row *row, struct buffer *out)
{
        if (row->offset != offsetof(struct worker_counters, generation) &&
            row->offset != offsetof(struct worker_counters, judged_generation))
                return metric_sample(out, row->metric, slice_of(row->labels),
                                     sum_at(hub, row->offset));
        for (size_t i = 0; i < event_hub_workers(hub); i++) {
                char label[32];
                snprintf(label, sizeof(label), "worker=\"%zu\"", i);
                if (!metric_sample(out, row->metric, slice_of(label),
                                   value_at(hub, i, row->offset)))
                        return false;
        }
        return true;
}

static bool print_rows(const struct event_hub *hub, struct buffer *out)
{
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                const struct row *row = &rows[i];
                bool first = i == 0 || strcmp(rows[i - 1].metric, row->metric) != 0;
                const char *type = row->type == METRIC_GAUGE ? "gauge" : "counter";
                if (first && !metric_head(out, row->metric, type, row->help))
                        return false;
                if (!row_samples(hub, row, out))
                        return false;
        }
        return true;
}

/* One for each reason, so that a reason which never was is a 0 and not a gap. */
static bool print_reasons(const struct event_hub *hub, size_t offset, const char *metric,
                          const char *help, struct buffer *out)
{
        if (!metric_head(out, metric, "counter", help))
                return false;
        for (size_t i = REASON_ACCEPTED + 1; i < REASON_COUNT; i++) {
                char label[64];
                snprintf(label, sizeof(label), "reason=\"%s\"", reason_token((enum reason)i));
                if (!metric_sample(out, metric, slice_of(label),
                                   sum_at(hub, offset + i * sizeof(struct counter))))
                        return false;
        }
        return true;
}

static bool print_refusals(const struct event_hub *hub, struct buffer *out)
{
        return print_reasons(hub, offsetof(struct worker_counters, refused),
                             "pingate_handshakes_refused_total",
                             "TLS handshakes refused, by reason.", out) &&
               print_reasons(hub, offsetof(struct worker_counters, would_refuse),
                             "pingate_handshakes_would_refuse_total",
                             "TLS handshakes that a ReportOnly policy would have refused, by "
                             "reason.",
                             out) &&
               print_reasons(hub, offsetof(struct worker_counters, requests_refused),
                             "pingate_requests_refused_total",
                             "Requests refused by the pins of a route or rule, by reason.", out) &&
               print_reasons(hub, offsetof(struct worker_counters, requests_would_refuse),
                             "pingate_requests_would_refuse_total",
                             "Requests that a ReportOnly policy of a route or rule would have "
                             "refused, by reason.",
                             out) &&
               print_reasons(hub, offsetof(struct worker_counters, backend_tls_refused),
                             "pingate_backend_handshakes_refused_total",
                             "TLS handshakes with backends that failed, by reason.", out);
}

static bool print_histogram(const struct event_hub *hub, size_t offset, const char *metric,
                            const char *help, struct buffer *out)
{
        if (!metric_head(out, metric, "histogram", help))
                return false;
        uint64_t seen = 0;
        for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
                seen += sum_at(hub, offset + offsetof(struct histogram, buckets) +
                                            i * sizeof(struct counter));
                uint64_t bound = histogram_bound_us(i);
                char le[32] = "+Inf";
                if (bound != UINT64_MAX)
                        snprintf(le, sizeof(le), "%g", (double)bound / 1e6);
                if (!buffer_printf(out, "%s_bucket{le=\"%s\"} %llu\n", metric, le,
                                   (unsigned long long)seen))
                        return false;
        }
        double sum_s = (double)sum_at(hub, offset + offsetof(struct histogram, sum_us)) / 1e6;
        return buffer_printf(out, "%s_sum %.6f\n%s_count %llu\n", metric, sum_s, metric,
                             (unsigned long long)seen);
}

static bool print_histograms(const struct event_hub *hub, struct buffer *out)
{
        return print_histogram(hub, offsetof(struct worker_counters, handshake_us),
                               "pingate_handshake_duration_seconds",
                               "Time from the first byte of a handshake to its decision.", out) &&
               print_histogram(hub, offsetof(struct worker_counters, request_us),
                               "pingate_request_duration_seconds",
                               "Time from a request's head to the end of its response.", out) &&
               print_histogram(hub, offsetof(struct worker_counters, upstream_us),
                               "pingate_upstream_duration_seconds",
                               "Time that backends took to answer.", out);
}

static bool print_lost(struct event_hub *hub, uint64_t lines, struct buffer *out)
{
        uint64_t admissions = 0, records = 0;
        for (size_t i = 0; i <= event_hub_workers(hub); i++) {
                admissions += event_ring_lost(event_hub_ring(hub, i, true));
                records += event_ring_lost(event_hub_ring(hub, i, false));
        }
        const char *metric = "pingate_log_lost_total";
        return metric_head(out, metric, "counter", "Log records lost, by what lost them.") &&
               metric_sample(out, metric, SLICE("what=\"admissions\""), admissions) &&
               metric_sample(out, metric, SLICE("what=\"records\""), records) &&
               metric_sample(out, metric, SLICE("what=\"lines\""), lines);
}

static bool print_expiry(struct buffer *out, const char *metric, const char *help, int64_t unix_s)
{
        return metric_time(out, metric, help, unix_s == EXPIRY_NONE ? 0 : unix_s * 1000);
}

static bool print_times(const struct metrics_extra *extra, struct buffer *out)
{
        return metric_time(out, "pingate_generation_published_timestamp_seconds",
                           "Unix time at which the newest generation was published.",
                           extra->published_ms) &&
               metric_time(out, "pingate_source_error_timestamp_seconds",
                           "Unix time at which a source last could not be read; not there before.",
                           extra->source_error_ms) &&
               print_expiry(out, "pingate_ca_earliest_not_after_timestamp_seconds",
                            "Unix time at which the next CA ends, of clients or backends.",
                            extra->expires.cas) &&
               print_expiry(out, "pingate_crl_earliest_next_update_timestamp_seconds",
                            "Unix time by which the next CRL has to be replaced.",
                            extra->expires.crls) &&
               print_expiry(out, "pingate_server_certificate_earliest_not_after_timestamp_seconds",
                            "Unix time at which the next server certificate ends.",
                            extra->expires.server_certificates);
}

static bool print_renewals(uint64_t renewals, struct buffer *out)
{
        const char *metric = "pingate_renewals_noticed_total";
        return metric_head(out, metric, "counter",
                           "Clients that a named pin let in before and that came unpinned with a "
                           "new key.") &&
               metric_sample(out, metric, SLICE_NONE, renewals);
}

static bool print_sources(const struct metrics_extra *extra, struct buffer *out)
{
        static const char *const name = "pingate_source_seconds_since_heard";
        if (extra->source_count > 0 &&
            !metric_head(out, name, "gauge",
                         "Seconds since the API server last said anything of a kind of objects."))
                return false;
        for (size_t i = 0; i < extra->source_count; i++)
                if (!buffer_printf(out, "%s{kind=\"%s\"} %.3f\n", name, extra->sources[i].kind,
                                   extra->sources[i].silence_s))
                        return false;
        return true;
}

static bool print_extra(const struct metrics_extra *extra, struct buffer *out)
{
        return metric_gauge(out, "pingate_ready", "1 when every worker serves a generation.",
                            extra->ready) &&
               metric_gauge(out, "pingate_generation", "The newest generation.",
                            extra->generation) &&
               metric_gauge(out, "pingate_pins", "Pins in the newest generation.", extra->pins) &&
               metric_gauge(out, "pingate_listeners", "Listeners in the newest generation.",
                            extra->listeners) &&
               metric_gauge(
                       out, "pingate_source_failing",
                       "1 while a source can't be read and the last good generation serves on.",
                       extra->source_failing) &&
               metric_head(
                       out, "pingate_probes_total", "counter",
                       "Client policies put to the test before they were published, by result.") &&
               metric_sample(out, "pingate_probes_total", SLICE("result=\"passed\""),
                             extra->probes_passed) &&
               metric_sample(out, "pingate_probes_total", SLICE("result=\"failed\""),
                             extra->probes_failed) &&
               metric_gauge(out, "pingate_probe_failing",
                            "1 while a policy that was put to the test is not enforced, and so "
                            "not published.",
                            extra->probe_failing) &&
               metric_head(out, "pingate_start_time_seconds", "gauge", "Unix time of the start.") &&
               buffer_printf(out, "pingate_start_time_seconds %.3f\n", extra->started_s) &&
               metric_head(out, "pingate_build_info", "gauge",
                           "Always 1; the version is its label.") &&
               metric_sample(out, "pingate_build_info", SLICE("version=\"" PINGATE_VERSION "\""),
                             1);
}

bool metrics_print(struct event_hub *hub, const struct metrics_extra *extra, struct buffer *out)
{
        return print_rows(hub, out) && print_refusals(hub, out) && print_histograms(hub, out) &&
               print_lost(hub, extra->lines_lost, out) && print_extra(extra, out) &&
               print_times(extra, out) && print_sources(extra, out) &&
               print_renewals(extra->renewals, out);
}
