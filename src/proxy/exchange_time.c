/* When an exchange, or one try of it at a backend, is late. What a rule says about time stands in
 * the place of the worker's limits for whatever the backend does; a client whose body does not come
 * is held to ours in any case (I34). */
#include "proxy/exchange_try.h"

enum {
        ANSWER_SLACK_MS = 5000, /* the 504 is to reach the client before its connection ends */
};

static uint64_t moment(const struct exchange *exchange, uint64_t in_ms)
{
        return in_ms == 0 ? EXCHANGE_NEVER_MS : *exchange->start.env->now_ms + in_ms;
}

void exchange_times_begin(struct exchange *exchange)
{
        const struct route_timeouts *timeouts = &exchange->rule->timeouts;
        if (timeouts->request_given)
                exchange->ends_ms = moment(exchange, timeouts->request_ms);
}

void exchange_attempt_begin(struct exchange *exchange)
{
        const struct route_timeouts *timeouts = &exchange->rule->timeouts;
        exchange->attempt_ends_ms = moment(
                exchange, timeouts->backend_request_given ? timeouts->backend_request_ms : 0);
        exchange_deadline_renew(exchange);
}

static bool waits_for_body(const struct exchange *exchange)
{
        return exchange->state == EXCHANGE_WAITING && !exchange->out.body.ended &&
               exchange_request_is_sent(exchange);
}

/* Who is late, the client with its body or the backend? */
static void late(struct exchange *exchange, const char *fault)
{
        const struct try_fault timeout = {TRY_TIMEOUT, 504, fault};
        bool whole = *exchange->start.env->now_ms >= exchange->ends_ms;
        if (waits_for_body(exchange)) {
                exchange_fail(exchange, 408, "request_body_timeout");
                return;
        }
        if (!whole && !exchange->head_told) {
                exchange_try_failed(exchange, &timeout);
                return;
        }
        if (exchange->state == EXCHANGE_WAITING) /* it did not answer in all that time */
                backend_call_tell(&exchange->call, false);
        exchange_fail(exchange, timeout.status, timeout.fault);
}

/* A client that does not pull is its connection's affair, as long as the whole is in time. */
static bool is_clients_affair(const struct exchange *exchange)
{
        return exchange->state == EXCHANGE_RELAYING && backend_call_has_input(&exchange->call) &&
               *exchange->start.env->now_ms < exchange->attempt_ends_ms;
}

static void on_late(struct deadline *deadline)
{
        struct exchange *exchange = CONTAINER_OF(deadline, struct exchange, deadline);
        bool whole = *exchange->start.env->now_ms >= exchange->ends_ms;
        if (whole && exchange->hold.why)
                exchange_hold_end(exchange);
        else if (whole)
                late(exchange, "request_timeout");
        else if (exchange->state == EXCHANGE_RESTING)
                exchange_retry_now(exchange);
        else if (is_clients_affair(exchange))
                exchange_deadline_renew(exchange);
        else
                late(exchange, "backend_timeout");
}

/* For how long nothing may move. */
static uint64_t quiet_ms(const struct exchange *exchange)
{
        const struct exchange_env *env = exchange->start.env;
        const struct route_timeouts *timeouts = &exchange->rule->timeouts;
        if (waits_for_body(exchange))
                return env->body_progress_ms_max;
        if (timeouts->request_given || timeouts->backend_request_given)
                return 0;
        return exchange->state == EXCHANGE_RELAYING ? env->body_progress_ms_max
                                                    : env->response_ms_max;
}

void exchange_deadline_renew(struct exchange *exchange)
{
        bool rests = exchange->state == EXCHANGE_RESTING;
        uint64_t at_ms = rests ? exchange->retry.at_ms : moment(exchange, quiet_ms(exchange));
        if (!rests && at_ms > exchange->attempt_ends_ms)
                at_ms = exchange->attempt_ends_ms;
        if (at_ms > exchange->ends_ms)
                at_ms = exchange->ends_ms;
        deadline_set(exchange->start.env->wheel, &exchange->deadline, at_ms, on_late);
}

uint64_t exchange_left_ms(const struct exchange *exchange)
{
        uint64_t now_ms = *exchange->start.env->now_ms;
        uint64_t left_ms = exchange->ends_ms > now_ms ? exchange->ends_ms - now_ms : 0;
        return left_ms + ANSWER_SLACK_MS;
}
