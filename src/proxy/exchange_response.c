#include "base/must.h"
#include "proxy/exchange_try.h"

enum {
        INFORMATIONAL_MAX = 16, /* 1xx heads before the final one */
};

static void backend_done(struct exchange *exchange)
{
        backend_call_close(&exchange->call, true);
        deadline_clear(&exchange->deadline);
        exchange_request_drop(exchange);
        exchange->state = EXCHANGE_ENDED;
}

/* ---- heads ---- */

static void final_head(struct exchange *exchange, bool *end)
{
        struct response_head *head = &exchange->response;
        exchange->head_told = true;
        exchange_request_sent(exchange); /* of which nothing need be kept any more */
        exchange->record.status = head->status;
        exchange->record.answered_ns = uv_hrtime();
        response_headers_clean(&head->headers);
        exchange_response_filter(exchange, &head->headers);
        if (head->framing == FRAMING_UNTIL_CLOSE || head->framing == FRAMING_CHUNKED)
                head->framing = exchange->start.head->http_minor == 0 ? FRAMING_UNTIL_CLOSE
                                                                      : FRAMING_CHUNKED;
        head->keep_alive = true;   /* of the client's connection; it knows better */
        if (head->status == 101) { /* only where it was asked for (http/h1.h, I31) */
                deadline_clear(&exchange->deadline);
                exchange->state = EXCHANGE_SWITCHED;
                *end = false;
                return;
        }
        *end = head->framing == FRAMING_NONE ||
               (head->framing == FRAMING_LENGTH && head->content_length == 0);
        exchange->state = EXCHANGE_RELAYING;
        if (*end)
                backend_done(exchange);
        else
                exchange_deadline_renew(exchange);
}

/* True: the client is to see it. A 100 is for us, who promised the client one already, and a client
 * of HTTP/1.0 knows none (RFC 9110, 15.2). */
static bool informational_head(struct exchange *exchange)
{
        if (++exchange->informational > INFORMATIONAL_MAX) {
                exchange_fail(exchange, 502, "informational_flood");
                return false;
        }
        response_headers_clean(&exchange->response.headers);
        exchange->informational_told |=
                exchange->response.status != 100 && exchange->start.head->http_minor > 0;
        return exchange->response.status != 100 && exchange->start.head->http_minor > 0;
}

/* What says of an endpoint that it can't do its part. A 500 is the application's own. */
static bool is_gateway_fault(unsigned status)
{
        return status >= 502 && status <= 504;
}

bool exchange_response_head(struct exchange *exchange, bool *end)
{
        struct backend_call *call = &exchange->call;
        struct try_fault fault;
        while (exchange->state == EXCHANGE_WAITING) {
                switch (backend_call_head(call, &exchange->response)) {
                case CALL_HEAD_LATER:
                        backend_call_watch(call);
                        return false;
                case CALL_HEAD_BAD:
                        fault = (struct try_fault){TRY_ANSWER, 502, call->fault.token};
                        exchange_try_failed(exchange, &fault);
                        return false;
                case CALL_HEAD_CLOSED:
                        fault = (struct try_fault){TRY_CONNECTION, 502,
                                                   call->any ? "backend_head_cut_off"
                                                             : "backend_closed"};
                        exchange_try_failed(exchange, &fault);
                        return false;
                case CALL_HEAD_DONE:
                        break;
                }
                if (!exchange->response.informational)
                        backend_call_tell(call, !is_gateway_fault(exchange->response.status));
                if (!exchange->response.informational && exchange_retry_answer(exchange))
                        return false;
                if (!exchange->response.informational) {
                        final_head(exchange, end);
                        return true;
                }
                *end = false;
                if (informational_head(exchange))
                        return true;
        }
        return false;
}

/* ---- the body ---- */

/* What was put before a fault goes out first; the next pull aborts. */
enum h2_pull exchange_response_pull(struct exchange *exchange, char *into, size_t *len,
                                    const struct header_list **trailers)
{
        struct header_list *got = NULL;
        enum h2_pull pulled = backend_call_pull(&exchange->call, into, len, &got);
        exchange->record.bytes_out += *len;
        switch (pulled) {
        case H2_PULL_END:
                if (got)
                        trailers_clean(got);
                if (got && got->count > 0)
                        *trailers = got;
                backend_done(exchange);
                break;
        case H2_PULL_ABORT:
                exchange_fail(exchange, 502, exchange->call.fault.token);
                return *len > 0 ? H2_PULL_DATA : H2_PULL_ABORT;
        case H2_PULL_LATER:
                exchange->pull_waits = true;
                backend_call_watch(&exchange->call);
                break;
        case H2_PULL_DATA:
                backend_call_watch(&exchange->call);
                break;
        }
        return pulled;
}
