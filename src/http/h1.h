/* The HTTP/1.1 head reader: RFC 9112 to the letter, no lenient mode, because two readers that
 * forgive differently are how requests are smuggled (I27, I28). Fed with all bytes received since
 * the end of the former message; bytes may grow between calls but the front must stay the same,
 * and nothing is scanned twice. The result does not depend on how the bytes were cut.
 *
 * Refused, with 400 unless said: Content-Length with Transfer-Encoding; more than one
 * Content-Length, equal ones too, and any that is not 1..19 digits; Transfer-Encoding other than
 * exactly one "chunked", or in HTTP/1.0; a bare CR or LF, NUL and other controls; obs-fold; space
 * before the colon, an empty or non-token name; no Host or several, an invalid one, or one that
 * differs from an absolute target's; "*" but for OPTIONS; HTTP/0.9. CONNECT, PRI and methods over
 * the limit: 501. Other versions: 505. An expectation but 100-continue: 417. One empty line before
 * a request is let pass (RFC 9112, 2.2). After H1_BAD no byte of the connection may be read (I32).
 * Backends' heads: same rules, fault status always 502. */
#pragma once

#include "http/message.h"

enum h1_status {
        H1_MORE, /* the head is not complete */
        H1_DONE,
        H1_BAD, /* reader->fault says why */
};

/* One per message: init it before each. Embedded, owns nothing. */
struct h1_reader {
        const struct http_limits *limits;
        struct arena *arena; /* gets the one copy of the head */
        struct http_fault fault;
        size_t scanned, line_start, lines, skipped; /* where the scan goes on */
};

void h1_reader_init(struct h1_reader *reader, const struct http_limits *limits,
                    struct arena *arena);

/* On H1_DONE *consumed is the length of the head with its empty line, and *head is complete. */
enum h1_status h1_request_read(struct h1_reader *reader, struct slice bytes, size_t *consumed,
                               struct request_head *head);

/* What the response answers decides how it is framed (RFC 9112, 6.3). */
struct h1_asked {
        bool head;      /* the request was HEAD: no body follows */
        bool websocket; /* the request asked for an upgrade: without it 101 is a fault (I31) */
};

/* 1xx heads come out one by one with informational set; init the reader again after each. */
enum h1_status h1_response_read(struct h1_reader *reader, struct slice bytes, struct h1_asked asked,
                                size_t *consumed, struct response_head *head);
