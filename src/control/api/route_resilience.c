#include "control/api/route_resilience.h"

#include "control/api/route_object.h"
#include "text/duration.h"

/* --- timeouts --- */

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

/* --- retry --- */

enum {
        CODE_MIN = 400,
        CODE_MAX = 599,
        ATTEMPTS_MAX = INT32_MAX
};

static bool code_read(struct decoder *d, const struct node *node, struct http_retry *retry,
                      struct error *err)
{
        if (node->kind != NODE_INTEGER || node->integer < CODE_MIN || node->integer > CODE_MAX)
                return decode_error(d, node, err, "is no status code to retry, wants %d to %d",
                                    CODE_MIN, CODE_MAX);
        for (size_t i = 0; i < retry->codes.count; i++)
                if (retry->codes.items[i] == node->integer)
                        return decode_error(d, node, err, "is %lld again, wants each code once",
                                            (long long)node->integer);
        retry->codes.items[retry->codes.count++] = node->integer;
        return true;
}

static bool codes_read(struct decoder *d, const struct node *node, void *out, struct error *err)
{
        struct http_retry *retry = out;
        if (node->kind != NODE_LIST)
                return decode_error(d, node, err, "is %s, wants a list of status codes",
                                    node_kind_name(node->kind));
        if (node->child_count > CODE_MAX - CODE_MIN + 1)
                return decode_error(d, node, err, "has %zu codes, of which there are but %d",
                                    node->child_count, CODE_MAX - CODE_MIN + 1);
        retry->codes.items = ARENA_ARRAY(d->arena, int64_t, node->child_count);
        for (size_t i = 0; i < node->child_count; i++)
                if (!code_read(d, node->children[i], retry, err))
                        return false;
        return true;
}

static const struct field retry_fields[] = {
        {"codes", FIELD_READ, 0, .read = codes_read},
        {"attempts", FIELD_NUMBER, offsetof(struct http_retry, attempts), .min = 1,
         .max = ATTEMPTS_MAX},
        {"backoff", FIELD_READ, offsetof(struct http_retry, backoff), .read = duration_given_read},
};
SHAPE(http_retry_shape, struct http_retry, retry_fields);

/* --- mirrors --- */

static bool fraction_check(struct decoder *d, void *value, struct error *err)
{
        const struct mirror_fraction *fraction = value;
        if (fraction->numerator <= fraction->denominator)
                return true;
        return decode_error(d, fraction->node, err, "numerator is %lld, wants at most %lld",
                            (long long)fraction->numerator, (long long)fraction->denominator);
}

static const struct field fraction_fields[] = {
        {"numerator", FIELD_NUMBER, offsetof(struct mirror_fraction, numerator), true, .min = 0,
         .max = INT32_MAX},
        {"denominator", FIELD_NUMBER, offsetof(struct mirror_fraction, denominator), .min = 1,
         .max = INT32_MAX, .default_number = 100},
};
static SHAPE(fraction_shape, struct mirror_fraction, fraction_fields, .check = fraction_check);

static bool percent_read(struct decoder *d, const struct node *node, void *out, struct error *err)
{
        struct http_mirror *mirror = out;
        if (node->kind != NODE_INTEGER || node->integer < 0 || node->integer > 100)
                return decode_error(d, node, err, "is no percentage, wants 0 to 100");
        mirror->percent = node->integer;
        mirror->percent_given = true;
        return true;
}

static bool mirror_check(struct decoder *d, void *value, struct error *err)
{
        const struct http_mirror *mirror = value;
        if (!mirror->percent_given || !mirror->fraction)
                return true;
        return decode_error(d, mirror->node, err, "has percent and fraction, wants one of them");
}

static const struct field mirror_fields[] = {
        {"backendRef", FIELD_OBJECT, offsetof(struct http_mirror, backend), true,
         .shape = &object_backend_ref_shape},
        {"percent", FIELD_READ, 0, .read = percent_read},
        {"fraction", FIELD_OBJECT, offsetof(struct http_mirror, fraction),
         .shape = &fraction_shape},
};
SHAPE(http_mirror_shape, struct http_mirror, mirror_fields, .check = mirror_check);
