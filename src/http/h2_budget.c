#include "http/h2_budget.h"

void h2_budgets_refill(struct h2_budgets *budgets, uint64_t now_ms)
{
        uint64_t passed = now_ms > budgets->now_ms ? now_ms - budgets->now_ms : 0;
        if (!budgets->started || passed > budgets->window_ms)
                passed = budgets->window_ms;
        budgets->started = true;
        if (now_ms > budgets->now_ms)
                budgets->now_ms = now_ms;
        for (enum h2_budget b = 0; b < H2_BUDGET_COUNT; b++) {
                uint64_t full = (uint64_t)budgets->sizes[b] * budgets->window_ms;
                uint64_t more = budgets->tokens[b] + budgets->sizes[b] * passed;
                budgets->tokens[b] = more < full ? more : full;
        }
}

bool h2_budgets_spend(struct h2_budgets *budgets, enum h2_budget budget)
{
        if (budgets->tokens[budget] < budgets->window_ms)
                return false;
        budgets->tokens[budget] -= budgets->window_ms;
        return true;
}
