/* Which fields pass. A request's way, always in this order (I23, I24):
 *   1. request_headers_clean      Connection-listed and hop-by-hop fields go, then inbound identity
 *                                 fields; X-Forwarded-* and X-Request-Id are replaced
 *   2. headers_filter             the route's filters, in their order
 *   3. request_headers_finish     identity fields that a filter tried to make go; ours are added
 * Since the Connection list is spent in step 1, it can't remove what step 3 adds. A response's way:
 * response_headers_clean, then headers_filter. Trailers, both ways: trailers_clean.
 * Names with "_" or other odd token characters pass (applications use them), unless they fold to an
 * identity name the way CGI-like backends fold: every byte but a letter or digit counts as "_". */
#pragma once

#include "http/message.h"

/* What the edge knows about the client. Inbound X-Forwarded-*, Forwarded, X-Real-IP, X-Request-Id,
 * X-Original-URL and X-Rewrite-URL never pass; what is empty here is then left out. */
struct forwarded {
        struct slice client_ip;  /* X-Forwarded-For; replaces what came in */
        struct slice scheme;     /* X-Forwarded-Proto */
        struct slice host;       /* X-Forwarded-Host: the authority that the client asked for */
        struct slice port;       /* X-Forwarded-Port */
        struct slice request_id; /* X-Request-Id */
};

/* HTTPHeaderFilter of Gateway API: set replaces, add appends to the existing value as "old,new"
 * (a line of its own for set-cookie), remove removes; in this order. Names are lower case. */
struct header_filter {
        const struct header *set, *add;
        const struct slice *remove;
        size_t set_count, add_count, remove_count;
};

/* Client-Cert, Client-Cert-Chain, X-Forwarded-Client-Cert, X-SSL-*, SSL-Client-*, X-Client-Cert*,
 * X-Forwarded-Tls-Client-*, Pingate-*, folded as said above. */
bool header_is_identity(struct slice name);
/* Connection, Keep-Alive, Proxy, Proxy-*, TE, Transfer-Encoding, Upgrade, HTTP2-Settings. Trailer
 * is none: trailers are passed on, and so is their announcement (RFC 9110, 6.6.2). */
bool header_is_hop_by_hop(struct slice name);

void request_headers_clean(struct header_list *headers, const struct forwarded *forwarded);
void headers_filter(struct header_list *headers, const struct header_filter *filter);
/* `identity` is what identity_headers_build made, or NULL where no certificate is asked for.
 * te_trailers adds "te: trailers" for a backend that speaks h2. */
void request_headers_finish(struct header_list *headers, const struct header_list *identity,
                            bool te_trailers);
void response_headers_clean(struct header_list *headers);
void trailers_clean(struct header_list *trailers); /* framing, routing, hop-by-hop, identity go */
