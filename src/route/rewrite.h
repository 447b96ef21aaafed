/* Other addresses for a request: what URLRewrite sends to a backend and what RequestRedirect sends
 * a client to. Pure: a rule's filters, the match that held and the head in, text of the arena out.
 * Nothing comes out that could not have come in: the parts are a head that target.h let pass and
 * values that translate held to the same rules, and they are joined at a "/" only, so no dot
 * segment, no line end and no other host can come of it. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "http/message.h"
#include "route/rule.h"

/* The value of a modifier, held to the rules of a request's own path by the same reader, and so
 * that what stands behind a replaced prefix can follow it: "/a/;" is a path, "/a/;/b" is none.
 * Empty is fine. False: *fault names the rule. */
bool path_value_read(enum path_change change, struct slice text, struct arena *arena,
                     struct slice *out, const char **fault);

/* The path as the modifier makes it, never empty. `match` is the one that held for `path`. */
struct slice path_modify(const struct path_modifier *modifier, const struct route_match *match,
                         struct slice path, struct arena *arena);

/* Writes another path into head->target; the query is kept. */
void path_rewrite(struct request_head *head, struct slice path, struct arena *arena);

struct redirect_request {
        const struct request_head *head;
        const struct route_match *match;
        struct slice scheme;    /* "http" or "https": the client's */
        uint16_t listener_port; /* that Gateway API knows, not one that a balancer forwards to */
};
/* The value of Location (HTTPRequestRedirectFilter): an absolute URI with the query kept. */
struct slice redirect_location(const struct route_redirect *redirect,
                               const struct redirect_request *request, struct arena *arena);
