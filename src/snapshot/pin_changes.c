#include "snapshot/pin_changes.h"

struct change_walk {
        const struct snapshot *other;
        bool added;
        on_pin_change_fn on_change;
        void *self;
};

typedef bool (*visit_fn)(const struct pin_set *set, const struct pin_list_place *place, void *self);

static bool scope_visit(const struct pin_scope *scope, visit_fn visit, void *self)
{
        struct pin_list_place place = {.source = scope->source};
        for (size_t i = 0; i < scope->set_count; i++) {
                if (visit(scope->sets[i], &place, self))
                        return true;
        }
        place.deny = true;
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
        bool deny;
};

static bool is_this_set(const struct pin_set *set, const struct pin_list_place *place, void *self)
{
        const struct set_sought *sought = self;
        return set == sought->set && place->deny == sought->deny;
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

static bool tell_pins(const struct pin_set *set, const struct pin_list_place *place, void *self)
{
        const struct change_walk *walk = self;
        struct set_sought this_set = {set, place->deny};
        struct pin pin;
        size_t at = 0;
        if (sets_visit(walk->other, is_this_set, &this_set))
                return false;
        while (pin_set_next(set, &at, &pin)) {
                struct pin_sought sought = {&pin, place->deny};
                if (!sets_visit(walk->other, has_this_pin, &sought))
                        walk->on_change(walk->added, &pin, place, walk->self);
        }
        return false;
}

void snapshot_pin_changes(const struct snapshot *from, const struct snapshot *to, void *self,
                          on_pin_change_fn on_change)
{
        struct change_walk walk = {from, true, on_change, self};
        sets_visit(to, tell_pins, &walk);
        walk = (struct change_walk){to, false, on_change, self};
        sets_visit(from, tell_pins, &walk);
}
