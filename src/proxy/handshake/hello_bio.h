/* A TLS connection whose first bytes were read before: OpenSSL reads them, and then the socket. So
 * what was decided by them and what OpenSSL makes of them is one text (I19). */
#pragma once

#include <openssl/ssl.h>

#include "base/buffer.h"

/* Takes the bytes over, on success; `fd` stays the caller's. False: OpenSSL gave no memory. */
bool hello_bio_set(SSL *ssl, int fd, struct buffer *first);
