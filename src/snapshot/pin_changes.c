#include "snapshot/pin_changes.h"

struct change_walk {
        const struct snapshot *other;
        bool added;
        on_pin_change_fn on_change;
        void *self;
};

typedef bool (*visit_fn)(const struct pin_set *set, struct slice source, void *self);

/* Every set of every scope, until a visit says stop. True: one did. */
static bool sets_visit(const struct snapshot *snapshot, visit_fn visit, void *self)
{
        for (size_t p = 0; snapshot && p < snapshot->port_count; p++) {
                const struct client_policy *policy = snapshot->ports[p].client;
                for (size_t s = 0; policy && s < policy->scope_count; s++) {
                        const struct pin_scope *scope = &policy->scopes[s];
                        for (size_t i = 0; i < scope->set_count; i++) {
                                if (visit(scope->sets[i], scope->source, self))
                                        return true;
                        }
                }
        }
        return false;
}

static bool is_this_set(const struct pin_set *set, struct slice source, void *self)
{
        (void)source;
        return set == self;
}

static bool has_this_pin(const struct pin_set *set, struct slice source, void *self)
{
        const struct pin *pin = self;
        struct pin_match match;
        (void)source;
        return pin_set_find(set, pin->kind, &pin->digest, 0, &match) != PIN_ABSENT;
}

static bool tell_pins(const struct pin_set *set, struct slice source, void *self)
{
        const struct change_walk *walk = self;
        struct pin pin;
        size_t at = 0;
        if (sets_visit(walk->other, is_this_set, (void *)(uintptr_t)set))
                return false;
        while (pin_set_next(set, &at, &pin)) {
                if (!sets_visit(walk->other, has_this_pin, &pin))
                        walk->on_change(walk->added, &pin, source, walk->self);
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
