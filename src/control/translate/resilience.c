/* What a rule does about slow and failing backends, to the router's form. */
#include "control/translate/filters.h"

#include <stdlib.h>

enum {
        /* What upstream leaves to us. */
        RETRY_ATTEMPTS = 2,
        RETRY_ATTEMPTS_MAX = 32, /* each may leave a response head in the request's memory */
        RETRY_BACKOFF_MS = 25,
};

static int by_number(const void *a, const void *b)
{
        return *(const uint16_t *)a - *(const uint16_t *)b;
}

static const struct route_retry *retry_compile(struct work *w, const struct http_retry *api)
{
        struct route_retry *retry = ARENA_NEW(w->frozen, struct route_retry);
        uint16_t *codes = ARENA_ARRAY(w->frozen, uint16_t, api->codes.count);
        int64_t attempts = api->attempts ? api->attempts : RETRY_ATTEMPTS;
        if (attempts > RETRY_ATTEMPTS_MAX)
                attempts = RETRY_ATTEMPTS_MAX;
        for (size_t i = 0; i < api->codes.count; i++)
                codes[i] = (uint16_t)api->codes.items[i];
        if (api->codes.count > 0) /* a set: two orders of it are one print */
                qsort(codes, api->codes.count, sizeof(*codes), by_number);
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

/* --- mirrors --- */

/* A mirror without a backend is left out, and what is wrong is told like a backendRef's: nobody's
 * answer depends on it. */
static uint32_t mirror_backend(struct work *w, const struct rule_place *place,
                               const struct http_mirror *api, size_t index)
{
        const struct slice prefix = SLICE("backendRefs");
        struct route_work *route = place->route;
        const char *reason = NULL;
        struct slice message = SLICE_NONE;
        uint32_t backend = backend_resolve(w, route->api, api->backend, &reason, &message);
        if (!reason)
                return backend;
        if (slice_starts_with(message, prefix))
                message = slice_skip(message, prefix.len);
        route_ref_fault(w, route, reason,
                        tell(w,
                             "rules[%zu].%.*sfilters[%zu].requestMirror.backendRef%.*s (nothing is "
                             "mirrored)",
                             place->index, SLICE_ARG(place->within), index, SLICE_ARG(message)));
        return backend;
}

static struct route_mirror mirror_compile(const struct http_mirror *api, uint32_t backend)
{
        struct route_mirror mirror = {backend, 1, 1};
        if (api->percent_given) {
                mirror.numerator = (uint32_t)api->percent;
                mirror.denominator = 100;
        } else if (api->fraction) {
                mirror.numerator = (uint32_t)api->fraction->numerator;
                mirror.denominator = (uint32_t)api->fraction->denominator;
        }
        return mirror;
}

void mirrors_compile(struct work *w, const struct rule_place *place,
                     const struct http_filters *filters, struct route_filters *out)
{
        struct route_mirror *mirrors = ARENA_ARRAY(w->frozen, struct route_mirror, filters->count);
        for (size_t i = 0; i < filters->count; i++) {
                const struct http_mirror *api = filters->items[i].mirror;
                if (!api)
                        continue;
                uint32_t backend = mirror_backend(w, place, api, i);
                if (backend != ROUTE_BACKEND_INVALID)
                        mirrors[out->mirror_count++] = mirror_compile(api, backend);
        }
        out->mirrors = mirrors;
}
