/* What a request and a response say, once read: the one form that h1 and h2 share.
 * Built by h1.h and h2.h, changed by header_rules.h, read by route/ and proxy/, written out by
 * h1_write.h and h2.h. Every slice in a head points into the arena that the reader was given (the
 * exchange's), never into a read buffer: the caller may reuse its bytes as soon as a reader
 * returns. A head that a reader handed out has passed every rule of h1.h; an empty header list
 * means a message without fields. Header names are always lower case. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

struct header {
        struct slice name;  /* lower case, a token (RFC 9110, 5.1) */
        struct slice value; /* trimmed; no control but tab (RFC 9110, 5.5) */
};

struct header_list { /* in the order received; zero it or header_list_init */
        struct arena *arena;
        struct header *items;
        size_t count, capacity;
};

enum framing {
        FRAMING_NONE,       /* no body by rule: a request without one, HEAD, 1xx, 204, 304 */
        FRAMING_LENGTH,     /* content_length bytes, which may be 0 */
        FRAMING_CHUNKED,    /* length unknown, the end is marked: chunked in h1, END_STREAM in h2 */
        FRAMING_UNTIL_CLOSE /* h1 responses only */
};

struct request_head {
        struct slice method; /* as received; case matters */
        struct slice target; /* path, and "?" query when has_query; "*" for OPTIONS *. Forwarded
                              * as it stands. See target.h for what was normalised */
        struct slice path;   /* the part of target that routes match */
        struct slice
                plain_path;  /* path without ";parameters"; the same bytes where there are none */
        struct slice query;  /* without "?" */
        struct slice scheme; /* "http" | "https"; empty when an h1 request did not say */
        struct slice authority; /* host[:port], lower case: of the absolute target, :authority or
                                 * Host, which never disagree. Never empty */
        struct slice host;    /* authority without port: name (may end in a dot), IPv4 or [IPv6] */
        struct slice upgrade; /* "websocket" when asked for by an h1 GET, else empty: every other
                               * protocol, h2c above all, is ignored (RFC 9110, 7.8; I22) */
        struct header_list headers; /* without Host, Content-Length, Transfer-Encoding and
                                     * pseudo-headers: the members here say it */
        enum framing framing;       /* NONE, LENGTH or CHUNKED */
        uint64_t content_length;    /* for FRAMING_LENGTH */
        uint16_t port;              /* of authority; 0 when not given */
        uint8_t http_minor;         /* of h1: 0 or 1; 1 for h2 */
        bool has_query;
        bool expect_continue; /* Expect: 100-continue before a body; it stays in headers, and is
                               * dropped where it means nothing. Any other is a 417 */
        bool keep_alive;      /* the client lets the connection live; false for HTTP/1.0 */
        bool te_trailers;     /* TE: trailers was sent (gRPC backends want it) */
};

struct response_head {
        uint16_t status; /* 100..599 */
        struct header_list headers;
        enum framing framing;
        bool content_length_known; /* also says the length of what HEAD or 304 would have had;
                                    * false with FRAMING_LENGTH 0: the end was marked instead */
        uint64_t content_length;
        bool keep_alive;      /* reading: the backend connection may be reused; writing to an h1
                               * client: false writes Connection: close */
        bool informational;   /* 1xx but 101: another head follows */
        struct slice upgrade; /* "websocket" for a valid 101, else empty */
        uint8_t http_minor;   /* of an h1 backend: 0 or 1 */
};

/* Why a message was refused. status is the answer (400, 413, 414, 417, 431, 501, 505; 502 when a
 * backend's message is at fault); token names the fault for log and metrics, static. */
struct http_fault {
        int status;
        const char *token;
};

struct http_limits {
        size_t head_bytes;            /* start line and fields */
        size_t target_bytes;          /* over it: 414 */
        size_t method_bytes;          /* over it: 501 */
        size_t name_bytes;            /* one field name */
        size_t headers;               /* fields; over any of these three: 431 */
        size_t trailer_bytes;         /* of a chunked body */
        size_t chunk_extension_bytes; /* of one chunk */
        bool allow_ambiguous_paths;   /* see target.h; false */
};
struct http_limits http_limits_default(void); /* 64 KiB, 8 KiB, 32, 256, 100, 8 KiB, 256 */

void header_list_init(struct header_list *list, struct arena *arena);
/* Room for so many and no more, where a list is small and lives long; more still fit. */
void header_list_reserve(struct header_list *list, size_t count);
/* Adds a field. name (lower case) and value are not copied: they must live as long as the list. */
void header_append(struct header_list *list, struct slice name, struct slice value);
/* All fields of that name become this one, at the place of the first, or at the end. */
void header_set(struct header_list *list, struct slice name, struct slice value);
size_t header_remove(struct header_list *list, struct slice name); /* how many went */
/* Names are compared without regard to case. */
const struct header *header_find(const struct header_list *list, struct slice name); /* or NULL */
/* The next field of that name from *at on (start with 0); NULL when there is none left. */
const struct header *header_next(const struct header_list *list, struct slice name, size_t *at);
struct slice header_value(const struct header_list *list, struct slice name); /* or empty */
/* Whether a comma-separated list field (RFC 9110, 5.6.1), over all its lines, has this token. */
bool header_has_token(const struct header_list *list, struct slice name, struct slice token);

bool token_valid(struct slice s);       /* RFC 9110, 5.6.2; at least one byte */
bool field_value_valid(struct slice s); /* no NUL, CR, LF or other control but tab */
const char *status_phrase(int status);  /* "OK"; "" for a status we do not know */
