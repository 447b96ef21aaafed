#include "base/wheel.h"

#include <stddef.h>
#include <string.h>

#include "base/must.h"

void wheel_init(struct wheel *wheel, uint64_t now_ms)
{
        memset(wheel, 0, sizeof(*wheel));
        wheel->ran_until_ms = now_ms - now_ms % WHEEL_TICK_MS;
}

static void unlink_deadline(struct deadline *deadline)
{
        if (!deadline->link)
                return;
        *deadline->link = deadline->next;
        if (deadline->next)
                deadline->next->link = deadline->link;
        deadline->link = NULL;
        deadline->next = NULL;
}

/* Farther than one turn of the wheel: it is looked at once a turn until its time has come. */
static void queue(struct wheel *wheel, struct deadline *deadline, uint64_t at_ms)
{
        const uint64_t far = (uint64_t)(WHEEL_SLOTS - 1) * WHEEL_TICK_MS;
        if (at_ms <= wheel->ran_until_ms)
                at_ms = wheel->ran_until_ms + WHEEL_TICK_MS;
        if (at_ms - wheel->ran_until_ms > far)
                at_ms = wheel->ran_until_ms + far;
        deadline->slot_ms = at_ms + WHEEL_TICK_MS - 1 - (at_ms + WHEEL_TICK_MS - 1) % WHEEL_TICK_MS;
        struct deadline **slot = &wheel->slots[deadline->slot_ms / WHEEL_TICK_MS % WHEEL_SLOTS];
        deadline->next = *slot;
        deadline->link = slot;
        if (*slot)
                (*slot)->link = &deadline->next;
        *slot = deadline;
}

void deadline_set(struct wheel *wheel, struct deadline *deadline, uint64_t at_ms,
                  on_deadline_fn on_expired)
{
        must(at_ms > 0);
        deadline->on_expired = on_expired;
        deadline->at_ms = at_ms;
        /* Later than what it is queued for: found out when that slot runs, at no cost now. */
        if (deadline->link && at_ms >= deadline->slot_ms)
                return;
        unlink_deadline(deadline);
        queue(wheel, deadline, at_ms);
}

void deadline_clear(struct deadline *deadline)
{
        unlink_deadline(deadline);
        deadline->at_ms = 0;
}

bool deadline_is_set(const struct deadline *deadline)
{
        return deadline->at_ms != 0;
}

static void run_slot(struct wheel *wheel, struct deadline **slot, uint64_t now_ms)
{
        /* Taken off first: a callback may clear its neighbours or queue new ones here. */
        struct deadline *due = *slot;
        *slot = NULL;
        if (due)
                due->link = &due;
        while (due) {
                struct deadline *deadline = due;
                unlink_deadline(deadline);
                if (deadline->at_ms > now_ms) {
                        queue(wheel, deadline, deadline->at_ms);
                        continue;
                }
                deadline->at_ms = 0;
                deadline->on_expired(deadline);
        }
}

void wheel_run(struct wheel *wheel, uint64_t now_ms)
{
        uint64_t turns = 0;
        while (wheel->ran_until_ms + WHEEL_TICK_MS <= now_ms && turns++ < WHEEL_SLOTS) {
                wheel->ran_until_ms += WHEEL_TICK_MS;
                run_slot(wheel, &wheel->slots[wheel->ran_until_ms / WHEEL_TICK_MS % WHEEL_SLOTS],
                         now_ms);
        }
        if (wheel->ran_until_ms + WHEEL_TICK_MS <= now_ms) /* a long sleep: every slot has run */
                wheel->ran_until_ms = now_ms - now_ms % WHEEL_TICK_MS;
}
