#include "snapshot/pin_changes.h"

#include "base/vec.h"

/* A set of the other snapshot, once an object that has it: a policy of many targets stands in many
 * places. The same pin of another object is another pin: scopes are ANDed, so who could get in is
 * only known where each of them is told. */
struct other_set {
        const struct pin_set *set;
        struct slice source; /* the object: pin_list_place.source */
        bool deny;
        struct pin_cursor cursor;
};

struct change_walk {
        const struct snapshot *other;
        VEC(struct other_set) others;
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
        if (place->deny != sought->place->deny ||
            !slice_equal(place->source, sought->place->source))
                return false;
        if (place->index == sought->place->index)
                sought->twin = set;
        return set == sought->set;
}

static bool note_other(const struct pin_set *set, const struct pin_list_place *place, void *self)
{
        struct change_walk *walk = self;
        vec_each (other, &walk->others)
                if (other->set == set && other->deny == place->deny &&
                    slice_equal(other->source, place->source))
                        return false;
        const struct other_set other = {.set = set, .source = place->source, .deny = place->deny};
        vec_push(&walk->others, other);
        return false;
}

/* Pins are asked about in the order of their set, so that each other set is passed but once. */
static bool is_elsewhere(struct change_walk *walk, const struct pin *pin,
                         const struct pin_list_place *place)
{
        vec_each (other, &walk->others)
                if (other->deny == place->deny && slice_equal(other->source, place->source) &&
                    pin_set_meets(other->set, &other->cursor, pin))
                        return true;
        return false;
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
        vec_each (other, &walk->others)
                other->cursor = (struct pin_cursor){0};
        while (twin ? pin_set_next_missing(set, twin, &at, &pin)
                    : pin_set_next(set, &index, &pin)) {
                if (!is_elsewhere(walk, &pin, place))
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

static void compare(struct change_walk *walk, const struct snapshot *snapshot)
{
        snapshot_pin_sets(walk->other, walk, note_other);
        snapshot_pin_sets(snapshot, walk, tell_set);
        vec_done(&walk->others);
}

struct pin_changes snapshot_pin_changes(const struct snapshot *from, const struct snapshot *to,
                                        size_t told_max, void *self, on_pin_change_fn on_change)
{
        struct pin_changes changes = {0};
        struct change_walk walk = {.other = from,
                                   .added = true,
                                   .count = &changes.added,
                                   .left = told_max,
                                   .on_change = on_change,
                                   .self = self};
        compare(&walk, to);
        walk.other = to;
        walk.added = false;
        walk.count = &changes.removed;
        compare(&walk, from);
        return changes;
}
