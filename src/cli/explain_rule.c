#include "cli/explain_rule.h"

#include "text/duration.h"

/* "0s" as upstream means it. */
static const char *limit_print(uint32_t ms, char out[static DURATION_SIZE])
{
        return ms == 0 ? "no limit" : duration_print(ms, out);
}

static void print_retry(const struct route_retry *retry, FILE *out)
{
        char text[DURATION_SIZE];
        if (!retry)
                return;
        fprintf(out, "       retry: up to %u more %s, after %s, on connection errors, timeouts",
                retry->attempts, retry->attempts == 1 ? "try" : "tries",
                duration_print(retry->backoff_ms, text));
        for (size_t i = 0; i < retry->code_count; i++)
                fprintf(out, ", %u", retry->codes[i]);
        fprintf(out, "\n");
}

/* Of the rule, then of each backendRef: every one that can take a request. */
static const struct route_filters *filters_next(const struct route_rule *rule, size_t *at)
{
        if ((*at)++ == 0)
                return &rule->filters;
        return *at - 2 < rule->backend_count ? rule->backends[*at - 2].filters : NULL;
}

static void print_mirrors(const struct snapshot *snapshot, const struct route_filters *filters,
                          FILE *out)
{
        for (size_t i = 0; filters && i < filters->mirror_count; i++) {
                const struct route_mirror *mirror = &filters->mirrors[i];
                fprintf(out, "       mirrored to %.*s: %u of %u requests\n",
                        SLICE_ARG(snapshot->backends[mirror->backend].name), mirror->numerator,
                        mirror->denominator);
        }
}

void explain_rule_print(const struct snapshot *snapshot, const struct route_rule *rule, FILE *out)
{
        const struct route_timeouts *timeouts = &rule->timeouts;
        char text[DURATION_SIZE];
        if (timeouts->request_given)
                fprintf(out, "       timeout of the request: %s\n",
                        limit_print(timeouts->request_ms, text));
        if (timeouts->backend_request_given)
                fprintf(out, "       timeout of a try at a backend: %s\n",
                        limit_print(timeouts->backend_request_ms, text));
        print_retry(rule->retry, out);
        for (size_t at = 0; at <= rule->backend_count;)
                print_mirrors(snapshot, filters_next(rule, &at), out);
}

static void write_duration(struct json_writer *w, const char *key, uint32_t ms)
{
        char text[DURATION_SIZE];
        json_field_text(w, key, duration_print(ms, text));
}

static void write_timeouts(struct json_writer *w, const struct route_timeouts *timeouts)
{
        if (!timeouts->request_given && !timeouts->backend_request_given)
                return;
        json_key(w, SLICE("timeouts"));
        json_begin_object(w);
        if (timeouts->request_given)
                write_duration(w, "request", timeouts->request_ms);
        if (timeouts->backend_request_given)
                write_duration(w, "backendRequest", timeouts->backend_request_ms);
        json_end_object(w);
}

static void write_retry(struct json_writer *w, const struct route_retry *retry)
{
        if (!retry)
                return;
        json_key(w, SLICE("retry"));
        json_begin_object(w);
        json_field_unsigned(w, "attempts", retry->attempts);
        write_duration(w, "backoff", retry->backoff_ms);
        json_key(w, SLICE("codes"));
        json_begin_array(w);
        for (size_t i = 0; i < retry->code_count; i++)
                json_write_unsigned(w, retry->codes[i]);
        json_end_array(w);
        json_end_object(w);
}

static void write_mirrors(struct json_writer *w, const struct snapshot *snapshot,
                          const struct route_filters *filters)
{
        for (size_t i = 0; filters && i < filters->mirror_count; i++) {
                const struct route_mirror *mirror = &filters->mirrors[i];
                json_begin_object(w);
                json_field_string(w, "backend", snapshot->backends[mirror->backend].name);
                json_field_unsigned(w, "numerator", mirror->numerator);
                json_field_unsigned(w, "denominator", mirror->denominator);
                json_end_object(w);
        }
}

void explain_rule_write(const struct snapshot *snapshot, const struct route_rule *rule,
                        struct json_writer *w)
{
        write_timeouts(w, &rule->timeouts);
        write_retry(w, rule->retry);
        json_key(w, SLICE("mirrors"));
        json_begin_array(w);
        for (size_t at = 0; at <= rule->backend_count;)
                write_mirrors(w, snapshot, filters_next(rule, &at));
        json_end_array(w);
}
