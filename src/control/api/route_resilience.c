#include "control/api/route_resilience.h"

#include "text/duration.h"

/* What is longer than our clocks count (49 days) is the longest that they can. */
static bool duration_given_read(struct decoder *d, const struct node *node, void *out,
                                struct error *err)
{
        struct route_duration *duration = out;
        struct error fault;
        int64_t ms;
        if (node->kind != NODE_STRING)
                return decode_error(d, node, err, "is %s, wants a string",
                                    node_kind_name(node->kind));
        if (!duration_parse(node->text, &ms, &fault))
                return decode_error(d, node, err, "%s", fault.text);
        *duration = (struct route_duration){true, ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms};
        return true;
}

/* The CEL rule of HTTPRouteTimeouts. */
static bool timeouts_check(struct decoder *d, void *value, struct error *err)
{
        const struct http_timeouts *timeouts = value;
        const struct route_duration *whole = &timeouts->request, *one = &timeouts->backend_request;
        char is[DURATION_SIZE], max[DURATION_SIZE];
        if (!whole->given || !one->given || whole->ms == 0 || one->ms <= whole->ms)
                return true;
        return decode_error(d, timeouts->node, err,
                            "backendRequest is %s, wants at most request's %s",
                            duration_print(one->ms, is), duration_print(whole->ms, max));
}

static const struct field timeouts_fields[] = {
        {"request", FIELD_READ, offsetof(struct http_timeouts, request),
         .read = duration_given_read},
        {"backendRequest", FIELD_READ, offsetof(struct http_timeouts, backend_request),
         .read = duration_given_read},
};
SHAPE(http_timeouts_shape, struct http_timeouts, timeouts_fields, .check = timeouts_check);
