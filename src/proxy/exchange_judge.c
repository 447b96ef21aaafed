#include "proxy/exchange_judge.h"

#include <string.h>

#include "proxy/exchange_try.h"

static void hold_by(struct exchange_hold *hold, const struct rule_policy *policy)
{
        hold->held = false;
        for (size_t i = 0; policy && i < policy->pins.scope_count; i++) {
                const struct pin_scope *scope = &policy->pins.scopes[i];
                if (scope->report_only)
                        continue;
                hold->removal = hold->held ? removal_stricter(hold->removal, scope->removal)
                                           : scope->removal;
                hold->held = true;
        }
}

/* Only the list is changed behind this, never what it points to. */
void exchange_hold_begin(struct exchange *exchange)
{
        const struct exchange_start *start = &exchange->start;
        const struct header_list *headers = &start->head->headers;
        struct exchange_hold *hold = &exchange->hold;
        const struct rule_policy *policy = rule_policy_find(start->snapshot, exchange->rule);
        hold->asked = *start->head;
        if (headers->count > 0) {
                struct header *items = ARENA_ARRAY(start->arena, struct header, headers->count);
                memcpy(items, headers->items, headers->count * sizeof(*items));
                hold->asked.headers.items = items;
                hold->asked.headers.capacity = headers->count;
        }
        hold->valid_until = policy ? exchange->decision.valid_until : INT64_MAX;
        hold_by(hold, policy);
}

static bool is_in_flight(const struct exchange *exchange)
{
        switch (exchange->state) {
        case EXCHANGE_CONNECTING:
        case EXCHANGE_RESTING:
        case EXCHANGE_WAITING:
        case EXCHANGE_RELAYING:
                return true;
        case EXCHANGE_SWITCHED: /* the tunnel is judged */
        case EXCHANGE_ANSWERING:
        case EXCHANGE_ENDED:
        case EXCHANGE_BROKEN:
                break;
        }
        return false;
}

int64_t exchange_valid_until(const struct exchange *exchange)
{
        return is_in_flight(exchange) ? exchange->hold.valid_until : INT64_MAX;
}

/* ---- how it goes ---- */

void exchange_hold_end(struct exchange *exchange)
{
        const struct exchange_hold *hold = &exchange->hold;
        struct pin_scope *scope = ARENA_NEW(exchange->start.arena, struct pin_scope);
        scope->source = hold->scope;
        if (hold->reason != REASON_ACCEPTED) {
                exchange->decision.reason = hold->reason;
                exchange->decision.scope = scope;
        }
        exchange_fail(exchange, 403, hold->why);
}

static void leave(struct exchange *exchange, const struct pin_decision *decision,
                  struct removal removal)
{
        const struct exchange_env *env = exchange->start.env;
        struct exchange_hold *hold = &exchange->hold;
        if (removal.action == REMOVAL_KEEP)
                return;
        hold->reason = decision->reason;
        hold->why = decision->reason == REASON_ACCEPTED ? "route_changed" : "no_longer_admitted";
        if (decision->reason != REASON_ACCEPTED)
                hold->scope = arena_slice(exchange->start.arena, decision->scope->source);
        if (removal.action == REMOVAL_CLOSE) {
                exchange_hold_end(exchange);
                return;
        }
        uint32_t last_ms = removal.grace_ms / 8;
        uint64_t ends_ms =
                *env->now_ms + removal.grace_ms - random_next(env->random_state) % (last_ms + 1);
        if (ends_ms < exchange->ends_ms)
                exchange->ends_ms = ends_ms;
        exchange_deadline_renew(exchange);
}

/* ---- may it go on? ---- */

static bool finds_its_rule(const struct exchange *exchange, const struct exchange_law *law,
                           struct route_found *found)
{
        const struct listener *listener = law->listener;
        struct exchange_gate gate = exchange_gate_route(law->port, law->listener,
                                                        &exchange->hold.asked, &listener, found);
        return gate.status == 0 && found->rule->grpc == exchange->rule->grpc &&
               slice_equal(found->rule->route, exchange->rule->route);
}

void exchange_judge(struct exchange *exchange, const struct exchange_law *law)
{
        struct exchange_hold *hold = &exchange->hold;
        struct pin_decision decision = {.reason = REASON_ACCEPTED};
        struct route_found found = {0};
        if (!is_in_flight(exchange) || (!hold->held && law->snapshot->rule_policy_count == 0))
                return;
        hold->valid_until = INT64_MAX;
        bool usable = finds_its_rule(exchange, law, &found);
        if (usable)
                usable = exchange_gate_rule(law->snapshot, found.rule, law->standing, law->now,
                                            &decision)
                                 .status == 0;
        if (decision.reason != REASON_ACCEPTED) {
                leave(exchange, &decision, decision.removal);
                return;
        }
        if (!usable) {
                if (hold->held)
                        leave(exchange, &decision, hold->removal);
                return;
        }
        const struct rule_policy *policy = rule_policy_find(law->snapshot, found.rule);
        hold_by(hold, policy);
        if (policy)
                hold->valid_until = decision.valid_until;
}
