/* Names of objects that pingate makes, within the 63 characters of a DNS label. */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

enum {
        LABEL_MAX = 63
};

/* `text` where it fits and is a DNS label; else its beginning, "-" and 16 characters of its
 * SHA-256, so that two that differ only behind the cut stay two. What a label can't have becomes
 * "-". */
struct slice name_fit(struct arena *arena, struct slice text);
/* It ends as those do: where others choose texts, such a one may be made to equal another's name.
 */
bool name_looks_fitted(struct slice text);
