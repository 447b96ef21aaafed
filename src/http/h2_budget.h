/* What a peer may cost: a token bucket for each thing that it can do often and for little (I35),
 * refilled evenly over window_ms. Shared by both sides of HTTP/2; private to http/. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum h2_budget {
        H2_BUDGET_PEER_RESETS,
        H2_BUDGET_OWN_RESETS, /* that the peer provoked */
        H2_BUDGET_SETTINGS,
        H2_BUDGET_PINGS,
        H2_BUDGET_EMPTY_DATA,
        H2_BUDGET_PRIORITIES,
        H2_BUDGET_COUNT,
};

struct h2_budgets {
        uint32_t sizes[H2_BUDGET_COUNT]; /* per window_ms */
        uint32_t window_ms;
        uint64_t now_ms;
        uint64_t tokens[H2_BUDGET_COUNT]; /* times window_ms, so that refilling has no remainder */
        bool started;                     /* now_ms is set */
};

void h2_budgets_refill(struct h2_budgets *budgets, uint64_t now_ms);
/* False: there is nothing left of it. */
bool h2_budgets_spend(struct h2_budgets *budgets, enum h2_budget budget);
