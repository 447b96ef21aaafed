#include "trust/pin_scope.h"

#include "trust/hash.h"

void pin_scope_hash(const struct pin_scope *scope, struct hasher *hasher)
{
        hasher_number(hasher, scope->kind);
        hasher_bytes(hasher, scope->source);
        hasher_number(hasher, scope->unusable);
        hasher_number(hasher, scope->report_only);
        hasher_number(hasher, scope->pinned_only);
        hasher_number(hasher, scope->use);
        hasher_number(hasher, scope->removal.action);
        hasher_number(hasher, scope->removal.grace_ms);
        hasher_number(hasher, (int64_t)scope->listener_count);
        for (size_t i = 0; i < scope->listener_count; i++)
                hasher_number(hasher, scope->listeners[i]);
        hasher_number(hasher, scope->deny != NULL);
        if (scope->deny)
                hasher_digest(hasher, pin_set_digest(scope->deny));
        hasher_number(hasher, (int64_t)scope->set_count);
        for (size_t i = 0; i < scope->set_count; i++)
                hasher_digest(hasher, pin_set_digest(scope->sets[i]));
}

void pin_scope_ref(const struct pin_scope *scope)
{
        for (size_t i = 0; i < scope->set_count; i++)
                pin_set_ref(scope->sets[i]);
        if (scope->deny)
                pin_set_ref(scope->deny);
}

void pin_scope_unref(const struct pin_scope *scope)
{
        for (size_t i = 0; i < scope->set_count; i++)
                pin_set_unref(scope->sets[i]);
        pin_set_unref(scope->deny);
}

bool pin_scope_holds(const struct pin_scope *scope, uint32_t listener)
{
        if (scope->listener_count == 0 || listener == LISTENER_UNKNOWN)
                return true;
        for (size_t i = 0; i < scope->listener_count; i++) {
                if (scope->listeners[i] == listener)
                        return true;
        }
        return false;
}

size_t pin_scope_count(const struct pin_scope *scope)
{
        size_t count = 0;
        for (size_t i = 0; i < scope->set_count; i++)
                count += pin_set_count(scope->sets[i]);
        return count;
}

bool pin_scope_is_usable(const struct pin_scope *scope)
{
        return !scope->unusable && pin_scope_count(scope) > 0;
}

struct removal removal_default(void)
{
        return (struct removal){REMOVAL_DRAIN, REMOVAL_GRACE_MS_DEFAULT};
}

struct removal removal_stricter(struct removal a, struct removal b)
{
        static const int strictness[] = {
                [REMOVAL_KEEP] = 0, [REMOVAL_DRAIN] = 1, [REMOVAL_CLOSE] = 2};
        if (a.action != b.action)
                return strictness[a.action] > strictness[b.action] ? a : b;
        return a.grace_ms < b.grace_ms ? a : b;
}
