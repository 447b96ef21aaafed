#include "proxy/exchange.h"

#include <time.h>

#include "base/must.h"
#include "proxy/exchange_try.h"

/* The story of one request:
 *   exchange_open           takes the head, passes the gates (exchange_gate.c), makes the request
 *                           for the backend (exchange_request.c) and opens a call to it
 *   on_ready, on_moved      bytes go and come (backend_call.h)
 *   on_turn                 tells the connection what is new: credit, 100, heads, data
 *   exchange_try_failed     asks for another connection, now or later (exchange_retry.c)
 *   exchange_pull           the connection takes body bytes (exchange_response.c)
 *   exchange_close          the backend's connection is kept or ended, the record is written */

/* ---- turns ---- */

static bool head_next(struct exchange *exchange, bool *end)
{
        if (exchange->state == EXCHANGE_WAITING && exchange_response_head(exchange, end))
                return true;
        if (exchange->state != EXCHANGE_ANSWERING || exchange->head_told)
                return false;
        exchange->head_told = true;
        *end = exchange->answer.len == 0;
        if (*end)
                exchange->state = EXCHANGE_ENDED;
        return true;
}

static void tell_request_news(struct exchange *exchange, const bool *gone)
{
        const struct exchange_callbacks *callbacks = exchange->start.callbacks;
        size_t consumed = exchange->news.consumed;
        exchange->news.consumed = 0;
        if (consumed > 0)
                callbacks->on_consumed(exchange, consumed, exchange->start.self);
        if (*gone || !exchange->news.proceed)
                return;
        exchange->news.proceed = false;
        if (exchange->state != EXCHANGE_WAITING)
                return;
        exchange->news.proceeded = true;
        callbacks->on_continue(exchange, exchange->start.self);
}

/* Each callback may close the exchange, and then its memory is gone. */
static void on_turn(struct task *task)
{
        struct exchange *exchange = CONTAINER_OF(task, struct exchange, task);
        const struct exchange_callbacks *callbacks = exchange->start.callbacks;
        void *self = exchange->start.self;
        bool gone = false, end = false;
        exchange->gone = &gone;
        tell_request_news(exchange, &gone);
        while (!gone && head_next(exchange, &end))
                callbacks->on_head(exchange, &exchange->response, end, self);
        if (!gone && exchange->news.readable) {
                exchange->news.readable = false;
                if (exchange->head_told && exchange->pull_waits) {
                        exchange->pull_waits = false;
                        callbacks->on_readable(exchange, self);
                }
        }
        if (!gone)
                exchange->gone = NULL;
}

void exchange_turn_later(struct exchange *exchange)
{
        struct task_queue *tasks = upstream_pool_tasks(exchange->start.env->pool);
        task_queue_put(tasks, &exchange->task, on_turn);
}

/* ---- the backend's side ---- */

static void on_ready(void *self)
{
        struct exchange *exchange = self;
        exchange->state = EXCHANGE_WAITING;
        exchange->record.asked_ns = uv_hrtime();
        exchange->record.upstream = event_address_of((const void *)&exchange->call.lease.address);
        if (exchange->start.head->expect_continue && exchange->start.head->http_minor > 0 &&
            exchange->out.body_bytes == 0 && !exchange->out.body.ended &&
            !exchange->news.proceeded) {
                exchange->news.proceed = true;
                exchange_turn_later(exchange);
        }
        exchange_deadline_renew(exchange);
        if (!backend_call_begin(&exchange->call)) {
                exchange_fail(exchange, 431, "head_too_big");
                return;
        }
        exchange_request_send(exchange);
        backend_call_watch(&exchange->call);
}

static void on_failed(enum upstream_failure failure, void *self)
{
        static const struct try_fault faults[] = {
                [UPSTREAM_NO_ENDPOINT] = {TRY_HOPELESS, 503, "no_endpoints"},
                [UPSTREAM_NO_ADDRESS] = {TRY_CONNECTION, 503, "backend_name_unresolved"},
                [UPSTREAM_OVER_LIMIT] = {TRY_ANSWER, 503, "backend_over_limit"},
                [UPSTREAM_CONNECT_FAILED] = {TRY_CONNECTION, 502, "backend_connect_failed"},
                [UPSTREAM_CONNECT_TIMEOUT] = {TRY_TIMEOUT, 504, "backend_connect_timeout"},
                [UPSTREAM_NO_HTTP2] = {TRY_CONNECTION, 502, "backend_without_http2"},
                [UPSTREAM_TLS_FAILED] = {TRY_CONNECTION, 502, NULL}, /* by its reason */
        };
        struct exchange *exchange = self;
        struct try_fault fault = faults[failure];
        if (failure == UPSTREAM_TLS_FAILED)
                fault.fault = upstream_tls_fault(exchange->call.lease.tls_reason);
        exchange_try_failed(exchange, &fault);
}

static void on_moved(unsigned moved, void *self)
{
        struct exchange *exchange = self;
        if (exchange->state == EXCHANGE_SWITCHED) /* what came belongs to its taker */
                return;
        if (moved)
                exchange_deadline_renew(exchange);
        exchange_request_sent(exchange);
        if ((moved & CALL_CAME) == 0)
                return;
        exchange->news.readable = true;
        exchange_turn_later(exchange);
}

static const struct backend_call_callbacks backend_side = {on_ready, on_failed, on_moved};

