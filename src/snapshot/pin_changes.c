#include "snapshot/pin_changes.h"

struct change_walk {
        const struct snapshot *other;
        bool added;
        uint64_t *count;
        size_t left; /* to be told */
        on_pin_change_fn on_change;
        void *self;
};

struct set_sought {
        const struct pin_set *set;
        const struct pin_list_place *place;
        const struct pin_set *twin; /* what stands in its place; NULL: not seen yet */
};

static bool is_this_set(const struct pin_set *set, const struct pin_list_place *place, void *self)
{
        struct set_sought *sought = self;
        if (place->deny != sought->place->deny)
                return false;
        if (place->index == sought->place->index &&
            slice_equal(place->source, sought->place->source))
                sought->twin = set;
        return set == sought->set;
}

struct pin_sought {
        const struct pin *pin;
        bool deny;
};

static bool has_this_pin(const struct pin_set *set, const struct pin_list_place *place, void *self)
{
        const struct pin_sought *sought = self;
        struct pin_match match;
        return place->deny == sought->deny &&
               pin_set_find(set, sought->pin->kind, &sought->pin->digest, 0, &match) != PIN_ABSENT;
}

static void tell_pin(struct change_walk *walk, const struct pin *pin,
                     const struct pin_list_place *place)
{
        *walk->count += 1;
        if (walk->left == 0)
                return;
        walk->left--;
        walk->on_change(walk->added, pin, place, walk->self);
}

/* Beside its twin, where there is one: two lists of a million that differ in one pin cost a pass.
 */
static void tell_missing(struct change_walk *walk, const struct pin_set *set,
                         const struct pin_set *twin, const struct pin_list_place *place)
{
        struct pin_walk at = {0};
        struct pin pin;
        size_t index = 0;
        while (twin ? pin_set_next_missing(set, twin, &at, &pin)
                    : pin_set_next(set, &index, &pin)) {
                struct pin_sought sought = {&pin, place->deny};
                if (!snapshot_pin_sets(walk->other, &sought, has_this_pin))
                        tell_pin(walk, &pin, place);
        }
}

/* There is nothing to compare with: what is not told need not be looked at. */
static void tell_all(struct change_walk *walk, const struct pin_set *set,
                     const struct pin_list_place *place)
{
        struct pin pin;
        size_t at = 0;
        while (walk->left > 0 && pin_set_next(set, &at, &pin))
                tell_pin(walk, &pin, place);
        if (walk->left == 0)
                *walk->count += pin_set_count(set) - at;
}

static bool tell_set(const struct pin_set *set, const struct pin_list_place *place, void *self)
{
        struct change_walk *walk = self;
        struct set_sought sought = {.set = set, .place = place};
        if (!walk->other)
                tell_all(walk, set, place);
        else if (!snapshot_pin_sets(walk->other, &sought, is_this_set))
                tell_missing(walk, set, sought.twin, place);
        return false;
}

struct pin_changes snapshot_pin_changes(const struct snapshot *from, const struct snapshot *to,
                                        size_t told_max, void *self, on_pin_change_fn on_change)
{
        struct pin_changes changes = {0};
        struct change_walk walk = {from, true, &changes.added, told_max, on_change, self};
        snapshot_pin_sets(to, &walk, tell_set);
        walk.other = to;
        walk.added = false;
        walk.count = &changes.removed;
        snapshot_pin_sets(from, &walk, tell_set);
        return changes;
}
