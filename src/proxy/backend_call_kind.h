/* What a protocol towards backends does for a call; private to backend_call*.c. */
#pragma once

#include "proxy/backend_call.h"

struct call_h2_head {
        struct call_h2_head *next;
        struct response_head head;
};

struct call_kind {
        bool (*begin)(struct backend_call *call);
        bool (*send)(struct backend_call *call);
        size_t (*unsent)(const struct backend_call *call);
        bool (*receive)(struct backend_call *call); /* an event: true: something came; NULL: none
                                                     * comes */
        enum call_head (*head)(struct backend_call *call, struct response_head *head);
        enum h2_pull (*pull)(struct backend_call *call, char *into, size_t *len,
                             struct header_list **trailers);
        bool (*has_input)(const struct backend_call *call);
        void (*watch)(struct backend_call *call);
        bool (*is_reusable)(const struct backend_call *call); /* a whole response was read */
        /* Behind a 101: what came behind its head, to be freed by who takes it. */
        struct buffer (*leftover)(struct backend_call *call);
        void (*done)(struct backend_call *call); /* before the lease is given back: no more comes of
                                                  * it, and its memory goes */
};

extern const struct call_kind call_h1_kind;
extern const struct call_kind call_h2_kind;
