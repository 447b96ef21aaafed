/* The insides of an exchange, private to the exchange*.c files. */
#pragma once

#include "base/buffer.h"
#include "proxy/backend_call.h"
#include "proxy/exchange.h"
#include "proxy/exchange_filters.h"
#include "proxy/exchange_gate.h"
#include "proxy/exchange_judge.h"
#include "proxy/mirror.h"

enum {
        /* The window, twice, and the last read over it. */
        EXCHANGE_OUT_BYTES_MAX = 256 * 1024,
};

enum exchange_state {
        EXCHANGE_CONNECTING, /* decided for a backend; a connection to it is on its way */
        EXCHANGE_RESTING,    /* a try failed; the next one waits for its moment */
        EXCHANGE_WAITING,    /* the request goes out; the final head has not come in */
        EXCHANGE_RELAYING,   /* the client has the head; the body passes through */
        EXCHANGE_SWITCHED,   /* a 101: the backend's connection waits to be handed over */
        EXCHANGE_ANSWERING,  /* what the client gets is an answer of our own */
        EXCHANGE_ENDED,      /* the client has pulled all there is */
        EXCHANGE_BROKEN,     /* the backend broke off behind the head: ABORT, never a clean end */
};

/* What goes to the backend behind the head. While `replayable`, everything is kept from its first
 * byte, so that it can be sent again. */
struct exchange_out {
        struct request_body body;
        size_t unacked;      /* bytes of it that on_consumed was not told of */
        uint64_t body_bytes; /* handed in so far */
        bool dead;           /* the backend reads no more; what still comes is dropped */
        bool replayable;
};

/* What the next turn tells the connection. */
struct exchange_news {
        size_t consumed;
        bool proceed;   /* 100 Continue */
        bool proceeded; /* it was told before */
        bool readable;
};

struct exchange_record {
        int64_t time_ms;
        uint64_t started_ns, asked_ns, answered_ns;
        uint64_t bytes_out;
        struct slice request_id;
        uint16_t status;   /* that the client was given; 0: none yet */
        const char *fault; /* NULL: none */
        struct event_address upstream;
        uint32_t retries;
};

struct exchange {
        struct exchange_start start;
        enum exchange_state state;
        const struct listener *listener; /* that the authority belongs to */
        const struct route_rule *rule;
        struct exchange_filters filters;
        struct pin_decision decision; /* of the rule's and its route's scopes */
        struct exchange_hold hold;
        const struct backend *backend;
        struct backend_call call;
        struct http_limits limits; /* for what the backend says */
        struct exchange_out out;
        struct mirror_group mirrors;
        struct response_head response;
        unsigned informational; /* 1xx heads so far */
        struct slice answer;    /* what is left of our own */
        bool informational_told, head_told;
        bool pull_waits; /* the last pull found nothing */
        struct exchange_news news;
        struct exchange_record record;
        struct task task;
        uint64_t ends_ms;         /* whatever moves */
        uint64_t attempt_ends_ms; /* this try at a backend, whatever moves */
        struct deadline deadline;
        struct {
                uint64_t at_ms;               /* of RESTING: then the next try begins */
                bool fresh;                   /* on a connection of its own */
                const struct endpoint *avoid; /* that the last one failed at; NULL: not known */
        } retry;
        bool *gone; /* set by exchange_close while a turn calls back; else NULL */
};

void exchange_turn_later(struct exchange *exchange);

/* ---- exchange_answer.c: what pingate says itself ---- */
/* Ends the backend side. A client without a head gets one of ours, later an ABORT. `fault` NULL:
 * the answer without a body to a request that wants none of a backend. */
void exchange_fail(struct exchange *exchange, int status, const char *fault);
void exchange_record_write(struct exchange *exchange);

/* ---- exchange_request.c: towards the backend ---- */
void exchange_request_start(struct exchange *exchange);
struct slice exchange_client_name(const struct exchange *exchange);
void exchange_request_send(struct exchange *exchange);
/* Behind every sending: credit for what went, and what need not be kept any more. */
void exchange_request_sent(struct exchange *exchange);
/* Acknowledges and drops whatever of the request was not sent. */
void exchange_request_drop(struct exchange *exchange);
bool exchange_request_is_sent(const struct exchange *exchange);

/* ---- exchange_response.c: from the backend ---- */
/* The next head for the client in exchange->response; false: none now. */
bool exchange_response_head(struct exchange *exchange, bool *end);
enum h2_pull exchange_response_pull(struct exchange *exchange, char *into, size_t *len,
                                    const struct header_list **trailers);
