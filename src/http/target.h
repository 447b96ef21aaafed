/* The rules for what a request is aimed at, the same for h1's request line, Host, :path and
 * :authority, so that no protocol lowers a policy (I20, I21). Pure; slices out live in the arena.
 *
 * Paths. Routes match and backends receive exactly the same bytes. One normalisation is made, the
 * one that RFC 3986, 6.2.2.2 calls always equivalent: a percent-encoded unreserved character
 * (ALPHA DIGIT - . _ ~) is decoded, so "/%61dmin" cannot slip past a route for "/admin". What
 * matcher and backend might read differently is refused with 400 instead of guessed at:
 *   - dot segments "." and "..", encoded or not, with or without ";parameters" ("/..;/", "/..%3b/")
 *   - a malformed percent-encoding, %00 and every other encoded control (%01-%1f, %7f)
 *   - a backslash, a fragment, a space, a control, a quote, "<", ">", a byte over 0x7e
 *   - "//", "/;x/", %2f and %5c, unless limits->allow_ambiguous_paths: Gateway API allows none of
 * them in a path match, so a route can never be written for them, only around by them
 * ";parameters" elsewhere are lawful (RFC 3986, 3.3). Java servers cut them off, others don't, so a
 * head has the path in both readings, and its gate insists that both meet the same rule.
 * The query is passed as it is; controls, space, #, quotes, <, > and non-ASCII are refused in it.
 */
#pragma once

#include "http/message.h"

struct authority {
        struct slice text; /* host[:port], lower case */
        struct slice host; /* a name, an IPv4 address or an [IPv6] literal */
        uint16_t port;     /* 0: not given */
};

/* host[:port] of RFC 3986, 3.2, without userinfo. A host name has labels of 1..63 letters, digits,
 * "-" and "_", 253 in all, and may end in one dot; a port is 1..65535 and never empty. */
bool authority_parse(struct slice text, struct arena *arena, struct authority *out);

/* Origin-form (RFC 9112, 3.2.1): fills target, path, plain_path, query and
 * has_query. On false *fault is set. */
bool target_parse(struct slice text, const struct http_limits *limits, struct arena *arena,
                  struct request_head *head, struct http_fault *fault);
