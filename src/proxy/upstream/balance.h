/* Which endpoint of a backend gets the next request, by what this worker knows of them: how many
 * requests it has under way at each, and which of them fail. Workers tell each other nothing; with
 * few requests and many workers each sees its own part.
 *
 * Two endpoints are drawn and the less busy one is taken. One that failed failures_max times in a
 * row is passed over for a time that doubles each time up to a maximum, with jitter; the first
 * request behind it decides whether it comes back. Never more than half of a backend's endpoints
 * are passed over: where more would be, all are used, for then it is not the endpoints that fail.
 *
 * A record lives while requests are under way or failures are remembered. Private to
 * proxy/upstream. */
#pragma once

#include "base/map.h"
#include "proxy/upstream/pool.h"

struct endpoint_record;

struct balance {
        const struct upstream_options *options;
        struct map records;   /* by the endpoint's text and the digest of its TLS */
        size_t ejected_count; /* of them, now */
};

void balance_init(struct balance *balance, const struct upstream_options *options);
void balance_done(struct balance *balance); /* nothing is under way any more */
/* `avoid`, one of the backend's or NULL, is taken only where there is no other. */
size_t balance_choose(struct balance *balance, const struct backend *backend,
                      const struct endpoint *avoid);
/* One request more, and one fewer, at an endpoint. NULL is none. */
struct endpoint_record *balance_begin(struct balance *balance, const struct backend *backend,
                                      const struct endpoint *endpoint);
void balance_end(struct endpoint_record *record);
/* What became of a request there. NULL is fine. */
void balance_tell(struct endpoint_record *record, const struct backend *backend, bool well);
