/* What becomes of a request whose try at a backend failed: another try, or the client's answer.
 * Without a word of the rule only what is safe by itself is tried again: a kept connection may end
 * in the moment that it is used, which says nothing about the backend, and over HTTP/2 a backend
 * can say that it has done nothing about a request (RFC 9113, 8.7). With `retry` it is the rule
 * that decides, for every method: its author knows what may be done twice. Never once the client
 * was told anything, and never without the whole of the request so far. */
#include "proxy/exchange_try.h"

enum {
        BACKOFF_DOUBLINGS_MAX = 4,
        DRAIN_PULLS_MAX = 16, /* of an answer that nobody sees, for the sake of its connection */
        DRAIN_BYTES = 4096,
        UNSEEN_RETRIES_MAX = 3, /* by backends that say that they did nothing about a request */
};

/* RFC 9110, 9.2.2. */
static bool is_safe_twice(const struct exchange *exchange)
{
        static const char *const idempotent[] = {"GET",   "HEAD", "OPTIONS",
                                                 "TRACE", "PUT",  "DELETE"};
        bool safe = backend_call_is_unsent(&exchange->call);
        for (size_t i = 0; i < COUNT_OF(idempotent); i++)
                safe = safe || slice_is(exchange->start.head->method, idempotent[i]);
        return safe;
}

static bool may_again(const struct exchange *exchange)
{
        return !exchange->head_told && !exchange->informational_told && exchange->out.replayable;
}

static bool code_is_listed(const struct route_retry *retry, int status)
{
        for (size_t i = 0; i < retry->code_count; i++)
                if (retry->codes[i] == status)
                        return true;
        return false;
}

/* Doubled each time, and up to half of it more, so that the requests that failed together do not
 * all come back together; never less than the rule says. */
static uint64_t backoff_ms(const struct exchange *exchange)
{
        uint64_t ms = exchange->rule->retry->backoff_ms;
        uint32_t doublings = exchange->record.retries;
        ms <<= doublings < BACKOFF_DOUBLINGS_MAX ? doublings : BACKOFF_DOUBLINGS_MAX;
        return ms + random_next(exchange->start.env->random_state) % (ms / 2 + 1);
}

/* An answer that would come only behind the end of the whole is none: better the one there is. */
static bool rule_retries(const struct exchange *exchange, const struct try_fault *fault,
                         uint64_t *wait_ms)
{
        const struct route_retry *retry = exchange->rule->retry;
        if (!retry || !may_again(exchange) || exchange->record.retries >= retry->attempts ||
            fault->kind == TRY_HOPELESS ||
            (fault->kind == TRY_ANSWER && !code_is_listed(retry, fault->status)))
                return false;
        *wait_ms = backoff_ms(exchange);
        return *exchange->start.env->now_ms + *wait_ms < exchange->ends_ms;
}

static void again(struct exchange *exchange, uint64_t wait_ms, bool fresh)
{
        struct exchange_out *out = &exchange->out;
        out->body.sent = 0;
        out->dead = false;
        exchange->record.retries++;
        exchange->retry.fresh = fresh;
        if (wait_ms == 0) {
                exchange_call_open(exchange, fresh);
                return;
        }
        exchange->state = EXCHANGE_RESTING;
        exchange->retry.at_ms = *exchange->start.env->now_ms + wait_ms;
        exchange_deadline_renew(exchange);
}

void exchange_retry_now(struct exchange *exchange)
{
        exchange_call_open(exchange, exchange->retry.fresh);
}

void exchange_try_failed(struct exchange *exchange, const struct try_fault *fault)
{
        const struct route_retry *retry = exchange->rule->retry;
        bool reused = exchange->call.lease.reused && fault->kind == TRY_CONNECTION;
        bool died_idle = reused && !exchange->call.any; /* which may be nobody's fault */
        bool unseen = exchange->call.unseen && exchange->record.retries < UNSEEN_RETRIES_MAX;
        uint64_t wait_ms = 0;
        /* Nor is it the endpoint's to wait for a body: else a client could have one passed over. */
        if (!died_idle && !unseen && exchange->out.body.ended)
                backend_call_tell(&exchange->call, false);
        exchange->retry.avoid = died_idle || unseen ? NULL : exchange->call.lease.endpoint;
        bool by_itself = unseen || (died_idle && !retry && is_safe_twice(exchange));
        if ((by_itself && may_again(exchange)) || rule_retries(exchange, fault, &wait_ms)) {
                backend_call_close(&exchange->call, false);
                again(exchange, reused ? 0 : wait_ms, reused && !unseen);
        } else if (retry && fault->kind == TRY_CONNECTION && exchange->record.retries > 0) {
                exchange_fail(exchange, 503, "retries_exhausted");
        } else {
                exchange_fail(exchange, fault->status, fault->fault);
        }
}

/* Most answers that ask for another try are short and have come whole: reading them to their end
 * keeps the connection. */
static bool answer_drain(struct backend_call *call)
{
        char nowhere[DRAIN_BYTES];
        for (int i = 0; i < DRAIN_PULLS_MAX; i++) {
                struct header_list *trailers = NULL;
                size_t len = sizeof(nowhere);
                enum h2_pull pulled = backend_call_pull(call, nowhere, &len, &trailers);
                if (pulled != H2_PULL_DATA)
                        return pulled == H2_PULL_END;
        }
        return false;
}

bool exchange_retry_answer(struct exchange *exchange)
{
        const struct try_fault fault = {TRY_ANSWER, exchange->response.status, NULL};
        uint64_t wait_ms;
        if (!rule_retries(exchange, &fault, &wait_ms))
                return false;
        exchange->retry.avoid = exchange->call.lease.endpoint;
        backend_call_close(&exchange->call, answer_drain(&exchange->call));
        again(exchange, wait_ms, false);
        return true;
}
