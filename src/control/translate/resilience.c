/* What a rule does about slow and failing backends, to the router's form. */
#include "control/translate/stages.h"

enum {
        /* What upstream leaves to us. */
        RETRY_ATTEMPTS = 2,
        RETRY_ATTEMPTS_MAX = 32, /* each may leave a response head in the request's memory */
        RETRY_BACKOFF_MS = 25,
};

static const struct route_retry *retry_compile(struct work *w, const struct http_retry *api)
{
        struct route_retry *retry = ARENA_NEW(w->frozen, struct route_retry);
        uint16_t *codes = ARENA_ARRAY(w->frozen, uint16_t, api->codes.count);
        int64_t attempts = api->attempts ? api->attempts : RETRY_ATTEMPTS;
        if (attempts > RETRY_ATTEMPTS_MAX)
                attempts = RETRY_ATTEMPTS_MAX;
        for (size_t i = 0; i < api->codes.count; i++)
                codes[i] = (uint16_t)api->codes.items[i];
        *retry = (struct route_retry){
                .codes = codes,
                .code_count = api->codes.count,
                .attempts = (uint32_t)attempts,
                .backoff_ms = api->backoff.given ? api->backoff.ms : RETRY_BACKOFF_MS,
        };
        return retry;
}

void resilience_compile(struct work *w, const struct http_rule *api, struct route_rule *rule)
{
        const struct http_timeouts *timeouts = api->timeouts;
        if (timeouts)
                rule->timeouts = (struct route_timeouts){
                        .request_given = timeouts->request.given,
                        .backend_request_given = timeouts->backend_request.given,
                        .request_ms = timeouts->request.ms,
                        .backend_request_ms = timeouts->backend_request.ms,
                };
        if (api->retry)
                rule->retry = retry_compile(w, api->retry);
}
