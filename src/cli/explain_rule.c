#include "cli/explain_rule.h"

#include "text/duration.h"

/* "0s" as upstream means it. */
static const char *limit_print(uint32_t ms, char out[static DURATION_SIZE])
{
        return ms == 0 ? "no limit" : duration_print(ms, out);
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
}

static void write_duration(struct json_writer *w, const char *key, uint32_t ms)
{
        char text[DURATION_SIZE];
        json_field_text(w, key, duration_print(ms, text));
}

void explain_rule_write(const struct route_rule *rule, struct json_writer *w)
{
        const struct route_timeouts *timeouts = &rule->timeouts;
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
