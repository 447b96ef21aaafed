#include "control/report/status_events.h"

#include <string.h>

struct gathering {
        struct status_event *out;
        size_t count;
        struct arena *arena;
};

static void add(struct gathering *g, const char *reason, struct slice text)
{
        for (size_t i = 0; i < g->count; i++)
                if (slice_equal(g->out[i].text, text))
                        return;
        if (g->count < STATUS_EVENTS_MAX)
                g->out[g->count++] = (struct status_event){reason, text};
}

static bool reason_is(const struct condition *condition, const char *reason)
{
        return strcmp(condition->reason, reason) == 0;
}

static bool type_is(const struct condition *condition, const char *type)
{
        return strcmp(condition->type, type) == 0;
}

static bool passes_by_itself(const struct condition *condition)
{
        return reason_is(condition, "Pending") || reason_is(condition, "TargetNotFound");
}

static bool was_asked_for(const struct condition *condition)
{
        return reason_is(condition, "ReportOnly") || reason_is(condition, "InsecureFallback");
}

static bool is_for_an_operator(const struct condition *condition)
{
        if (type_is(condition, CONDITION_WARNING))
                return reason_is(condition, "ExpiredPins");
        if (condition->holds || passes_by_itself(condition) || was_asked_for(condition))
                return false;
        return type_is(condition, "Accepted") || type_is(condition, "ResolvedRefs") ||
               type_is(condition, CONDITION_PINNING);
}

static void add_all(struct gathering *g, const struct condition_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                if (is_for_an_operator(&list->items[i]))
                        add(g, list->items[i].reason, list->items[i].message);
}

/* A listener has no Events of its own, so its Gateway's say which one it is. */
static void add_listener(struct gathering *g, const struct listener_status *listener)
{
        for (size_t i = 0; i < listener->conditions.count; i++) {
                const struct condition *condition = &listener->conditions.items[i];
                if (is_for_an_operator(condition))
                        add(g, condition->reason,
                            arena_printf(g->arena, "listener %.*s: %.*s", SLICE_ARG(listener->name),
                                         SLICE_ARG(condition->message)));
        }
}

size_t status_events(const struct object_status *status,
                     struct status_event out[static STATUS_EVENTS_MAX], struct arena *arena)
{
        struct gathering g = {.out = out, .arena = arena};
        if (status->kind >= KIND_HTTP_ROUTE && status->kind <= KIND_TCP_ROUTE)
                return 0; /* who writes a route reads its status; there may be ten thousand */
        add_all(&g, &status->conditions);
        for (size_t i = 0; i < status->listeners.count; i++)
                add_listener(&g, &status->listeners.items[i]);
        for (size_t i = 0; i < status->parents.count; i++)
                add_all(&g, &status->parents.items[i].conditions);
        return g.count;
}
