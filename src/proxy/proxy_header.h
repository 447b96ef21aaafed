/* The PROXY protocol, versions 1 and 2 (HAProxy, doc/proxy-protocol.txt): who a connection is from,
 * as said by a load balancer in front, before its first byte. Pure, bounded, no allocation. Strict:
 * what is not exactly a header is BAD, and nothing of a connection that began so is read. Believed
 * only from addresses that the port lists; from those it is demanded. */
#pragma once

#include "base/buffer.h"
#include "base/digest.h"
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

/* What a backend is told of a client: by us alone, whatever came in front of it. */
struct proxy_client {
        struct event_address from, to;
        struct slice server_name; /* of its ClientHello; empty: none */
        bool tls;                 /* it ended here */
        bool certified;           /* a certificate was presented… */
        bool verified;            /* …and let it in; else it has neither name nor digest */
        struct slice name;        /* of the pin; may be empty */
        struct digest leaf;
};

enum { /* TLVs: those of the protocol, and ours among those for experiments (2.2.7 and 2.2.8) */
        PROXY_TLV_AUTHORITY = 0x02,
        PROXY_TLV_SSL = 0x20,
        PROXY_TLV_PIN_NAME = 0xe0,
        PROXY_TLV_LEAF_SHA256 = 0xe1,
};

/* A header of version 2. False: no room. */
bool proxy_header_write(const struct proxy_client *client, struct buffer *out);
