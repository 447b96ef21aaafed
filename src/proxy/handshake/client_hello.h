/* The server name of a ClientHello, read from a connection's first bytes without TLS: where a port
 * has a listener that passes TLS through, the name decides whether it ends here at all. Pure,
 * bounded, no allocation. Strict: what it does not understand is BAD and goes nowhere.
 *
 * Where TLS does end here the very bytes that were read are fed to OpenSSL (hello_bio.h), whose
 * hook reads the name by the same function and refuses another one (I19). RFC 8446, 4.1.2 and 5.1;
 * RFC 6066, 3. */
#pragma once

#include "base/slice.h"

enum {
        SNI_MAX = 253,
        /* Records with their headers. What browsers send, post-quantum shares and all, is 2 KiB;
         * the rest is room for those who cut it into small records. */
        CLIENT_HELLO_BYTES_MAX = 20 * 1024,
};

enum client_hello_status {
        CLIENT_HELLO_MORE, /* it is not complete */
        CLIENT_HELLO_DONE,
        CLIENT_HELLO_BAD, /* none, or one that is malformed or too large */
};

struct server_name {
        char bytes[SNI_MAX];
        size_t len; /* 0: the client names none */
};

/* `bytes`: all since the connection's first. Does not depend on how they were cut. */
enum client_hello_status client_hello_read(struct slice bytes, struct server_name *name);

/* The content of the extension: a list with one entry of type host_name. False: it is no such. */
bool server_name_read(struct slice extension, struct slice *name);
