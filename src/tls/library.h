/* The OpenSSL library context that TLS contexts live in, with fewer ways to read a key. For every
 * public key OpenSSL 3.0 goes through all decoders and key types of its library context, twice: 110
 * of the 163 us that a client's certificate takes to parse. This context holds one provider of ours
 * that hands out the default provider's own implementations, but of its 40 decoders and 20 key
 * types only those that a handshake needs. No arithmetic is ours; how a key is judged is not
 * touched.
 *
 * Everything else (private keys, CAs, CRLs, the command line) stays in OpenSSL's own default
 * context with the whole provider. Opened once, before any other thread; closed after the last
 * TLS context is gone. NULL stands for OpenSSL's own context, wherever a library is asked for. */
#pragma once

#include <openssl/types.h>

#include "base/error.h"

struct tls_library;

/* NULL: it did not pass its check, or OpenSSL's configuration chooses providers of its own, which
 * we do not go round; err says so, and all works without. */
struct tls_library *tls_library_open(struct error *err);
void tls_library_close(struct tls_library *library); /* NULL is fine */
/* What OpenSSL's functions take: NULL for NULL. */
OSSL_LIB_CTX *tls_library_context(const struct tls_library *library);