void exchange_call_open(struct exchange *exchange, bool fresh)
{
        const struct backend_call_start start = {
                .pool = exchange->start.env->pool,
                .backend = exchange->backend,
                .head = &exchange->filters.head,
                .body = &exchange->out.body,
                .limits = &exchange->limits,
                .arena = exchange->start.arena,
                .window_bytes = EXCHANGE_WINDOW_BYTES,
                .callbacks = &backend_side,
                .self = exchange,
                .fresh = fresh,
                .avoid = exchange->retry.avoid,
        };
        exchange->state = EXCHANGE_CONNECTING;
        exchange_attempt_begin(exchange);
        backend_call_open(&exchange->call, &start);
}

/* ---- the connection's side ---- */

static struct slice request_id_make(struct exchange *exchange)
{
        static const char digits[] = "0123456789abcdef";
        uint64_t *random = exchange->start.env->random_state;
        uint64_t halves[2];
        char text[32];
        halves[0] = random_next(random);
        halves[1] = random_next(random);
        for (size_t i = 0; i < sizeof(text); i++)
                text[i] = digits[halves[i / 16] >> (60 - i % 16 * 4) & 15];
        return arena_slice(exchange->start.arena, slice_from(text, sizeof(text)));
}

static struct exchange *exchange_new(const struct exchange_start *start)
{
        struct exchange *exchange = ARENA_NEW(start->arena, struct exchange);
        struct timespec now;
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
        exchange->start = *start;
        exchange->listener = start->listener;
        snapshot_ref(start->snapshot);
        exchange->pull_waits = true;
        exchange->out.body.ended = start->end;
        exchange->record.time_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
        exchange->record.started_ns = uv_hrtime();
        exchange->ends_ms = *start->env->now_ms + start->env->request_ms_max;
        exchange->attempt_ends_ms = EXCHANGE_NEVER_MS;
        exchange->record.request_id = request_id_make(exchange);
        exchange->limits = http_limits_default();
        buffer_init(&exchange->out.body.bytes, EXCHANGE_OUT_BYTES_MAX);
        return exchange;
}

struct exchange *exchange_open(const struct exchange_start *start)
{
        struct exchange *exchange = exchange_new(start);
        struct exchange_gate gate = exchange_gate_pass(exchange);
        if (gate.status != 0) {
                exchange_fail(exchange, gate.status, gate.fault);
                return exchange;
        }
        exchange_times_begin(exchange);
        exchange_hold_begin(exchange);
        exchange_request_start(exchange);
        exchange_call_open(exchange, false);
        return exchange;
}

struct exchange *exchange_open_fault(const struct exchange_start *start,
                                     const struct http_fault *fault)
{
        struct exchange *exchange = exchange_new(start);
        exchange_fail(exchange, fault->status, fault->token);
        return exchange;
}

enum h2_pull exchange_pull(struct exchange *exchange, char *into, size_t *len,
                           const struct header_list **trailers)
{
        size_t room = *len;
        *len = 0;
        switch (exchange->state) {
        case EXCHANGE_CONNECTING:
        case EXCHANGE_RESTING:
        case EXCHANGE_WAITING:
        case EXCHANGE_SWITCHED:
                exchange->pull_waits = true;
                return H2_PULL_LATER;
        case EXCHANGE_RELAYING:
                *len = room;
                return exchange_response_pull(exchange, into, len, trailers);
        case EXCHANGE_ANSWERING:
                *len = room < exchange->answer.len ? room : exchange->answer.len;
                for (size_t i = 0; i < *len; i++)
                        into[i] = exchange->answer.data[i];
                exchange->answer = slice_skip(exchange->answer, *len);
                exchange->record.bytes_out += *len;
                if (exchange->answer.len > 0)
                        return H2_PULL_DATA;
                exchange->state = EXCHANGE_ENDED;
                return H2_PULL_END;
        case EXCHANGE_ENDED:
                return H2_PULL_END;
        case EXCHANGE_BROKEN:
                break;
        }
        return H2_PULL_ABORT;
}

bool exchange_request_unread(const struct exchange *exchange)
{
        return exchange->state == EXCHANGE_ANSWERING || exchange->state == EXCHANGE_ENDED ||
               exchange->state == EXCHANGE_BROKEN;
}

void exchange_hand_over(struct exchange *exchange, struct upstream_lease *to,
                        const struct upstream_callbacks *callbacks, void *self,
                        struct exchange_switched *out)
{
        must(exchange->state == EXCHANGE_SWITCHED);
        *out = (struct exchange_switched){
                .request_id = exchange->record.request_id,
                .route = exchange->rule->route,
                .upstream = exchange->record.upstream,
                .asked = &exchange->hold.asked,
                .valid_until = exchange->hold.valid_until,
                .generation = exchange->start.snapshot->generation,
        };
        backend_call_hand_over(&exchange->call, to, callbacks, self, &out->came);
        exchange->state = EXCHANGE_ENDED;
}

void exchange_close(struct exchange *exchange)
{
        struct snapshot *snapshot = exchange->start.snapshot;
        if (exchange->gone)
                *exchange->gone = true;
        task_cancel(upstream_pool_tasks(exchange->start.env->pool), &exchange->task);
        deadline_clear(&exchange->deadline);
        backend_call_close(&exchange->call, false);
        mirror_group_break(&exchange->mirrors); /* which were not told the whole of it */
        exchange_record_write(exchange);
        buffer_done(&exchange->out.body.bytes);
        snapshot_unref(snapshot);
}
