/* Deadlines of one thread: a coarse wheel (64 ms a tick) of intrusive timers, O(1) to set and
 * clear. Lazily re-armed: moving a deadline later only writes its time. Time is an argument. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct deadline;
typedef void (*on_deadline_fn)(struct deadline *deadline);

struct deadline { /* embedded in what it ends; zeroed means not set */
        struct deadline *next, **link;
        uint64_t at_ms;   /* 0: not set */
        uint64_t slot_ms; /* the tick it is queued for; at_ms may be later */
        on_deadline_fn on_expired;
};

enum {
        WHEEL_SLOTS = 1024,
        WHEEL_TICK_MS = 64
};

struct wheel {
        struct deadline *slots[WHEEL_SLOTS];
        uint64_t ran_until_ms;
};

void wheel_init(struct wheel *wheel, uint64_t now_ms);
void deadline_set(struct wheel *wheel, struct deadline *deadline, uint64_t at_ms,
                  on_deadline_fn on_expired);
void deadline_clear(struct deadline *deadline);
bool deadline_is_set(const struct deadline *deadline);
/* Runs what is due. A callback may set and clear any deadline. */
void wheel_run(struct wheel *wheel, uint64_t now_ms);
