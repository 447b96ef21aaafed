/* The PROXY protocol, versions 1 and 2 (HAProxy, doc/proxy-protocol.txt): who a connection is from,
 * as said by a load balancer in front, before its first byte. Pure, bounded, no allocation. Strict:
 * what is not exactly a header is BAD, and nothing of a connection that began so is read. Believed
 * only from addresses that the port lists; from those it is demanded. */
#pragma once

#include "base/slice.h"
#include "event/address.h"

enum {
        /* Over version 1's 107 bytes; 536 are what the text asks to be ready for. TLVs may bear
         * more, and none is looked at. */
        PROXY_HEADER_BYTES_MAX = 2048,
};

enum proxy_header_status {
        PROXY_HEADER_MORE, /* it is not complete */
        PROXY_HEADER_DONE,
        PROXY_HEADER_BAD,
};

struct proxy_header {
        size_t len;                    /* of all of it: what follows is the connection's first */
        struct event_address from, to; /* none: it says nothing (LOCAL, UNKNOWN, UNIX): the
                                        * connection is from whom it comes from */
};

/* `bytes`: all since the connection's first. Does not depend on how they were cut. */
enum proxy_header_status proxy_header_read(struct slice bytes, struct proxy_header *header);
