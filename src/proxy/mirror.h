/* Copies of requests that go to another backend as well (HTTPRequestMirrorFilter). A mirror is a
 * call of its own with memory of its own: it outlives the exchange, whose client waits for nothing
 * of it and learns nothing of it. It gets the request as the backend does, but without a word about
 * who the client is. Its body waits in 64 KiB at most: who falls farther behind is dropped, and its
 * backend never takes what it has for complete. All on one worker. */
#pragma once

#include "proxy/exchange.h"

struct mirror;

/* All that are under way on a worker; zeroed but for the maximum. */
struct mirrors {
        struct mirror *first;
        size_t count, count_max; /* over it none begins */
};

/* Those of one request, while it still comes in. */
struct mirror_group {
        struct mirror *first;
};

struct mirror_start {
        const struct exchange_env *env;
        struct snapshot *snapshot;
        const struct request_head *head; /* as the backend is to have it; copied */
        bool end;                        /* the request has no body */
};

/* Those of these filters whose share takes this request. */
void mirrors_begin(struct mirror_group *group, const struct mirror_start *start,
                   const struct route_filters *filters);
void mirror_group_data(struct mirror_group *group, struct slice data);
void mirror_group_end(struct mirror_group *group);
/* The rest of the request does not come. */
void mirror_group_break(struct mirror_group *group);
/* Ends all of them, at the end of the worker. */
void mirrors_close(struct mirrors *mirrors);
