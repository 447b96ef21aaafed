/* What h1, h2 and chunked trailers share about fields; private to http/. Faults carry the status
 * of a request; readers of backends turn it into 502. */
#pragma once

#include "http/message.h"

/* One field line without its CRLF; the bytes are the arena's, the name is lower-cased in place. */
bool field_line_parse(char *line, size_t len, const struct http_limits *limits, struct header *out,
                      struct http_fault *fault);

/* Host, Content-Length, Transfer-Encoding: said by a head's members, not by its list. */
bool field_is_framing(struct slice name);

/* Takes Content-Length off the list. Several, equal or not, are a fault. */
bool content_length_take(struct header_list *headers, bool *known, uint64_t *length,
                         struct http_fault *fault);

/* Takes Host off the list and fills authority, host, port. `target` is the authority that the
 * target named, or empty; a Host beside it must say the same. h1 demands Host, h2 does not. */
bool authority_take(struct request_head *head, struct slice target, bool host_needed,
                    struct http_fault *fault);

/* Method, Expect, TE: what is judged alike in h1 and h2 when framing is known. */
bool request_rules_check(struct request_head *head, struct http_fault *fault);
bool method_check(struct slice method, const struct http_limits *limits, struct http_fault *fault);
