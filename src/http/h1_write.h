/* Writes h1 messages from scratch (I28): start line, framing that pingate computed, then the
 * fields. Host, Content-Length, Transfer-Encoding, Connection and the other hop-by-hop fields are
 * written from the head's own members; lines of those names in the list are left out. Every name
 * and value has passed a reader or header_rules.h; one with CR, LF or NUL is a bug and ends the
 * process rather than splitting a message. False: over out->max, and out is as it was. */
#pragma once

#include "base/buffer.h"
#include "http/message.h"

/* HTTP/1.1 with Host first. keep_alive false asks the backend to close. */
bool h1_write_request(const struct request_head *head, struct buffer *out);

/* `date` (RFC 9110, 6.6.1) is written when the list has no Date and date is not empty. FRAMING_NONE
 * writes a Content-Length only if content_length_known (HEAD, 304). To an HTTP/1.0 client never
 * pass FRAMING_CHUNKED but UNTIL_CLOSE. */
bool h1_write_response(const struct response_head *head, struct slice date, struct buffer *out);

/* The last chunk and the trailers (NULL: none). */
bool h1_write_last_chunk(const struct header_list *trailers, struct buffer *out);
/* "HTTP/1.1 100 Continue" and its empty line. */
struct slice h1_continue(void);
