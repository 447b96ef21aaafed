/* The tries of an exchange at a backend: how long one may take, and what comes behind one that
 * failed. Private to the exchange*.c files. */
#pragma once

#include "proxy/exchange_state.h"

/* Asks the pool for a connection. */
void exchange_call_open(struct exchange *exchange, bool fresh);

/* ---- exchange_retry.c: second tries ---- */
enum try_kind {
        TRY_CONNECTION, /* none, or it broke off */
        TRY_TIMEOUT,
        TRY_ANSWER,   /* the backend said something: of the status alone it depends */
        TRY_HOPELESS, /* another try would end alike */
};
struct try_fault {
        enum try_kind kind;
        int status; /* for the client, should it be the last try */
        const char *fault;
};
/* Before the client has a head: begins another try, now or later, or answers. */
void exchange_try_failed(struct exchange *exchange, const struct try_fault *fault);
/* The final head is in exchange->response: true if the client shall not see it, for another try
 * comes. */
bool exchange_retry_answer(struct exchange *exchange);
void exchange_retry_now(struct exchange *exchange); /* its moment has come */

/* ---- exchange_time.c: what is late ---- */
#define EXCHANGE_NEVER_MS (UINT64_MAX / 4) /* far, and safe to add to */
/* The rule is known: what it says of the whole request holds from here on. */
void exchange_times_begin(struct exchange *exchange);
/* A connection is asked for, for the first time or again. */
void exchange_attempt_begin(struct exchange *exchange);
/* Puts the deadline off, after anything moved. */
void exchange_deadline_renew(struct exchange *exchange);
