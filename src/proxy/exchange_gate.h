/* Which listener, rule and backend a request meets, and the status that answers it where it meets
 * none. Pure functions of one generation, shared by the exchange and `pingate explain`, so that
 * both decide alike. */
#pragma once

#include "http/message.h"
#include "snapshot/snapshot.h"
#include "trust/judge.h"

struct exchange_gate {
        int status;        /* 0: go on */
        const char *fault; /* NULL: this answer is none, such as that to OPTIONS * */
};

/* `chosen` is the listener that SNI chose, or NULL on a plain port. What was not reached stays as
 * it was. */
struct exchange_gate exchange_gate_route(const struct port *port, const struct listener *chosen,
                                         const struct request_head *head,
                                         const struct listener **listener,
                                         struct route_found *found);
/* What its policies ask of a request of that rule; NULL: it has none. */
const struct rule_policy *rule_policy_find(const struct snapshot *snapshot,
                                           const struct route_rule *rule);
/* May this client have what the rule serves (403), and does the rule do what it says (500)?
 * `standing` is the client's connection's, NULL where the port asks nobody: who is not
 * verified passes no scope, in every mode. *decision is complete in any case, for the record and
 * for the name. */
struct exchange_gate exchange_gate_rule(const struct snapshot *snapshot,
                                        const struct route_rule *rule,
                                        const struct standing *standing, int64_t now,
                                        struct pin_decision *decision);
/* Whether what was picked of the rule's backends (NULL: there was nothing to pick) can be asked. */
struct exchange_gate exchange_gate_backend(const struct snapshot *snapshot,
                                           const struct route_backend *picked,
                                           const struct backend **backend);

struct exchange;
/* All of them, in their order, for a new exchange: which listener, rule and backend, and who may
 * have it. */
struct exchange_gate exchange_gate_pass(struct exchange *exchange);
