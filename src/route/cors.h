/* Which pages of other origins may read an answer (HTTPCORSFilter; the protocol is that of
 * https://fetch.spec.whatwg.org/#http-cors-protocol). Pure. Where a filter is in force it alone
 * says so: what a backend says of the same goes. An empty list of origins allows none, and with
 * credentials nothing is ever answered with "*". */
#pragma once

#include <stdbool.h>

#include "http/message.h"
#include "route/rule.h"

/* Scheme, host and port of the pattern, where a port that is not given is the scheme's; "*" before
 * labels stands for one or more of them, alone for every host, and instead of all of it for every
 * origin. A pattern that is none matches nothing. */
bool cors_origin_matches(struct slice pattern, struct slice origin);
/* The request's Origin; empty where there is none or more than one. */
struct slice cors_origin_of(const struct request_head *head);
/* OPTIONS with Origin and Access-Control-Request-Method: the gateway answers it, whoever asks. */
bool cors_is_preflight(const struct request_head *head);

/* Both replace all Access-Control-* fields in `headers` by those that `origin` gets; none are left
 * for an origin that does not match. `head` is the preflight's. */
void cors_answer(const struct route_cors *cors, struct slice origin, struct header_list *headers);
void cors_answer_preflight(const struct route_cors *cors, const struct request_head *head,
                           struct header_list *headers);
