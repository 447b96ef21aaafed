/* Folding of refusals, and of warnings of what tenants write: which of a flood are written in full,
 * and how many were only counted. Kept by one thread; pure but for its own state. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"

struct fold {
        int64_t second;   /* the clock / 1000 at the last one */
        uint32_t written; /* in full, in that second */
        uint32_t limit;   /* of those, for that second */
        uint64_t counted; /* and not yet told */
};

/* Takes note of a refusal: true when it is to be written in full. Where it opens a new second,
 * *told is what the second before had counted, to be told first. */
bool fold_take(struct fold *fold, int64_t now_ms, uint64_t *told);
/* What a second that is over had counted; 0 where there is nothing to tell. */
uint64_t fold_tell(struct fold *fold, int64_t now_ms);
