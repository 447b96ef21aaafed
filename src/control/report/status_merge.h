/* What has to be written so that an object's status says what translation found: a merge patch
 * (RFC 7396) of .status, or nothing where it says so already. Only what is ours is touched: of
 * routes and policies the entries with our controllerName, of conditions those of Gateway API's
 * types (they are the controller's) and of our domain. Entries and conditions of others stay as
 * they are and where they are. Pure. */
#pragma once

#include "control/translate/status.h"

enum {
        STATUS_PARENTS_MAX = 32,   /* entries of a route, others' included (upstream's CRDs) */
        STATUS_ANCESTORS_MAX = 16, /* of a policy; ours are left out where others fill it */
        STATUS_MESSAGE_MAX = 32768,
};

struct status_wish {
        const struct object_status *status;
        struct slice current;        /* .status as JSON text; empty: there is none */
        int64_t now;                 /* Unix seconds: lastTransitionTime of what flips */
        const char *const *features; /* supportedFeatures of a GatewayClass, sorted */
        size_t feature_count;
};

/* *patch is NULL where nothing has to be written, else the value for "status": what is missing in
 * it stays, null takes away. False: `current` can't be read, and nothing may be written over it. */
bool status_merge(const struct status_wish *wish, struct arena *arena, struct node **patch,
                  struct error *err);
