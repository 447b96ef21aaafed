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

void explain_rule_print(const struct route_rule *rule, FILE *out)
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

void explain_rule_write(const struct route_rule *rule, struct json_writer *w)
{
        write_timeouts(w, &rule->timeouts);
        write_retry(w, rule->retry);
}
