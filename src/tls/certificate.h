/* A server certificate on its way into OpenSSL's contexts and connections, which share it. */
#pragma once

#include <openssl/ssl.h>

#include "base/error.h"
#include "trust/key_pair.h"

/* Into a context, or into one connection: the other is NULL. */
bool tls_certificate_load(const struct key_pair *pair, SSL_CTX *ctx, SSL *ssl, struct error *err);
