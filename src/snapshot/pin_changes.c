#include "snapshot/pin_changes.h"

struct place {
        struct pin_list_place list;
        size_t index; /* among the scope's sets */
};

struct change_walk {
        const struct snapshot *other;
        bool added;
        uint64_t *count;
        size_t left; /* to be told */
        on_pin_change_fn on_change;
        void *self;
};

typedef bool (*visit_fn)(const struct pin_set *set, const struct place *place, void *self);

static bool scope_visit(const struct pin_scope *scope, visit_fn visit, void *self)
{
        struct place place = {.list.source = scope->source};
        for (; place.index < scope->set_count; place.index++) {
                if (visit(scope->sets[place.index], &place, self))
                        return true;
        }
        place.list.deny = true;
        return scope->deny && visit(scope->deny, &place, self);
}

static bool scopes_visit(const struct pin_scope *scopes, size_t count, visit_fn visit, void *self)
{
        for (size_t i = 0; i < count; i++) {
                if (scope_visit(&scopes[i], visit, self))
                        return true;
        }
        return false;
}

/* Every set of every scope, of ports, routes and rules, until a visit says stop. True: one did. */
static bool sets_visit(const struct snapshot *snapshot, visit_fn visit, void *self)
{
        for (size_t p = 0; snapshot && p < snapshot->port_count; p++) {
                const struct client_policy *policy = snapshot->ports[p].client;
                if (policy && scopes_visit(policy->scopes, policy->scope_count, visit, self))
                        return true;
        }
        for (size_t r = 0; snapshot && r < snapshot->rule_policy_count; r++) {
                const struct request_policy *pins = &snapshot->rule_policies[r].pins;
                if (scopes_visit(pins->scopes, pins->scope_count, visit, self))
                        return true;
        }
        return false;
}

struct set_sought {
        const struct pin_set *set;
        const struct place *place;
        const struct pin_set *twin; /* what stands in its place; NULL: not seen yet */
};

static bool is_this_set(const struct pin_set *set, const struct place *place, void *self)
{
        struct set_sought *sought = self;
        if (place->list.deny != sought->place->list.deny)
                return false;
        if (place->index == sought->place->index &&
            slice_equal(place->list.source, sought->place->list.source))
                sought->twin = set;
        return set == sought->set;
}

struct pin_sought {
        const struct pin *pin;
        bool deny;
};

static bool has_this_pin(const struct pin_set *set, const struct place *place, void *self)
{
        const struct pin_sought *sought = self;
        struct pin_match match;
        return place->list.deny == sought->deny &&
               pin_set_find(set, sought->pin->kind, &sought->pin->digest, 0, &match) != PIN_ABSENT;
}

static void tell_pin(struct change_walk *walk, const struct pin *pin, const struct place *place)
{
        *walk->count += 1;
        if (walk->left == 0)
                return;
        walk->left--;
        walk->on_change(walk->added, pin, &place->list, walk->self);
}

/* Beside its twin, where there is one: two lists of a million that differ in one pin cost a pass.
 */
static void tell_missing(struct change_walk *walk, const struct pin_set *set,
                         const struct pin_set *twin, const struct place *place)
{
        struct pin_walk at = {0};
        struct pin pin;
        size_t index = 0;
        while (twin ? pin_set_next_missing(set, twin, &at, &pin)
                    : pin_set_next(set, &index, &pin)) {
                struct pin_sought sought = {&pin, place->list.deny};
                if (!sets_visit(walk->other, has_this_pin, &sought))
                        tell_pin(walk, &pin, place);
        }
}

/* There is nothing to compare with: what is not told need not be looked at. */
static void tell_all(struct change_walk *walk, const struct pin_set *set, const struct place *place)
{
        struct pin pin;
        size_t at = 0;
        while (walk->left > 0 && pin_set_next(set, &at, &pin))
                tell_pin(walk, &pin, place);
        if (walk->left == 0)
                *walk->count += pin_set_count(set) - at;
}

static bool tell_set(const struct pin_set *set, const struct place *place, void *self)
{
        struct change_walk *walk = self;
        struct set_sought sought = {.set = set, .place = place};
        if (!walk->other)
                tell_all(walk, set, place);
        else if (!sets_visit(walk->other, is_this_set, &sought))
                tell_missing(walk, set, sought.twin, place);
        return false;
}

struct pin_changes snapshot_pin_changes(const struct snapshot *from, const struct snapshot *to,
                                        size_t told_max, void *self, on_pin_change_fn on_change)
{
        struct pin_changes changes = {0};
        struct change_walk walk = {from, true, &changes.added, told_max, on_change, self};
        sets_visit(to, tell_set, &walk);
        walk.other = to;
        walk.added = false;
        walk.count = &changes.removed;
        sets_visit(from, tell_set, &walk);
        return changes;
}
