/* What the filters of a rule, and behind them those of the backendRef that was picked, answer
 * themselves. Pure, shared by the exchange and `pingate explain`. They come behind every gate that
 * asks who the client is: a redirect of a pinned rule is for its clients only. */
#pragma once

#include "proxy/exchange_gate.h"
#include "route/rewrite.h"
#include "snapshot/snapshot.h"

struct filter_answer {
        int status;            /* 0: no filter answers, the request goes on */
        struct slice location; /* of a redirect; else empty */
        bool preflight;        /* of CORS */
};

/* `filters` NULL: none. */
struct filter_answer filters_answer(const struct route_filters *filters,
                                    const struct redirect_request *request, struct arena *arena);

/* Host and path for the backend. Of each, what the backendRef's URLRewrite gives stands before what
 * the rule's does, and both start from the request as it came in, of which the match tells. */
void filters_rewrite(const struct route_filters *rule, const struct route_filters *backend,
                     const struct route_match *match, struct request_head *head,
                     struct arena *arena);

/* ---- of an exchange ---- */

/* Whose filters hold, and what they said. */
struct exchange_filters {
        const struct route_match *match;    /* of the rule's, that held */
        const struct route_backend *target; /* of the rule's, that was picked; NULL: none yet */
        struct filter_answer answer;        /* in the place of a backend */
        bool asked;                         /* the gates in front of them were passed */
        struct slice origin;                /* as the client said it, before any filter */
        struct request_head head;           /* as the backend is to have it */
};

struct exchange_gate exchange_filters_pass(struct exchange *exchange,
                                           const struct route_filters *filters);
void exchange_request_filter(const struct exchange *exchange, struct header_list *headers);
/* Makes filters.head of what the client asked, once that has its headers. */
void exchange_request_rewrite(struct exchange *exchange);
void exchange_response_filter(const struct exchange *exchange, struct header_list *headers);
/* Of an answer of our own. */
void exchange_answer_filter(const struct exchange *exchange, struct header_list *headers);
