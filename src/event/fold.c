#include "event/fold.h"

#include "event/emit.h"

uint64_t fold_tell(struct fold *fold, int64_t now_ms)
{
        uint64_t counted = fold->counted;
        if (counted == 0 || now_ms / 1000 == fold->second)
                return 0;
        fold->counted = 0;
        return counted;
}

bool fold_take(struct fold *fold, int64_t now_ms, uint64_t *told)
{
        int64_t second = now_ms / 1000;
        *told = fold_tell(fold, now_ms);
        if (second != fold->second) {
                /* It goes on when the second before it overflowed too: one a second is enough. */
                bool flood = second == fold->second + 1 && fold->written >= fold->limit;
                fold->limit = flood ? 1 : EVENT_FOLD_FULL;
                fold->second = second;
                fold->written = 0;
        }
        if (fold->written < fold->limit) {
                fold->written++;
                return true;
        }
        fold->counted++;
        return false;
}
