/* An h1 message body, taken out of its framing (RFC 9112, 6 and 7). Chunked is strict: sizes of
 * 1..16 hex digits, CRLF after each, a bounded extension that is dropped, trailers under the same
 * rules as head fields. Data comes out as slices of the input, without a copy. Faults carry a
 * request's status; when a backend's body is at fault, the answer is 502 or a broken connection. */
#pragma once

#include "http/message.h"

enum body_status {
        BODY_MORE, /* all input is used up */
        BODY_DATA, /* *data is a piece of the body; call again with the rest of the input */
        BODY_END,  /* the body is complete, trailers are in reader->trailers; bytes behind
                    * *consumed belong to the next message */
        BODY_BAD,  /* reader->fault says why; read nothing more from this peer */
};

struct body_reader { /* embedded; trailers live in the arena */
        enum framing framing;
        uint8_t state; /* of the chunk grammar */
        uint8_t size_digits;
        const struct http_limits *limits;
        uint64_t left; /* bytes of this chunk, or of the whole body, still to come */
        size_t extension_bytes;
        char *section; /* the trailer section so far, in the arena */
        size_t section_len, section_capacity, line_start;
        struct header_list trailers;
        struct http_fault fault;
};

/* Framing NONE is at its end at once. */
void body_reader_init(struct body_reader *reader, enum framing framing, uint64_t content_length,
                      const struct http_limits *limits, struct arena *arena);
/* *consumed and *data are set on every return; *data is empty but for BODY_DATA. */
enum body_status body_read(struct body_reader *reader, struct slice in, size_t *consumed,
                           struct slice *data);
/* The peer closed: BODY_END for UNTIL_CLOSE or a body that was complete, else BODY_BAD. */
enum body_status body_read_eof(struct body_reader *reader);

enum {
        CHUNK_HEAD_MAX = 18, /* 16 digits, CRLF */
};
/* The line in front of a chunk of n > 0 bytes; behind the bytes goes CRLF. */
struct slice chunk_head_print(uint64_t n, char out[static CHUNK_HEAD_MAX]);
