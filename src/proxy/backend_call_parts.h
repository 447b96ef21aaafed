/* What the protocols towards backends keep for a call; a part of backend_call.h. */
#pragma once

#include "base/buffer.h"
#include "http/body.h"
#include "http/h1.h"
#include "proxy/upstream/bytes.h"

struct call_h1 {
        struct buffer wire; /* head and framed pieces of the body */
        size_t wire_sent;
        struct buffer in;
        size_t taken; /* of in: parsed or pulled */
        struct h1_reader reader;
        struct body_reader body;
        bool framed_end; /* what ends the request is on the wire */
        bool eof;
        bool broken;     /* the end came without a farewell: a reset, or TLS cut off */
        bool in_body;    /* the final head was read */
        bool keep_alive; /* by its head the backend's connection may be used again */
};

struct call_h2 {
        struct h2_call call;
        struct call_h2_head *heads, **heads_end; /* that were not asked for yet */
        struct buffer in;
        size_t taken;                 /* of in: pulled */
        struct header_list *trailers; /* NULL: the response has not ended */
        bool closed;
        enum h2_call_end end; /* of closed */
        struct task task;     /* tells that it never began */
};
